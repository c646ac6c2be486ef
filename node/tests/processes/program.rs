//! Starts the program and watches it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use mvs_pow::CacheSet;
use testkit::history::History;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(2)));

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for a condition.
pub(crate) fn soon(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that goes away again.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mvs-process-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes a file of blocks of the devnet.
pub(crate) fn block_file(folder: &Folder, seed: u64, count: u32) -> String {
    let mut file = Vec::new();
    for block in History::new(seed, Arc::clone(&CACHES)).extend(count) {
        file.extend((block.len() as u32).to_le_bytes());
        file.extend(block);
    }
    let path = folder.path("blocks.bin");
    std::fs::write(&path, file).unwrap();
    path
}

/// What a command said.
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Said {
    /// What follows a word at the start of a line.
    pub(crate) fn value(&self, word: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(word));
        line.unwrap_or_else(|| panic!("no {word} in {}{}", self.stdout, self.stderr)).trim()
    }
}

fn command(data: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mvs-node"));
    command.args(["--network", "devnet", "--data-dir", data, "--no-seeds"]);
    // Settings of whoever runs the tests must not matter.
    command.env_clear().env("HOME", data).env("XDG_CONFIG_HOME", data);
    command
}

/// Runs a command to its end. Arguments come after the network and the data folder.
pub(crate) fn program(data: &str, args: &[&str]) -> Said {
    let args = args.iter().filter(|arg| !["--network", "devnet"].contains(arg));
    let output = command(data).args(args).stdin(Stdio::null()).output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A node that runs.
pub(crate) struct Running {
    child: Child,
    peers: String,
    metrics: String,
    rpc: String,
    log: Receiver<String>,
}

impl Running {
    pub(crate) fn start(data: &str, args: &[&str]) -> Self {
        let mut child = command(data)
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(["--rpc-listen", "127.0.0.1:0", "--local-addresses"])
            .args(args)
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let (send, log) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let nowhere = String::new;
        let mut this = Self { child, peers: nowhere(), metrics: nowhere(), rpc: nowhere(), log };
        let mut seen = Vec::new();
        while this.peers.is_empty() || this.metrics.is_empty() || this.rpc.is_empty() {
            let line = this.log.recv_timeout(PATIENCE);
            let line =
                line.unwrap_or_else(|_| panic!("the node did not start:\n{}", seen.join("\n")));
            let address = line.rsplit("address=").next().unwrap_or_default().trim().to_owned();
            if line.contains("listening for peers") {
                this.peers = address;
            } else if line.contains(" rpc address=") {
                this.rpc = address;
            } else if line.contains("metrics") && line.contains("address=") {
                this.metrics = address;
            }
            seen.push(line);
        }
        this
    }

    pub(crate) fn rpc_address(&self) -> &str {
        &self.rpc
    }

    /// Waits until it has ended by itself; tells with which code.
    pub(crate) fn ended(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    pub(crate) fn peer_address(&self) -> &str {
        &self.peers
    }

    /// The answer to a request, with its head.
    pub(crate) fn get(&self, path: &str) -> String {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.metrics)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        ask().unwrap_or_default()
    }

    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let answer = self.get("/metrics");
        let line = answer.lines().find_map(|line| line.strip_prefix(&format!("{name} ")))?;
        line.trim().parse().ok()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as a system does, and waits.
    pub(crate) fn terminate(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let log: Vec<String> = self.log.iter().collect();
        assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
