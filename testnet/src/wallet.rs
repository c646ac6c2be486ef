//! The wallet's program beside a node.

use std::ffi::OsString;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{Network, Node, Watchdog, free_port, output_within, wallet_program};
use crate::wait::{Seen, until};

/// How long a command may take: opening a keystore alone is dear on purpose.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// A node's door for questions.
#[derive(Debug, Clone)]
pub struct Door {
    /// Where it answers.
    pub address: SocketAddr,
    /// Its data folder, with the cookie.
    pub data_dir: PathBuf,
}

impl Door {
    /// Lets a node that was not started yet answer questions, with the index of addresses.
    ///
    /// # Errors
    /// When there is no port.
    pub fn of(node: &mut Node) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let more = ["--rpc-listen".to_owned(), address.to_string(), "--index".to_owned()];
        node.setup.more.extend(more.map(OsString::from));
        Ok(Self { address, data_dir: node.data_dir() })
    }
}

/// A wallet with one address, in a folder of its own.
#[derive(Debug)]
pub struct Wallet {
    program: PathBuf,
    network: Network,
    folder: TempDir,
    door: Door,
    address: String,
}

impl Wallet {
    /// Makes a new wallet, which asks this node.
    ///
    /// # Errors
    /// When the program does not build or fails.
    pub fn new(network: &Network, door: Door) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mvs-wallet-").tempdir()?;
        std::fs::write(folder.path().join("password"), "a test's password\n")?;
        let (program, network) = (wallet_program()?, network.clone());
        let mut wallet = Self { program, network, folder, door, address: String::new() };
        let made = wallet.run(&["new"])?;
        let address = made.get("address").and_then(Value::as_str).context("no address")?;
        wallet.address = address.to_owned();
        Ok(wallet)
    }

    /// Returns its address.
    pub fn address(&self) -> &str {
        &self.address
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.network.arguments());
        command.arg("--keystore").arg(self.folder.path().join("wallet.keys"));
        command.arg("--password-file").arg(self.folder.path().join("password"));
        command.args(["--node".to_owned(), self.door.address.to_string()]);
        command.arg("--node-data-dir").arg(&self.door.data_dir);
        command.arg("--json").args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and returns its answer.
    ///
    /// # Errors
    /// When it fails; the error shows what it said.
    pub fn run(&self, arguments: &[&str]) -> Result<Value> {
        let output = output_within(&mut self.command(arguments), COMMAND_LIMIT)?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {}: {said}", output.status);
        serde_json::from_slice(&output.stdout).with_context(|| format!("{arguments:?}: {said}"))
    }

    /// Runs a command that fails; returns its exit code and what it said.
    ///
    /// # Errors
    /// When it cannot be started or does not end.
    pub fn fail(&self, arguments: &[&str]) -> Result<(Option<i32>, String)> {
        let output = output_within(&mut self.command(arguments), COMMAND_LIMIT)?;
        Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
    }

    /// Starts to stake.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn stake(&self, arguments: &[&str]) -> Result<Staker> {
        let at = |name: &str| self.folder.path().join(name);
        let mut command = self.command(&["stake", "run"]);
        command.args(arguments);
        let out = File::options().create(true).append(true).open(at("blocks"))?;
        let err = File::options().create(true).append(true).open(at("said"))?;
        let child = command.stdout(out).stderr(err).spawn()?;
        let watchdog = Watchdog::over(child.id())?;
        Ok(Staker { child, _watchdog: watchdog, blocks: at("blocks"), said: at("said") })
    }
}

/// A wallet that stakes. Killed when dropped.
#[derive(Debug)]
pub struct Staker {
    child: Child,
    _watchdog: Watchdog,
    blocks: PathBuf,
    said: PathBuf,
}

impl Staker {
    /// Returns the blocks that it told of.
    pub fn blocks(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.blocks).unwrap_or_default();
        // The last line may be on its way.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Returns what it said beside.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.said).unwrap_or_default()
    }

    /// Tells whether it still runs.
    ///
    /// # Errors
    /// What the system says.
    pub fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Asks it to stop, as Ctrl-C does, and waits.
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a number")?;
        kill_process(pid, Signal::INT)?;
        until("the staker to stop", COMMAND_LIMIT, || match self.child.try_wait() {
            Ok(status) => Seen::maybe(status, || "it runs".into()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
    }
}

impl Drop for Staker {
    #[expect(clippy::print_stderr, reason = "whoever reads a failed scenario needs it")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the staker said:\n{}", self.said());
        }
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
