//! Blocks from a file: repeated u32 little-endian length and raw block, plain or gzip.
//!
//! One thread reads, decodes and verifies seals of the next blocks while this one connects those
//! before. Every block is judged as if a peer had sent it.

use std::io::{self, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;
use mvs_consensus::block::{BlockBody, BodyRejection, check_block};
use mvs_consensus::error::{BlockRuleError, Fault, HeaderRuleError, Rejection};
use mvs_consensus::header::{CheckedHeader, check_headers};
use mvs_primitives::encode::{DecodeError, MAX_PAYLOAD_BYTES};
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_store::backing::Disk;
use mvs_store::{Snapshot, StoreError, Tip};

use super::bodies::Body;
use super::core::{ChainCore, ChainError, Slice, Step, Tools};
use super::index::{Known, Standing};
use super::intake::{HeadersStop, place};
use super::stop::Stop;

/// Blocks that are read and verified together.
const BATCH: usize = 256;
/// After so many bytes a batch ends early.
const BATCH_BYTES: usize = 8 << 20;
/// Seals that one thread verifies together.
const SEALS: usize = 64;
/// Batches between the reading and the connecting thread.
const AHEAD: usize = 2;

/// Why an import ended early.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
    /// A length that no block has.
    #[error("block {number} of the file claims {bytes} bytes, more than a block can have")]
    Length {
        /// Number in the file, from 0.
        number: u64,
        /// The length.
        bytes: u32,
    },
    /// Bytes that are no block.
    #[error("block {number} of the file is none: {error}")]
    Garbage {
        /// Number in the file, from 0.
        number: u64,
        /// What is wrong.
        error: DecodeError,
    },
    /// A header that is refused.
    #[error("a header of the file is refused: {0}")]
    Header(HeadersStop),
    /// A body that is refused.
    #[error("the body of block {hash} is refused: {error}")]
    Body {
        /// Hash of the block.
        hash: BlockHash,
        /// Why.
        error: BodyRejection,
    },
    /// A block that breaks a rule in its state.
    #[error("block {height} ({hash}) is invalid: {error}")]
    Block {
        /// Its height.
        height: Height,
        /// Its hash.
        hash: BlockHash,
        /// The rule.
        error: BlockRuleError,
    },
    /// Our own failure.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The stop token was set.
    #[error("stopped")]
    Stopped,
}

impl ImportError {
    /// Returns the stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "import.read",
            Self::Length { .. } => "import.length",
            Self::Garbage { error, .. } => error.code(),
            Self::Header(stop) => stop.code(),
            Self::Body { error, .. } => error.code(),
            Self::Block { error, .. } => error.code(),
            Self::Chain(error) => error.code(),
            Self::Stopped => "import.stopped",
        }
    }
}

impl From<Fault> for ImportError {
    fn from(fault: Fault) -> Self {
        Self::Chain(fault.into())
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Imported {
    /// Blocks of the file that joined the chain.
    pub connected: u64,
    /// Blocks of the file that the chain held already.
    pub known: u64,
    /// Time from the first block to the last commit.
    pub took: Duration,
    /// The tip now.
    pub tip: Tip,
}

impl Imported {
    /// Returns blocks connected in a second.
    pub fn blocks_per_second(&self) -> f64 {
        // Exact up to 2^53 blocks.
        self.connected as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

/// Reads the framing of a file of blocks.
pub struct BlockFile {
    input: Box<dyn Read + Send>,
    number: u64,
}

impl BlockFile {
    /// Starts to read; gzip is told by its first bytes.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn new(input: impl Read + Send + 'static) -> io::Result<Self> {
        let mut input = BufReader::with_capacity(1 << 16, input);
        let is_gzip = io::BufRead::fill_buf(&mut input)?.starts_with(&[0x1f, 0x8b]);
        let input: Box<dyn Read + Send> = match is_gzip {
            true => Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input))),
            false => Box::new(input),
        };
        Ok(Self { input, number: 0 })
    }

    /// Returns the next block's bytes; `None` at the end.
    ///
    /// # Errors
    /// A file that ends inside a block, a length that no block has, or the disk's.
    pub fn next_block(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        let mut length = [0u8; 4];
        let mut filled = 0;
        while filled < length.len() {
            let rest = length.get_mut(filled..).unwrap_or_default();
            match self.input.read(rest) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let bytes = u32::from_le_bytes(length);
        let number = self.number;
        let len = usize::try_from(bytes).unwrap_or(usize::MAX);
        if len > MAX_PAYLOAD_BYTES {
            return Err(ImportError::Length { number, bytes });
        }
        let mut block = vec![0; len];
        self.input.read_exact(&mut block)?;
        self.number += 1;
        Ok(Some(block))
    }
}

impl std::fmt::Debug for BlockFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockFile").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Writes the blocks of the chain from `first` to `last`, both included, to `out`.
///
/// # Errors
/// What `out` or the store answers; [`ImportError::Stopped`].
pub fn export<D: Disk>(
    chain: &Snapshot<D>,
    first: Height,
    last: Height,
    out: &mut impl Write,
    stop: &Stop,
    mut progress: impl FnMut(Height),
) -> Result<u64, ImportError> {
    let mut written = 0;
    for height in first.value()..=last.value() {
        if stop.is_set() {
            return Err(ImportError::Stopped);
        }
        let height = Height::new(height);
        let Some(block) = chain.block(height)? else { break };
        let len = u32::try_from(block.len())
            .map_err(|_| Fault::Broken("a stored block is longer than any block can be"))?;
        out.write_all(&len.to_le_bytes())?;
        out.write_all(&block)?;
        written += 1;
        progress(height);
    }
    Ok(written)
}

/// A block whose seal was verified.
struct Prepared {
    body: BlockBody,
    bytes: usize,
    hash: BlockHash,
    header: Result<CheckedHeader, Rejection<HeaderRuleError>>,
}

/// Connects the blocks of a file. Blocks that the chain holds already are passed over, so an import
/// that was interrupted can be repeated.
///
/// # Errors
/// [`ImportError`] names the first thing wrong; the blocks before it are in the store.
pub fn import<D: Disk>(
    core: &mut ChainCore<D>,
    file: BlockFile,
    now_secs: impl Fn() -> u64,
    stop: &Stop,
    mut progress: impl FnMut(&Tip),
) -> Result<Imported, ImportError> {
    let started = Instant::now();
    let (send, receive) = sync_channel(AHEAD);
    let tools = core.tools().clone();
    let (mut connected, mut known) = (0, 0);
    let result = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("import-read".to_owned())
            .spawn_scoped(scope, || read_all(file, &tools, &send_once(send)))?;
        // Owned here, so that the reading thread's next send fails when this ends.
        let receive = receive;
        let mut count = |blocks, tip: &Tip| {
            connected += blocks;
            progress(tip);
        };
        connect_all(core, &receive, &now_secs, stop, &mut count, &mut known)
    });
    result?;
    Ok(Imported { connected, known, took: started.elapsed(), tip: core.tip() })
}

type Batch = Result<Vec<Prepared>, ImportError>;

/// The sender, owned by the reading thread so that the channel closes with it.
fn send_once(send: SyncSender<Batch>) -> impl Fn(Batch) -> bool {
    move |batch| send.send(batch).is_ok()
}

fn read_all(mut file: BlockFile, tools: &Tools, send: &dyn Fn(Batch) -> bool) {
    loop {
        let mut raw = Vec::with_capacity(BATCH);
        let mut end = None;
        let first = file.number;
        let (mut bytes, mut is_last) = (0, false);
        while raw.len() < BATCH && bytes < BATCH_BYTES {
            match file.next_block() {
                Ok(Some(block)) => {
                    bytes += block.len();
                    raw.push(block);
                }
                Ok(None) => {
                    is_last = true;
                    break;
                }
                Err(error) => {
                    end = Some(error);
                    break;
                }
            }
        }
        if !raw.is_empty() {
            let (prepared, garbage) = prepare(tools, raw, first);
            if !send(Ok(prepared)) {
                return;
            }
            end = garbage.or(end);
        }
        if let Some(error) = end {
            send(Err(error));
            return;
        }
        if is_last {
            return;
        }
    }
}

/// Decodes blocks and verifies their seals on all threads.
fn prepare(tools: &Tools, raw: Vec<Vec<u8>>, first: u64) -> (Vec<Prepared>, Option<ImportError>) {
    let parts = raw.len().div_ceil(SEALS);
    let raw = Arc::new(raw);
    let work = {
        let (raw, params, caches) =
            (Arc::clone(&raw), Arc::clone(&tools.params), Arc::clone(&tools.caches));
        move |part: usize| {
            let blocks = raw.iter().skip(part * SEALS).take(SEALS);
            let decoded: Vec<_> =
                blocks.map(|bytes| (bytes.len(), BlockBody::decode(bytes))).collect();
            let right = decoded.iter().filter_map(|(_, body)| body.as_ref().ok());
            let headers = right.map(|body| body.block().header.clone()).collect();
            let mut seals = check_headers(&params, &caches, headers).into_iter();
            let prepared = decoded.into_iter().map(|(bytes, body)| {
                let body = body?;
                let hash = body.block().header.hash();
                let missing = Rejection::Fault(Fault::Broken("a seal has no answer"));
                let header = seals.next().unwrap_or(Err(missing));
                Ok(Prepared { body, bytes, hash, header })
            });
            prepared.collect::<Vec<Result<Prepared, DecodeError>>>()
        }
    };
    let mut prepared = Vec::with_capacity(raw.len());
    let mut number = first;
    for part in tools.pool.run_all(parts, work) {
        let Some(part) = part else {
            let fault = Fault::Broken("verifying seals panicked");
            return (prepared, Some(fault.into()));
        };
        for block in part {
            match block {
                Ok(block) => prepared.push(block),
                Err(error) => return (prepared, Some(ImportError::Garbage { number, error })),
            }
            number += 1;
        }
    }
    (prepared, None)
}

fn connect_all<D: Disk>(
    core: &mut ChainCore<D>,
    batches: &Receiver<Batch>,
    now_secs: &dyn Fn() -> u64,
    stop: &Stop,
    progress: &mut dyn FnMut(u64, &Tip),
    known: &mut u64,
) -> Result<(), ImportError> {
    while let Ok(batch) = batches.recv() {
        let mut fresh = Vec::new();
        for block in batch? {
            match core.index.standing(core.trunk(), &block.hash)? {
                Standing::Trunk(_) => *known += 1,
                _ => fresh.push(block),
            }
        }
        let refused = take_batch(core, fresh, now_secs())?;
        loop {
            if stop.is_set() {
                return Err(ImportError::Stopped);
            }
            match core.advance(&Slice::BULK, stop)? {
                Step::Moved(moved) => {
                    progress(moved.connected.len() as u64, &moved.tip); // widening
                }
                Step::Invalid(invalid) => {
                    let (height, hash, error) = (invalid.height, invalid.hash, invalid.error);
                    return Err(ImportError::Block { height, hash, error });
                }
                Step::Idle => break,
            }
        }
        if let Some(refused) = refused {
            return Err(refused);
        }
    }
    Ok(())
}

/// Places headers and checks bodies; returns what is wrong with the first that is refused.
fn take_batch<D: Disk>(
    core: &mut ChainCore<D>,
    blocks: Vec<Prepared>,
    now_secs: u64,
) -> Result<Option<ImportError>, ImportError> {
    let mut headers = Vec::with_capacity(blocks.len());
    let mut bodies = Vec::with_capacity(blocks.len());
    for Prepared { body, bytes, hash, header } in blocks {
        headers.push((hash, header));
        bodies.push((hash, body, bytes));
    }
    let (index, trunk, tools) = core.index_and_trunk();
    let placed = place(&tools.params, index, trunk, headers, now_secs)?;
    let mut refused = placed.stop.map(ImportError::Header);
    let mut jobs = Vec::with_capacity(bodies.len());
    for (hash, body, bytes) in bodies {
        let Some(Known::Placed(placed)) = index.get(&hash) else { continue };
        jobs.push(Mutex::new(Some((hash, placed.clone(), body, bytes))));
    }
    let (count, params) = (jobs.len(), Arc::clone(&tools.params));
    let checked = tools.pool.run_all(count, move |number| {
        let job = jobs.get(number)?.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let (hash, placed, body, bytes) = job;
        Some((hash, bytes, check_block(&params, placed, body)))
    });
    for answer in checked {
        let broken = Fault::Broken("checking a body panicked");
        let (hash, bytes, result) = answer.flatten().ok_or(broken)?;
        match result {
            Ok(block) => core.bodies.insert(hash, Body::Checked { block, bytes }, None),
            Err(error) => {
                refused.get_or_insert(ImportError::Body { hash, error });
                break;
            }
        }
    }
    core.touch();
    Ok(refused)
}
