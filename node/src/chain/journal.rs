//! What a snapshot of the chain cannot tell: blocks that left it, and the latest changes of the pool.
//!
//! The chain owner writes it, before it shows the view that it belongs to; subscribers read it at their own
//! pace. Nothing waits in it for anybody: the oldest goes when there is too much. Blocks that left are
//! kept in a file as well, so that a subscriber who stands on one finds its way back after a restart:
//!
//! ```text
//! file  = entries, the oldest first; after a power loss the last ones may be missing
//! entry = height u32 | hash 32 | parent 32 | first 4 bytes of the sha-256 of these
//! ```

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mvs_primitives::hash::{BlockHash, TxId, sha256};
use mvs_primitives::height::Height;
use tokio::sync::watch;

/// Blocks that left the chain and are remembered: twice as many as a reorganisation can undo by default.
const MOST_STALE: usize = 20_000;
/// Changes of the pool that are remembered.
const MOST_CHANGES: usize = 20_000;
/// Length of an entry of the file.
const ENTRY_BYTES: usize = 72;
/// Entries in the file from which on it is written anew with those that are remembered.
const MOST_ENTRIES: usize = 2 * MOST_STALE;

/// A change of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolChange {
    /// It entered.
    Added(TxId),
    /// It left, for the reason given in a word.
    Removed(TxId, &'static str),
}

/// A block that left the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StaleBlock {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
    /// The block below it.
    pub parent: BlockHash,
}

impl StaleBlock {
    fn to_bytes(self) -> Vec<u8> {
        let mut bytes = self.height.value().to_le_bytes().to_vec();
        bytes.extend_from_slice(self.hash.as_bytes());
        bytes.extend_from_slice(self.parent.as_bytes());
        let sum = sha256(&bytes);
        bytes.extend_from_slice(sum.get(..4).unwrap_or_default());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (height, rest) = bytes.split_first_chunk()?;
        let (hash, rest) = rest.split_first_chunk()?;
        let (parent, _) = rest.split_first_chunk()?;
        let block = Self {
            height: Height::new(u32::from_le_bytes(*height)),
            hash: BlockHash::from_bytes(*hash),
            parent: BlockHash::from_bytes(*parent),
        };
        (block.to_bytes() == bytes).then_some(block)
    }
}

/// The journal. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    state: Arc<Mutex<State>>,
    /// Number of the next change of the pool.
    next: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    stale: HashMap<BlockHash, (Height, BlockHash)>,
    /// In the order in which they left.
    order: VecDeque<BlockHash>,
    file: Option<StaleFile>,
    changes: VecDeque<PoolChange>,
    epoch: u64,
    /// Number of the next change.
    next: u64,
}

#[derive(Debug)]
struct StaleFile {
    path: PathBuf,
    file: File,
    entries: usize,
}

impl State {
    fn remember(&mut self, block: StaleBlock) {
        if self.stale.insert(block.hash, (block.height, block.parent)).is_none() {
            self.order.push_back(block.hash);
        }
        while self.order.len() > MOST_STALE {
            if let Some(oldest) = self.order.pop_front() {
                self.stale.remove(&oldest);
            }
        }
    }

    fn remembered(&self) -> Vec<u8> {
        let blocks = self.order.iter().filter_map(|hash| {
            let (height, parent) = self.stale.get(hash).copied()?;
            Some(StaleBlock { height, hash: *hash, parent })
        });
        blocks.flat_map(StaleBlock::to_bytes).collect()
    }

    fn save(&mut self, blocks: &[StaleBlock]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        if file.entries.saturating_add(blocks.len()) <= MOST_ENTRIES {
            let bytes: Vec<u8> = blocks.iter().copied().flat_map(StaleBlock::to_bytes).collect();
            file.entries += blocks.len();
            return file.file.write_all(&bytes);
        }
        let path = file.path.clone();
        self.file = Some(StaleFile::rewrite(&path, &self.remembered())?);
        Ok(())
    }
}

impl StaleFile {
    /// Puts a new file in the place of the old one.
    fn rewrite(path: &Path, bytes: &[u8]) -> io::Result<Self> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let new = PathBuf::from(name);
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        Ok(Self { path: path.to_owned(), file, entries: bytes.len() / ENTRY_BYTES })
    }
}

impl Default for Journal {
    fn default() -> Self {
        let mut epoch = [0; 8];
        // Without random numbers the epoch is 0: an old cursor might be taken, and tells less.
        let _ = getrandom::fill(&mut epoch);
        let state = State {
            stale: HashMap::new(),
            order: VecDeque::new(),
            file: None,
            changes: VecDeque::new(),
            epoch: u64::from_le_bytes(epoch),
            next: 0,
        };
        Self { state: Arc::new(Mutex::new(state)), next: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Reads the blocks of an earlier run from a file, and goes on with it.
    ///
    /// Entries that are not whole are left out: who stands on such a block is told that the way is lost.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(path: &Path) -> io::Result<Self> {
        let this = Self::default();
        let mut bytes = Vec::new();
        match File::open(path) {
            Ok(file) => {
                let most = u64::try_from(ENTRY_BYTES.saturating_mul(MOST_ENTRIES)).unwrap_or(0);
                file.take(most).read_to_end(&mut bytes)?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut state = this.state();
        let entries = bytes.chunks_exact(ENTRY_BYTES);
        let is_cut = !entries.remainder().is_empty();
        let count = entries.len();
        let whole: Vec<StaleBlock> = entries.filter_map(StaleBlock::from_bytes).collect();
        let is_whole = !is_cut && whole.len() == count && count <= MOST_STALE;
        whole.into_iter().for_each(|block| state.remember(block));
        state.file = Some(if is_whole {
            let file = OpenOptions::new().create(true).append(true).open(path)?;
            StaleFile { path: path.to_owned(), file, entries: count }
        } else {
            StaleFile::rewrite(path, &state.remembered())?
        });
        drop(state);
        Ok(this)
    }

    /// Never held across anything that waits for others.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes blocks that left the chain. To be called before the view without them is shown.
    pub fn note_stale(&self, blocks: &[StaleBlock]) {
        if blocks.is_empty() {
            return;
        }
        let mut state = self.state();
        blocks.iter().for_each(|block| state.remember(*block));
        if let Err(error) = state.save(blocks) {
            tracing::warn!(target: "chain", %error, "blocks that left the chain are forgotten when \
                the node stops");
            state.file = None;
        }
    }

    /// Notes a change of the pool.
    pub fn note_pool(&self, change: PoolChange) {
        let next = {
            let mut state = self.state();
            state.changes.push_back(change);
            state.next = state.next.saturating_add(1);
            if state.changes.len() > MOST_CHANGES {
                state.changes.pop_front();
            }
            state.next
        };
        self.next.send_replace(next);
    }

    /// Returns the parent of a block that left the chain; `None` when it is not remembered.
    pub fn parent_of(&self, height: Height, hash: &BlockHash) -> Option<BlockHash> {
        let (known, parent) = self.state().stale.get(hash).copied()?;
        (known == height).then_some(parent)
    }

    /// Returns where changes of the pool go on from now: a number that differs in each run, and the
    /// number of the next change.
    pub fn pool_end(&self) -> (u64, u64) {
        let state = self.state();
        (state.epoch, state.next)
    }

    /// Returns at most so many changes of the pool from a place on; `None` when it leads nowhere.
    pub fn changes(&self, epoch: u64, from: u64, most: usize) -> Option<Vec<PoolChange>> {
        let state = self.state();
        let behind = usize::try_from(state.next.checked_sub(from)?).ok()?;
        let start = state.changes.len().checked_sub(behind)?;
        (epoch == state.epoch)
            .then(|| state.changes.iter().skip(start).take(most).copied().collect())
    }

    /// Returns a receiver that is told of changes of the pool.
    pub fn watch_pool(&self) -> watch::Receiver<u64> {
        self.next.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{ENTRY_BYTES, Journal, MOST_CHANGES, MOST_STALE, PoolChange, StaleBlock};
    use mvs_primitives::hash::{BlockHash, TxId};
    use mvs_primitives::height::Height;

    fn hash(number: u32) -> [u8; 32] {
        let mut hash = [0; 32];
        hash[..4].copy_from_slice(&number.to_le_bytes());
        hash
    }

    fn block(number: u32) -> StaleBlock {
        let parent = BlockHash::from_bytes(hash(number.wrapping_sub(1)));
        StaleBlock {
            height: Height::new(number),
            hash: BlockHash::from_bytes(hash(number)),
            parent,
        }
    }

    fn knows(journal: &Journal, number: u32) -> bool {
        let block = block(number);
        journal.parent_of(block.height, &block.hash) == Some(block.parent)
    }

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("mvs-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let folder = Folder::new("journal-bound");
        let path = folder.0.join("stale");
        let journal = Journal::open(&path).unwrap();
        let most = u32::try_from(MOST_STALE).unwrap();
        for first in (0..3 * most).step_by(1_000) {
            let blocks: Vec<_> = (first..first + 1_000).map(block).collect();
            journal.note_stale(&blocks);
        }
        assert!(!knows(&journal, 2 * most - 1) && knows(&journal, 2 * most));
        let bytes = std::fs::metadata(&path).unwrap().len();
        assert!(bytes <= 2 * u64::from(most) * ENTRY_BYTES as u64, "{bytes}");
        let again = Journal::open(&path).unwrap();
        assert!(
            !knows(&again, 2 * most - 1) && knows(&again, 2 * most) && knows(&again, 3 * most - 1)
        );
        let (epoch, start) = journal.pool_end();
        for number in 0..u32::try_from(MOST_CHANGES).unwrap() + 50 {
            journal.note_pool(PoolChange::Added(TxId::from_bytes(hash(number))));
        }
        let (_, end) = journal.pool_end();
        assert_eq!(end - start, MOST_CHANGES as u64 + 50);
        assert_eq!(journal.changes(epoch, start + 49, 1), None);
        let first = journal.changes(epoch, start + 50, 1).unwrap();
        assert_eq!(first, [PoolChange::Added(TxId::from_bytes(hash(50)))]);
        assert_eq!(journal.changes(epoch.wrapping_add(1), end, 1), None, "of another run");
        assert_eq!(journal.changes(epoch, end + 1, 1), None, "of the future");
        assert_eq!(journal.changes(epoch, end, 1), Some(Vec::new()));
    }

    #[test]
    fn a_file_that_was_cut_or_changed_loses_no_more_than_that() {
        let folder = Folder::new("journal-cut");
        let path = folder.0.join("stale");
        Journal::open(&path).unwrap().note_stale(&[block(1), block(2), block(3)]);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes).unwrap();
            let journal = Journal::open(&path).unwrap();
            let hit = u32::try_from(at / ENTRY_BYTES).unwrap() + 1;
            for number in 1..4 {
                assert_eq!(knows(&journal, number), number != hit, "byte {at}");
            }
            // It goes on behind what was whole.
            journal.note_stale(&[block(9)]);
            assert!(knows(&Journal::open(&path).unwrap(), 9), "byte {at}");
            std::fs::write(&path, &whole[..at]).unwrap();
            let journal = Journal::open(&path).unwrap();
            assert!(!knows(&journal, hit));
            journal.note_stale(&[block(9)]);
            assert!(knows(&Journal::open(&path).unwrap(), 9), "cut at {at}");
        }
    }
}
