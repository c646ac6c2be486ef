//! Checkpoints: a moment to which the tables on disk have caught up.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use super::head::{self, HeadBody};
use super::log::{LIVE_FOLDER, Segment};
use super::table::TableState;
use super::{Engine, EngineError, SyncJob};
use crate::backing::{Disk, Lines};

/// How a checkpoint ended.
type Outcome = Result<(), EngineError>;

/// Starts work in a thread of its own; where the system has no thread left, does it here.
fn start(thread: Builder, work: SyncJob) -> (Option<JoinHandle<Outcome>>, Option<Outcome>) {
    // A thread that does not start takes its closure with it.
    let work = Arc::new(Mutex::new(Some(work)));
    let its = Arc::clone(&work);
    let run = |work: &Mutex<Option<SyncJob>>| {
        let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
        work.map_or(Err(EngineError::Poisoned), |work| work())
    };
    match thread.spawn(move || run(&its)) {
        Ok(handle) => (Some(handle), None),
        Err(_) => (None, Some(run(&work))),
    }
}

/// A checkpoint under way.
pub(super) struct Running {
    handle: Option<JoinHandle<Outcome>>,
    done: Option<Outcome>,
    generation: u64,
    index: TableState,
    /// Segments that it no longer names.
    doomed: Vec<u16>,
    /// Log bytes that it covers.
    bytes: u64,
}

impl Running {
    fn is_finished(&self) -> bool {
        self.handle.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl<D: Disk> Engine<D> {
    /// Whether so much log has been written since the last checkpoint, or so much has been cleaned,
    /// that it is time for another.
    pub fn checkpoint_due(&self) -> bool {
        let doomed: u64 = self.doomed().map(|book| u64::from(book.used)).sum();
        self.running.is_none()
            && (self.since_checkpoint >= self.options.checkpoint_bytes
                || doomed >= self.options.checkpoint_bytes / 4)
    }

    /// Starts a checkpoint as of the present tip and returns at once; with
    /// [`super::Options::background`] off, when it is done. If one is running, waits for it first.
    ///
    /// `aux` comes back from [`super::Recovery::checkpoint`]. `also_sync` runs before the checkpoint
    /// counts: syncs of the caller's own tables and files as of this tip.
    ///
    /// # Errors
    /// [`EngineError::Poisoned`]; an error of the checkpoint before this one, or of this one when
    /// it does not run in the background.
    pub fn checkpoint(&mut self, aux: Vec<u8>, also_sync: SyncJob) -> Result<(), EngineError> {
        self.start_checkpoint(aux, also_sync, false)?;
        if !self.options.background {
            self.wait_checkpoint()?;
        }
        Ok(())
    }

    /// Number of checkpoints made durable so far in the life of the store. When it has risen after
    /// [`Engine::checkpoint`], files that only older checkpoints need may go.
    ///
    /// # Errors
    /// What the checkpoint in the background answered, once.
    pub fn poll_checkpoint(&mut self) -> Result<u64, EngineError> {
        if self.running.as_ref().is_some_and(Running::is_finished) {
            self.wait_checkpoint()?;
        }
        Ok(self.generation)
    }

    /// Waits for the checkpoint under way, if there is one; the number as of [`Engine::poll_checkpoint`].
    ///
    /// # Errors
    /// As [`Engine::poll_checkpoint`].
    pub fn finish_checkpoint(&mut self) -> Result<u64, EngineError> {
        self.wait_checkpoint()?;
        Ok(self.generation)
    }

    /// Makes a last checkpoint, marked as a clean close, and lets the folder go.
    ///
    /// # Errors
    /// As [`Engine::checkpoint`]. The store is then as after a crash: whole.
    pub fn close(mut self, aux: Vec<u8>, also_sync: SyncJob) -> Result<(), EngineError> {
        self.start_checkpoint(aux, also_sync, true)?;
        self.wait_checkpoint()
    }

    pub(super) fn start_checkpoint(
        &mut self,
        aux: Vec<u8>,
        also_sync: SyncJob,
        clean: bool,
    ) -> Result<(), EngineError> {
        self.wait_checkpoint()?;
        self.writable()?;
        let index_sync = self.shared.index.sync_job();
        let mark_sync = self.mark.sync_job();
        let index = self.shared.index.state();
        let doomed: Vec<u16> = self.doomed().map(|book| book.number).collect();
        let body = HeadBody {
            seeds: self.shared.seeds,
            clean,
            floor: self.floor,
            tip: self.tip,
            blocks: self.log.blocks,
            cold: self.log.cold,
            before: self.log.before,
            next: self.log.next,
            batch: self.batches,
            segments: self
                .books
                .values()
                .filter(|book| !doomed.contains(&book.number))
                .copied()
                .collect(),
            ring: self.ring.iter().copied().collect(),
            limbo: self.limbo.clone(),
            maps_salt: self.log.salts().maps,
            index_salt: self.index_salt,
            index: index.clone(),
            aux,
        };
        let segments = Arc::clone(&self.log.segments);
        let generation = self.generation + 1;
        let (disk, network) = (self.disk.clone(), self.options.network_id);
        let work = move || {
            index_sync()?;
            mark_sync()?;
            for segment in segments.iter() {
                segment.live.sync().map_err(|e| {
                    EngineError::io("sync", &Segment::<D>::live_name(segment.number), e)
                })?;
            }
            mark_sync()?;
            disk.sync_folder(LIVE_FOLDER).map_err(|e| EngineError::io("sync", LIVE_FOLDER, e))?;
            also_sync()?;
            head::write(&disk, network, generation, &body)
        };
        let (handle, done) = if self.options.background {
            let thread = Builder::new().name("store-checkpoint".into());
            start(thread, Box::new(work))
        } else {
            (None, Some(work()))
        };
        let bytes = std::mem::take(&mut self.since_checkpoint);
        self.running = Some(Running { handle, done, generation, index, doomed, bytes });
        Ok(())
    }

    /// Waits for the checkpoint that is under way, if any.
    pub(super) fn wait_checkpoint(&mut self) -> Result<(), EngineError> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let result = match running.handle.take() {
            Some(handle) => handle.join().unwrap_or(Err(EngineError::Poisoned)),
            None => running.done.take().unwrap_or(Ok(())),
        };
        if let Err(error) = result {
            self.since_checkpoint += running.bytes;
            if !matches!(error, EngineError::NoSpace { .. }) {
                self.shared.poison();
            }
            return Err(error);
        }
        self.generation = running.generation;
        self.shared.index.remove_obsolete(&running.index)?;
        for number in running.doomed {
            self.books.remove(&number);
            self.log.forget(number);
            self.log.remove_files(number)?;
            self.removed_segments += 1;
        }
        // Snapshots taken from now on do not hold what is gone.
        self.shared.published().segments = Arc::clone(&self.log.segments);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_done_here_where_no_thread_starts() {
        let done_by = |thread: Builder| {
            let by = Arc::new(Mutex::new(None));
            let its = Arc::clone(&by);
            let work = move || {
                *its.lock().unwrap() = Some(std::thread::current().id());
                Ok(())
            };
            let (handle, done) = start(thread, Box::new(work));
            let threaded = handle.is_some();
            handle.map_or_else(|| done.unwrap(), |handle| handle.join().unwrap()).unwrap();
            let by = by.lock().unwrap().unwrap();
            assert_eq!(threaded, by != std::thread::current().id());
            threaded
        };
        assert!(done_by(Builder::new()));
        if cfg!(miri) {
            eprintln!("SKIPPED under Miri: its threads always start");
            return;
        }
        // No address space holds such a stack.
        assert!(!done_by(Builder::new().stack_size(1 << 60)));
    }
}
