//! A process of the node's program.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use mvs_consensus::params::Params;
use mvs_consensus::params::chain_spec::ChainSpec;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::status::{self, Status};
use crate::usage::{self, Memory};
use crate::wait::{Seen, until};

/// How long a node may take to open its chain and answer.
pub const START_LIMIT: Duration = Duration::from_secs(60);
/// How long a node may take to stop when it is asked to. More than the 3 s that it promises, so that
/// a scenario can say how long it took.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// Lines of a log that are shown when a scenario fails.
const SHOWN_LINES: usize = 40;

/// Names the program to test, in place of building it.
pub const PROGRAM_VARIABLE: &str = "TESTNET_NODE";
/// The same for the wallet's program.
pub const WALLET_VARIABLE: &str = "TESTNET_WALLET";

/// A program of this tree: its name is that of its crate.
struct Built {
    name: &'static str,
    /// The variable that names another file.
    variable: &'static str,
    /// A source that is always there.
    source: &'static str,
}

const NODE: Built =
    Built { name: "mvs-node", variable: PROGRAM_VARIABLE, source: "node/src/lib.rs" };
const WALLET: Built =
    Built { name: "mvs-wallet", variable: WALLET_VARIABLE, source: "wallet/src/lib.rs" };

/// What decides how the programs are built, beside their sources.
const MANIFESTS: [&str; 9] = [
    "Cargo.toml",
    "Cargo.lock",
    "node/Cargo.toml",
    "wallet/Cargo.toml",
    "crates/rpc-api/Cargo.toml",
    "crates/primitives/Cargo.toml",
    "crates/pow/Cargo.toml",
    "crates/consensus/Cargo.toml",
    "crates/store/Cargo.toml",
];

/// The node's program.
#[derive(Debug, Clone)]
pub struct Program(PathBuf);

/// Finds or builds the program; `None` when this tree has none.
///
/// # Errors
/// When it does not build.
pub fn program() -> Result<Option<Program>> {
    static PROGRAM: OnceLock<Result<Option<PathBuf>, String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| find_program().map_err(|error| format!("{error:#}")));
    match found {
        Ok(path) => Ok(path.clone().map(Program)),
        Err(error) => bail!("{error}"),
    }
}

/// Finds or builds the wallet's program.
///
/// # Errors
/// When it does not build.
pub fn wallet_program() -> Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let found = PROGRAM.get_or_init(|| find(&WALLET).map_err(|error| format!("{error:#}")));
    found.clone().map_err(|error| anyhow::anyhow!("{error}"))
}

/// Finds the program, or says loudly that `what` is skipped.
///
/// # Panics
/// When it is there and does not build: that is a failure and no reason to skip.
pub fn program_or_skip(what: &str) -> Option<Program> {
    let found = program().expect("the node's program builds");
    if found.is_none() {
        loudly(&format!("SKIPPED {what}: this tree has no mvs-node program yet (node/src/bin)"));
    }
    found
}

/// Says something on stderr past the test harness, which hides what a passing test prints.
pub fn loudly(what: &str) {
    // Without a stderr there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "{what}");
}

fn find_program() -> Result<Option<PathBuf>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sources = ["node/src/bin/mvs-node.rs", "node/src/bin/mvs-node/main.rs", "node/src/main.rs"];
    let is_given = std::env::var_os(NODE.variable).is_some();
    if !is_given && !sources.iter().any(|source| root.join(source).is_file()) {
        return Ok(None);
    }
    find(&NODE).map(Some)
}

fn find(program: &Built) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(program.variable) {
        let path = PathBuf::from(path);
        ensure!(path.is_file(), "{} names {}, no file", program.variable, path.display());
        return Ok(path);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = build_folder();
    if let Some(folder) = &folder {
        let path = folder.join(program.name);
        let manifests = MANIFESTS.map(|name| root.join(name));
        if is_fresh(&path, program.source, &manifests).unwrap_or(false) {
            return Ok(path);
        }
    }
    build(&root, program.name, folder.as_deref().and_then(profile_of).unwrap_or("tool"))
}

/// Returns cargo's folder of programs for the profile of this one: `target/debug` or alike.
fn build_folder() -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    let folder = own.parent()?;
    let is_test = folder.file_name()? == "deps";
    if is_test { folder.parent().map(Path::to_owned) } else { Some(folder.to_owned()) }
}

/// Returns the profile whose folder this is.
fn profile_of(folder: &Path) -> Option<&str> {
    match folder.file_name()?.to_str()? {
        "debug" => Some("dev"),
        other => Some(other),
    }
}

/// Returns whether a program that cargo built is newer than all that it was made of, by the list that
/// cargo left beside it.
fn is_fresh(program: &Path, source: &str, manifests: &[PathBuf]) -> Result<bool> {
    let list = std::fs::read_to_string(program.with_extension("d"))?;
    let (_, sources) = list.trim_end().split_once(": ").context("an empty list")?;
    // A space in a name is escaped; such names are not found, which makes the program stale.
    let sources: Vec<PathBuf> = sources.split(' ').map(PathBuf::from).collect();
    ensure!(sources.iter().any(|path| path.ends_with(source)), "no list of the program");
    let built = std::fs::metadata(program)?.modified()?;
    for path in sources.iter().chain(manifests) {
        if std::fs::metadata(path)?.modified()? > built {
            return Ok(false);
        }
    }
    Ok(true)
}

fn build(root: &Path, name: &str, profile: &str) -> Result<PathBuf> {
    loudly(&format!("building {name}, profile {profile}"));
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let output = Command::new(cargo)
        .args(["build", "--profile", profile, "-p", name, "--bin", name])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    ensure!(output.status.success(), "{name} does not build");
    let executable = output.stdout.lines().map_while(Result::ok).find_map(|line| {
        let message: Value = serde_json::from_str(&line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.context("cargo built no program")
}

impl Program {
    /// Returns the file.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Runs a command of the program to its end.
    ///
    /// # Errors
    /// When it cannot be started or does not end within the limit.
    pub fn run(
        &self,
        command: &str,
        network: &Network,
        arguments: &[&Path],
        limit: Duration,
    ) -> Result<Output> {
        let mut child = Command::new(&self.0);
        child.arg(command).args(&network.arguments).args(arguments);
        output_within(&mut child, limit).with_context(|| format!("mvs-node {command}"))
    }

    /// Imports a file of blocks.
    ///
    /// # Errors
    /// When the program fails or does not say what it should.
    pub fn import(
        &self,
        network: &Network,
        data_dir: &Path,
        file: &Path,
        limit: Duration,
    ) -> Result<Imported> {
        let arguments = [Path::new("--data-dir"), data_dir, file];
        let output = self.run("import", network, &arguments, limit)?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "import failed: {text}\n{complaint}");
        Imported::parse(&text).with_context(|| format!("import says {text:?}"))
    }
}

/// Runs a program to its end and collects what it writes.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Result<Output> {
    let folder = tempfile::tempdir()?;
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&err)?)
        .spawn()?;
    let waited = until("a command to end", limit, || match child.try_wait() {
        Ok(status) => Seen::maybe(status, || "it runs".into()),
        Err(error) => Seen::NotYet(error.to_string()),
    });
    if waited.is_err() {
        // It may have ended meanwhile, which is as good.
        let _ = child.kill();
        let _ = child.wait();
    }
    Ok(Output { status: waited?, stdout: std::fs::read(out)?, stderr: std::fs::read(err)? })
}

/// What `import` prints, a line each: `height N`, `tip HASH`, `state HEX`, `rate N blocks/s`.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Height of the tip.
    pub height: u32,
    /// Hash of the tip.
    pub tip: String,
    /// Digest of the coins, and behind it that of the registry.
    pub state: String,
    /// Speed.
    pub blocks_per_second: f64,
}

impl Imported {
    fn parse(text: &str) -> Result<Self> {
        let field = |name: &str| {
            let found = text.lines().find_map(|line| {
                let (key, value) = line.split_once(' ')?;
                (key == name).then_some(value)
            });
            found.with_context(|| format!("no {name}"))
        };
        let rate = field("rate")?.split_whitespace().next().context("a rate without a number")?;
        Ok(Self {
            height: field("height")?.parse()?,
            tip: field("tip")?.to_owned(),
            state: field("state")?.to_owned(),
            blocks_per_second: rate.parse()?,
        })
    }
}

/// Which network a node joins.
#[derive(Debug, Clone)]
pub struct Network {
    arguments: Vec<OsString>,
    /// Keeps the file of the chain spec.
    _folder: Option<std::sync::Arc<TempDir>>,
}

impl Network {
    /// The development network.
    pub fn devnet() -> Self {
        Self { arguments: ["--network", "devnet"].map(OsString::from).to_vec(), _folder: None }
    }

    /// Returns the arguments by which programs join it.
    pub fn arguments(&self) -> &[OsString] {
        &self.arguments
    }

    /// A network of these parameters.
    ///
    /// # Errors
    /// When they cannot be written as a chain spec.
    pub fn of(params: &Params) -> Result<Self> {
        let text = ChainSpec::to_toml(params)?;
        ensure!(ChainSpec::parse(&text)? == *params, "the chain spec loses something");
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("chain.toml");
        std::fs::write(&file, text)?;
        let arguments = vec![OsString::from("--chain-spec"), file.into_os_string()];
        Ok(Self { arguments, _folder: Some(std::sync::Arc::new(folder)) })
    }
}

/// How to start a node.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The network.
    pub network: Network,
    /// Whom it connects to.
    pub connect: Vec<SocketAddr>,
    /// It mines for this address, at most one block in this time.
    pub mine: Option<(String, Duration)>,
    /// It answers questions at [`Node::rpc`].
    pub rpc: bool,
    /// More arguments.
    pub more: Vec<OsString>,
}

impl Setup {
    /// A node that is alone.
    pub const fn on(network: Network) -> Self {
        Self { network, connect: Vec::new(), mine: None, rpc: false, more: Vec::new() }
    }

    /// Adds somebody to connect to.
    #[must_use]
    pub fn connect(mut self, address: SocketAddr) -> Self {
        self.connect.push(address);
        self
    }

    /// Lets it mine.
    #[must_use]
    pub fn mine(mut self, address: &str, interval: Duration) -> Self {
        self.mine = Some((address.to_owned(), interval));
        self
    }
}

/// A node that runs, or could run again. Killed and removed when dropped; if a test is panicking, the
/// end of its log is shown.
#[derive(Debug)]
pub struct Node {
    /// How it was, or will be, started.
    pub setup: Setup,
    program: Program,
    child: Option<Child>,
    watchdog: Option<Watchdog>,
    folder: TempDir,
    port: u16,
    http: SocketAddr,
    rpc: SocketAddr,
}

impl Node {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn start(program: &Program, setup: Setup) -> Result<Self> {
        let mut node = Self::prepare(program, setup)?;
        node.restart()?;
        Ok(node)
    }

    /// Prepares a folder and ports without starting anything.
    ///
    /// # Errors
    /// When there is no room.
    pub fn prepare(program: &Program, setup: Setup) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mvs-testnet-").tempdir()?;
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let rpc = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let (program, port) = (program.clone(), free_port()?);
        Ok(Self { setup, program, child: None, watchdog: None, folder, port, http, rpc })
    }

    /// Returns where it listens for peers.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Returns where it listens for peers on the other protocol: hostile ones come this way, so
    /// that a ban of theirs is no ban of the honest ones.
    pub fn address_v6(&self) -> SocketAddr {
        SocketAddr::from((Ipv6Addr::LOCALHOST, self.port))
    }

    /// Returns where it answers HTTP.
    pub const fn http(&self) -> SocketAddr {
        self.http
    }

    /// Returns where it answers questions, if its setup lets it.
    pub const fn rpc(&self) -> SocketAddr {
        self.rpc
    }

    /// Returns its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Returns the file with all that it has written.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Returns the number of its process.
    ///
    /// # Errors
    /// When it does not run.
    pub fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the node does not run")?.id())
    }

    /// Returns the command that starts it.
    pub fn command(&self) -> Command {
        let mut command = Command::new(self.program.path());
        command.arg("run").args(&self.setup.network.arguments);
        command.arg("--data-dir").arg(self.data_dir()).arg("--no-seeds");
        command.args(["--listen".to_owned(), self.address().to_string()]);
        command.args(["--listen".to_owned(), self.address_v6().to_string()]);
        command.args(["--metrics-listen".to_owned(), self.http.to_string()]);
        let rpc = if self.setup.rpc { self.rpc.to_string() } else { String::new() };
        command.args(["--rpc-listen".to_owned(), rpc]);
        for peer in &self.setup.connect {
            command.args(["--connect".to_owned(), peer.to_string()]);
        }
        if let Some((address, interval)) = &self.setup.mine {
            command.args(["--mine", address]);
            command.args(["--mine-interval-ms".to_owned(), interval.as_millis().to_string()]);
        }
        command.args(&self.setup.more).stdin(Stdio::null());
        command
    }

    /// Starts it, or starts it again, and waits until it answers.
    ///
    /// # Errors
    /// When it does not.
    pub fn restart(&mut self) -> Result<()> {
        self.spawn()?;
        until("the node to answer", START_LIMIT, || {
            if let Ok(Some(status)) = self.ended() {
                return Seen::Done(Err(anyhow::anyhow!("the node ended: {status}")));
            }
            match self.status() {
                Ok(_) => Seen::Done(Ok(())),
                Err(error) => Seen::NotYet(format!("{error:#}")),
            }
        })?
        .with_context(|| self.tail())
    }

    /// Starts it without waiting.
    ///
    /// # Errors
    /// When it runs already, or cannot be started.
    pub fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "the node runs already");
        let log = File::options().create(true).append(true).open(self.log())?;
        let copy = log.try_clone()?;
        let child = self.child.insert(self.command().stdout(log).stderr(copy).spawn()?);
        self.watchdog = Some(Watchdog::over(child.id())?);
        Ok(())
    }

    /// Returns how the process ended, if it has.
    ///
    /// # Errors
    /// When none was started.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        let status = self.child.as_mut().context("the node does not run")?.try_wait()?;
        if status.is_some() {
            self.watchdog = None;
        }
        Ok(status)
    }

    /// Returns the end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(SHOWN_LINES);
        format!("log of {}:\n{}", self.address(), lines[from..].join("\n"))
    }

    /// Asks for its status.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn status(&self) -> Result<Status> {
        status::fetch(self.http)
    }

    /// Waits until its status fits, and returns it.
    ///
    /// # Errors
    /// When it does not within the limit; the error shows the last status and the end of the log.
    pub fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        mut fits: impl FnMut(&Status) -> bool,
    ) -> Result<Status> {
        until(what, limit, || match self.status() {
            Ok(status) if fits(&status) => Seen::Done(status),
            Ok(status) => Seen::NotYet(format!("{status:?}")),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        })
        .with_context(|| self.tail())
    }

    /// Waits until its tip is this block.
    ///
    /// # Errors
    /// When it is not within the limit.
    pub fn wait_for_tip(&self, tip: &str, limit: Duration) -> Result<Status> {
        self.wait_for(&format!("the tip {tip}"), limit, |status| status.tip == tip)
    }

    /// Waits until it has this height or a greater one.
    ///
    /// # Errors
    /// When it has not within the limit.
    pub fn wait_for_height(&self, height: u32, limit: Duration) -> Result<Status> {
        self.wait_for(&format!("height {height}"), limit, |status| status.height >= height)
    }

    /// Waits until it has this many peers or more.
    ///
    /// # Errors
    /// When it has not within the limit.
    pub fn wait_for_peers(&self, peers: usize, limit: Duration) -> Result<Status> {
        self.wait_for(&format!("{peers} peers"), limit, |status| status.peers >= peers)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// When it does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the node does not run")?;
        self.watchdog = None;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits for the end: the exit status, and how long it took.
    ///
    /// # Errors
    /// When it does not run or does not end.
    pub fn stop(&mut self) -> Result<(ExitStatus, Duration)> {
        self.stop_by(Signal::TERM)
    }

    /// The same by another signal.
    ///
    /// # Errors
    /// When it does not run or does not end.
    pub fn stop_by(&mut self, signal: Signal) -> Result<(ExitStatus, Duration)> {
        let pid = i32::try_from(self.pid()?).ok().and_then(Pid::from_raw).context("a number")?;
        let start = Instant::now();
        kill_process(pid, signal)?;
        let status = until("the node to stop", STOP_LIMIT, || match self.ended() {
            Ok(status) => Seen::maybe(status, || "it runs".into()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
        .with_context(|| self.tail())?;
        self.watchdog = None;
        self.child = None;
        Ok((status, start.elapsed()))
    }

    /// Returns its memory.
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self) -> Result<Memory> {
        usage::memory(self.pid()?)
    }

    /// Returns the processor time that it has used since its start.
    ///
    /// # Errors
    /// When it does not run.
    pub fn processor_time(&self) -> Result<Duration> {
        usage::processor_time(self.pid()?)
    }
}

impl Drop for Node {
    #[expect(clippy::print_stderr, reason = "whoever reads a failed scenario needs the log")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.tail());
        }
        if self.child.is_some() {
            // It may have ended by itself, which is as good.
            let _ = self.kill();
        }
    }
}

/// Kills a process when this one is gone, however it went: a test that is killed leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Watchdog(Child);

impl Watchdog {
    pub(crate) fn over(pid: u32) -> Result<Self> {
        // Its standard input ends when this process does.
        let child = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$0\"", &pid.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self(child))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // First the dog, so that it never bites a stranger with a number that was given out again.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns a port that nobody uses on either loopback address, and that this process has not given
/// out before.
///
/// # Errors
/// When there is none.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    for _ in 0..1_000 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let other = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
        if other.is_ok() && given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no free port")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_of_an_import_is_read() {
        let text = "height 7\ntip ab\nstate 12\nblocks 7 connected, 0 known\nrate 4400.5 blocks/s";
        let imported = Imported::parse(text).unwrap();
        assert_eq!((imported.height, imported.tip.as_str()), (7, "ab"));
        assert_eq!((imported.state.as_str(), imported.blocks_per_second), ("12", 4400.5));
        assert!(Imported::parse("height 7\ntip ab").is_err());
    }

    #[test]
    fn a_program_older_than_a_source_is_stale() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("node/src")).unwrap();
        std::fs::write(at("node/src/lib.rs"), "").unwrap();
        std::fs::write(at("mvs-node"), "").unwrap();
        assert!(is_fresh(&at("mvs-node"), NODE.source, &[]).is_err(), "no list");
        let list = format!("{}: {}\n", at("mvs-node").display(), at("node/src/lib.rs").display());
        std::fs::write(at("mvs-node.d"), list).unwrap();
        let age = |name: &str, secs: u64| {
            let time = std::time::SystemTime::now() - Duration::from_secs(secs);
            File::options().append(true).open(at(name)).unwrap().set_modified(time).unwrap();
        };
        age("node/src/lib.rs", 10);
        assert!(is_fresh(&at("mvs-node"), NODE.source, &[]).unwrap());
        age("mvs-node", 20);
        assert!(!is_fresh(&at("mvs-node"), NODE.source, &[]).unwrap());
        age("mvs-node", 5);
        std::fs::write(at("Cargo.toml"), "").unwrap();
        assert!(!is_fresh(&at("mvs-node"), NODE.source, &[at("Cargo.toml")]).unwrap());
    }

    #[test]
    fn ports_differ() {
        assert_ne!(free_port().unwrap(), free_port().unwrap());
    }

    #[test]
    fn a_process_that_ends_at_once_is_noticed() {
        let program = Program(PathBuf::from("/bin/false"));
        let error = Node::start(&program, Setup::on(Network::devnet())).unwrap_err();
        assert!(format!("{error:#}").contains("the node ended"), "{error:#}");
    }

    #[test]
    fn a_chain_spec_is_a_file() {
        let network = Network::of(&Params { name: "mine".into(), ..Params::devnet() }).unwrap();
        let text = std::fs::read_to_string(&network.arguments[1]).unwrap();
        assert!(text.contains("mine"));
    }
}
