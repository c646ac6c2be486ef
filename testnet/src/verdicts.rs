//! What a node says of each header, block and loose transaction. The protocol has no words for it; the
//! node's log has (`--log verdict=debug`).

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::node::Node;
use crate::wait::{Seen, until};

/// The arguments that make a node say its verdicts, and why it closes connections.
pub const ARGUMENTS: [&str; 2] = ["--log", "info,p2p=debug,verdict=debug"];

/// A verdict: nothing when accepted, else the code of the rule.
pub type Verdict = Option<String>;

/// Reads the verdicts of a node, each one once.
#[derive(Debug)]
pub struct Verdicts {
    log: PathBuf,
    read: u64,
    /// The start of a line that is not written to its end yet.
    rest: String,
    fresh: Vec<(String, Verdict)>,
}

impl Verdicts {
    /// Starts with what the node says from now on.
    pub fn of(node: &Node) -> Self {
        let log = node.log();
        let read = std::fs::metadata(&log).map_or(0, |data| data.len());
        Self { log, read, rest: String::new(), fresh: Vec::new() }
    }

    /// Forgets what was said until now.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn skip(&mut self) -> Result<()> {
        self.look()?;
        self.fresh.clear();
        Ok(())
    }

    /// Returns the first verdict on something since the last one that was taken or skipped.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn take(&mut self, hash: &str) -> Result<Option<Verdict>> {
        self.look()?;
        let place = self.fresh.iter().position(|(of, _)| of == hash);
        Ok(place.map(|place| self.fresh.remove(place).1))
    }

    /// Waits for the verdict on something.
    ///
    /// # Errors
    /// When there is none within the limit.
    pub fn wait(&mut self, hash: &str, limit: Duration) -> Result<Verdict> {
        until(&format!("a verdict on {hash}"), limit, || match self.take(hash) {
            Ok(Some(verdict)) => Seen::Done(verdict),
            Ok(None) => Seen::NotYet(format!("{:?}", self.fresh)),
            Err(error) => Seen::NotYet(format!("{error:#}")),
        })
    }

    fn look(&mut self) -> Result<()> {
        let mut file = File::open(&self.log).context("no log")?;
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        let length = file.read_to_end(&mut bytes)?;
        self.read += length as u64; // widening
        self.rest.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((line, rest)) = self.rest.split_once('\n') {
            self.fresh.extend(parse(line));
            self.rest = rest.to_owned();
        }
        Ok(())
    }
}

/// Reads `... verdict: accepted hash=H` or `... verdict: refused hash=H code="C"`.
fn parse(line: &str) -> Option<(String, Verdict)> {
    let (_, said) = line.split_once(" verdict: ")?;
    let mut words = said.split_whitespace();
    let kind = words.next()?;
    let hash = words.next()?.strip_prefix("hash=")?.to_owned();
    let verdict = match kind {
        "accepted" => None,
        "refused" => Some(words.next()?.strip_prefix("code=")?.trim_matches('"').to_owned()),
        _ => return None,
    };
    Some((hash, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let line = "2026-01-01T00:00:00.000000Z DEBUG verdict: refused hash=ab code=\"tx.fee\"";
        assert_eq!(parse(line), Some(("ab".into(), Some("tx.fee".into()))));
        let line = "2026-01-01T00:00:00.000000Z DEBUG verdict: accepted hash=ab";
        assert_eq!(parse(line), Some(("ab".into(), None)));
        assert_eq!(parse("2026-01-01T00:00:00.000000Z  INFO chain: new tip"), None);
    }
}
