//! The pool on disk, from one stop to the next start.
//!
//! ```text
//! offset  bytes
//!      0      8  "MVSMPOOL"
//!      8      4  format version, 1
//!     12     32  hash of the network's genesis block
//!     44      4  first bytes of sha256 of the 44 bytes before
//! then records, parents before children:
//!      0      4  mark, "MPTX"
//!      4      4  length of the payload
//!      8      8  first bytes of sha256 of the payload
//!     16      8  payload: when first seen, Unix time
//!     24         payload: the transaction as on the wire
//! ```
//! Integers are little endian. Nothing of the file is believed: what it holds is offered to the pool
//! like what a peer sends. A record that is damaged is passed over, and reading goes on at the next
//! mark that begins an intact one.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read as _, Write};
use std::path::{Path, PathBuf};

use mvs_primitives::encode::{Decoder, Encode, MAX_PAYLOAD_BYTES};
use mvs_primitives::hash::{BlockHash, sha256};
use mvs_primitives::transaction::Transaction;

use super::entry::LooseTx;
use super::pool::Mempool;

const MAGIC: &[u8; 8] = b"MVSMPOOL";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 48;
const MARK: &[u8; 4] = b"MPTX";
/// Mark, length and checksum.
const RECORD_HEAD_BYTES: usize = 16;
/// Time and the shortest transaction.
const MIN_PAYLOAD_BYTES: usize = 8 + 10;
/// Marks that are tried in a damaged file. A mark may also stand inside a transaction, put there to
/// make us hash in vain.
const MAX_TRIES: usize = 10_000;

/// The file could not be written or read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct PersistError {
    /// What was tried.
    action: &'static str,
    /// The file.
    path: PathBuf,
    /// What the system says.
    source: std::io::Error,
}

/// Something is wrong with the file; what is intact is still there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoadWarning {
    /// It is no pool file, or its head is damaged.
    #[error("the file is no pool of loose transactions, or its head is damaged")]
    Head,
    /// Another version of this program wrote it.
    #[error("the file has format {found}, this program reads {VERSION}")]
    Version {
        /// Version found.
        found: u32,
    },
    /// It belongs to another network.
    #[error("the file belongs to another network")]
    Network,
    /// It is larger than the pool can be; the rest was not read.
    #[error("only the first {read} bytes of the file were read")]
    TooLarge {
        /// Bytes read.
        read: u64,
    },
    /// Some bytes form no intact record.
    #[error("{bytes} bytes at {offset} are damaged")]
    Damaged {
        /// Where they begin.
        offset: usize,
        /// How many they are.
        bytes: usize,
    },
}

/// A transaction of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// The transaction.
    pub tx: LooseTx,
    /// When it was first seen, as Unix time.
    pub first_seen_secs: u64,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The transactions, parents first, to be staged, verified and admitted.
    pub transactions: Vec<Saved>,
    /// What is wrong with the file.
    pub warnings: Vec<LoadWarning>,
}

impl Mempool {
    /// Writes all transactions to a file, which is replaced at once or not at all. Returns how many
    /// they are.
    ///
    /// # Errors
    /// When the file cannot be written; the old one is then as it was.
    pub fn save(&self, path: &Path, genesis: &BlockHash) -> Result<usize, PersistError> {
        self.save_with(path, genesis, &[])
    }

    /// Writes all transactions, and behind them others that were saved before and are not in the pool yet.
    ///
    /// # Errors
    /// As for [`Mempool::save`].
    pub fn save_with(
        &self,
        path: &Path,
        genesis: &BlockHash,
        left: &[&Saved],
    ) -> Result<usize, PersistError> {
        let temporary = path.with_extension("new");
        let fail = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| PersistError { action, path, source }
        };
        let file = File::create(&temporary).map_err(fail("create", &temporary))?;
        let mut writer = BufWriter::new(file);
        let written = self.write(&mut writer, genesis, left).map_err(fail("write", &temporary))?;
        let file = writer
            .into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .map_err(fail("write", &temporary))?;
        file.sync_all().map_err(fail("sync", &temporary))?;
        std::fs::rename(&temporary, path).map_err(fail("replace", path))?;
        // The name is in the folder, which has to reach the disk too; not every system lets one
        // open a folder, and then there is nothing to be done.
        if let Some(folder) = path.parent()
            && let Ok(folder) = File::open(folder)
        {
            folder.sync_all().map_err(fail("sync the folder of", path))?;
        }
        Ok(written)
    }

    fn write(
        &self,
        out: &mut impl Write,
        genesis: &BlockHash,
        left: &[&Saved],
    ) -> std::io::Result<usize> {
        out.write_all(&head(genesis))?;
        let mut written = 0;
        let here = self.in_order();
        let here = here.iter().map(|entry| (entry.first_seen_secs(), entry.transaction()));
        let left = left.iter().map(|saved| (saved.first_seen_secs, saved.tx.transaction()));
        for (first_seen_secs, transaction) in here.chain(left) {
            let payload = payload(first_seen_secs, transaction);
            let Ok(len) = u32::try_from(payload.len()) else { continue }; // wire sizes are small
            out.write_all(MARK)?;
            out.write_all(&len.to_le_bytes())?;
            out.write_all(&checksum::<8>(&payload))?;
            out.write_all(&payload)?;
            written += 1;
        }
        Ok(written)
    }
}

fn head(genesis: &BlockHash) -> [u8; HEADER_BYTES] {
    let mut head = [0; HEADER_BYTES];
    let mut position = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(place) = head.get_mut(position..position + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        position += bytes.len();
    };
    put(MAGIC);
    put(&VERSION.to_le_bytes());
    put(genesis.as_bytes());
    let sum = checksum::<4>(head.get(..HEADER_BYTES - 4).unwrap_or_default());
    if let Some(place) = head.get_mut(HEADER_BYTES - 4..) {
        place.copy_from_slice(&sum);
    }
    head
}

fn payload(first_seen_secs: u64, transaction: &Transaction) -> Vec<u8> {
    let mut payload = Vec::with_capacity(8 + transaction.encoded_len());
    payload.extend(first_seen_secs.to_le_bytes());
    transaction.encode(&mut payload);
    payload
}

/// First bytes of sha256. Against accidents, not against people: those could write the file anew.
fn checksum<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let digest = sha256(bytes);
    let mut sum = [0; N];
    sum.iter_mut().zip(digest).for_each(|(place, byte)| *place = byte);
    sum
}

/// Reads a pool file, at most `max_bytes` of it. No file is an empty one.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn load(path: &Path, genesis: &BlockHash, max_bytes: u64) -> Result<Loaded, PersistError> {
    let fail = |source| PersistError { action: "read", path: path.to_path_buf(), source };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Loaded::default()),
        Err(error) => return Err(fail(error)),
    };
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(fail)?;
    let mut cut = None;
    if bytes.len() as u64 > max_bytes {
        // widening; and what was read fits memory
        bytes.truncate(usize::try_from(max_bytes).unwrap_or(usize::MAX));
        cut = Some(LoadWarning::TooLarge { read: max_bytes });
    }
    let mut loaded = parse(&bytes, genesis);
    loaded.warnings.extend(cut);
    Ok(loaded)
}

fn parse(bytes: &[u8], genesis: &BlockHash) -> Loaded {
    let mut loaded = Loaded::default();
    if let Err(warning) = check_head(bytes, genesis) {
        loaded.warnings.push(warning);
        return loaded;
    }
    let mut position = HEADER_BYTES;
    let mut tries = 0;
    while position < bytes.len() {
        if let Some((saved, end)) = record_at(bytes, position) {
            loaded.transactions.push(saved);
            position = end;
            continue;
        }
        let next = next_record(bytes, position + 1, &mut tries);
        let damaged = next - position;
        loaded.warnings.push(LoadWarning::Damaged { offset: position, bytes: damaged });
        position = next;
    }
    loaded
}

fn check_head(bytes: &[u8], genesis: &BlockHash) -> Result<(), LoadWarning> {
    let (Some(magic), Some(version), Some(network), Some(sum)) =
        (bytes.get(..8), bytes.get(8..12), bytes.get(12..44), bytes.get(44..HEADER_BYTES))
    else {
        return Err(LoadWarning::Head);
    };
    let is_intact = sum == checksum::<4>(bytes.get(..44).unwrap_or_default());
    if magic != MAGIC || !is_intact {
        return Err(LoadWarning::Head);
    }
    let found = u32::from_le_bytes(version.try_into().unwrap_or_default());
    if found != VERSION {
        return Err(LoadWarning::Version { found });
    }
    if network == genesis.as_bytes() { Ok(()) } else { Err(LoadWarning::Network) }
}

/// Reads the record at a place, and tells where it ends; `None` when there is no intact one.
fn record_at(bytes: &[u8], position: usize) -> Option<(Saved, usize)> {
    let rest = bytes.get(position..)?;
    let (mark, rest) = rest.split_at_checked(4)?;
    let (len, rest) = rest.split_at_checked(4)?;
    let (sum, rest) = rest.split_at_checked(8)?;
    let len = usize::try_from(u32::from_le_bytes(len.try_into().ok()?)).ok()?;
    let possible = (MIN_PAYLOAD_BYTES..=8 + MAX_PAYLOAD_BYTES).contains(&len);
    if mark != MARK || !possible {
        return None;
    }
    let payload = rest.get(..len)?;
    if sum != checksum::<8>(payload) {
        return None;
    }
    let (time, wire) = payload.split_at_checked(8)?;
    let mut decoder = Decoder::new(wire, MAX_PAYLOAD_BYTES).ok()?;
    let (transaction, txid) = Transaction::decode_with_id(&mut decoder).ok()?;
    decoder.finish().ok()?;
    let saved = Saved {
        tx: LooseTx::new(std::sync::Arc::new(transaction), txid),
        first_seen_secs: u64::from_le_bytes(time.try_into().ok()?),
    };
    Some((saved, position + RECORD_HEAD_BYTES + len))
}

/// Returns where the next intact record begins, or the end.
fn next_record(bytes: &[u8], start: usize, tries: &mut usize) -> usize {
    let mut position = start;
    while let Some(rest) = bytes.get(position..) {
        let Some(found) = rest.windows(MARK.len()).position(|window| window == MARK) else { break };
        position += found;
        *tries += 1;
        if *tries > MAX_TRIES {
            break;
        }
        if record_at(bytes, position).is_some() {
            return position;
        }
        position += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests;
