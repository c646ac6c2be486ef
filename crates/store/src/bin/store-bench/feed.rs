//! Hands blocks to a store and measures what it does with them.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::meter;
use crate::workload::{Block, Reader};

/// What applying blocks has cost. Reading the workload is not counted, but for `cpu`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Figures {
    /// Spends and creations.
    pub(crate) coin_ops: u64,
    /// Connecting each block, in order; the last of a group bears the commit.
    pub(crate) blocks: Vec<Duration>,
    /// User and system time of the process.
    pub(crate) cpu: Duration,
    /// How much of that went into reading the workload.
    pub(crate) read_cpu: Duration,
    /// Bytes that the process has written to storage.
    pub(crate) written: u64,
}

impl Figures {
    /// Returns the time for connecting and committing.
    pub(crate) fn store_time(&self) -> Duration {
        self.blocks.iter().sum()
    }
}

/// The blocks of one commit, up to a height.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    reader: &'a mut Reader,
    block: &'a mut Block,
    figures: &'a mut Figures,
    end: u32,
    started: Option<Instant>,
    is_checked: bool,
}

impl<'a> Feed<'a> {
    /// Feeds the blocks from where the reader stands to before `end`.
    pub(crate) fn new(
        reader: &'a mut Reader,
        block: &'a mut Block,
        figures: &'a mut Figures,
        end: u32,
    ) -> Self {
        Self { reader, block, figures, end, started: None, is_checked: true }
    }

    /// Returns the next block, or `None` when it is time to commit.
    pub(crate) fn next(&mut self) -> Result<Option<&Block>> {
        ensure!(self.is_checked, "block {} was applied without its sum", self.block.height);
        if self.reader.next_height() >= self.end {
            // The clock of the last block runs on: the commit is its.
            return Ok(None);
        }
        self.stop();
        let cpu = meter::thread_cpu();
        ensure!(self.reader.read(self.block)?, "the workload ends before height {}", self.end);
        self.figures.read_cpu += meter::thread_cpu().saturating_sub(cpu);
        self.is_checked = false;
        self.started = Some(Instant::now());
        Ok(Some(self.block))
    }

    /// Takes the wrapping sum of the amounts of the coins that the block spends, and compares it.
    pub(crate) fn spent(&mut self, amount: u64) -> Result<()> {
        let (height, due) = (self.block.height, self.block.spent_amount);
        ensure!(amount == due, "block {height} spends {amount}, and should spend {due}");
        self.is_checked = true;
        Ok(())
    }

    /// Ends the last block, after the commit. Returns the height that is durable now.
    pub(crate) fn finish(mut self) -> Result<u32> {
        let is_all = self.is_checked && self.reader.next_height() >= self.end;
        ensure!(is_all, "the store committed before height {}", self.end);
        self.stop();
        self.end.checked_sub(1).context("a feed without blocks")
    }

    fn stop(&mut self) {
        if let Some(started) = self.started.take() {
            self.figures.blocks.push(started.elapsed());
            self.figures.coin_ops += self.block.coin_ops();
        }
    }
}
