//! A store in a process of its own.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::limit::Limit;
use crate::stores::Kind;

/// How the processes are started.
#[derive(Debug)]
pub struct Setup {
    pub workload: PathBuf,
    pub folder: PathBuf,
    pub fill_every: u32,
    pub tip_blocks: u32,
    pub every: u32,
    pub cache_mib: usize,
}

impl Setup {
    /// Returns the folder of a store.
    pub fn dir(&self, kind: Kind) -> PathBuf {
        self.folder.join(kind.name())
    }
}

/// A running store that does what it is told.
pub struct Child {
    kind: Kind,
    process: std::process::Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Child {
    /// Starts a store and returns it with the seconds that it took to open.
    pub fn start(kind: Kind, setup: &Setup, limit: Option<&Limit>) -> Result<(Self, f64)> {
        let mut command = command(kind, setup, "session", limit)?;
        for (name, value) in [
            ("--fill-every", setup.fill_every),
            ("--tip-blocks", setup.tip_blocks),
            ("--every", setup.every),
        ] {
            command.arg(name).arg(value.to_string());
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = process.stdin.take().context("no input")?;
        let output = BufReader::new(process.stdout.take().context("no output")?);
        let mut child = Self { kind, process, input, output };
        let line = child.line()?;
        let opened = number(&line, "open_s=")?;
        Ok((child, opened))
    }

    /// Returns which store it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Gives a command and returns its answer.
    pub fn ask(&mut self, command: &str) -> Result<Vec<String>> {
        writeln!(self.input, "{command}")?;
        self.input.flush()?;
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            if line == "done" {
                return Ok(lines);
            }
            lines.push(line);
        }
    }

    /// Gives a command and returns a number of its one-line answer.
    pub fn ask_number(&mut self, command: &str, name: &str) -> Result<f64> {
        number(&self.ask(command)?.join(" "), name)
    }

    /// Closes the store and returns the seconds that it took.
    pub fn close(mut self) -> Result<f64> {
        let seconds = self.ask_number("close", "close_s=")?;
        ensure!(self.process.wait()?.success(), "{} did not end well", self.kind.name());
        Ok(seconds)
    }

    /// Ends the process with SIGKILL.
    pub fn kill(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            bail!("{} ended: {}", self.kind.name(), self.process.wait()?);
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // When all went well it has ended, and then this fails.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs `verify` on a store, outside any limit.
pub fn verify(kind: Kind, setup: &Setup) -> Result<()> {
    let output = command(kind, setup, "verify", None)?.output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    eprint!("{}: {text}", kind.name());
    ensure!(output.status.success() && text.contains("verified=ok"), "{} is wrong", kind.name());
    Ok(())
}

/// Returns the number that follows a name in a line of words.
pub fn number(line: &str, name: &str) -> Result<f64> {
    let word = line.split_whitespace().find_map(|word| word.strip_prefix(name));
    let number = word.and_then(|word| word.parse().ok());
    number.with_context(|| format!("no number {name} in {line:?}"))
}

fn command(kind: Kind, setup: &Setup, verb: &str, limit: Option<&Limit>) -> Result<Command> {
    let program = std::env::current_exe()?;
    let mut command = match limit {
        Some(limit) => limit.command(&program),
        None => Command::new(program),
    };
    command.args(["store", kind.name(), "--cache-mib", &setup.cache_mib.to_string(), verb]);
    command.arg("--workload").arg(&setup.workload).arg("--dir").arg(Path::new(&setup.dir(kind)));
    Ok(command)
}
