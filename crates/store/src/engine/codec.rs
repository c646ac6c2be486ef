//! Records and coin entries as bytes.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed, xxh3_128};

use super::bytes::{Reader, push_varint, put_at, u32_at, u64_at};
use super::types::{BodyRef, CoinDigest, Key, Tip};
use crate::layout::{block, cold, commit, moved, position, record, undo};

/// A position from its parts.
#[inline]
pub(super) fn position_of(segment: u16, offset: u32) -> u64 {
    u64::from(segment) << position::OFFSET_BITS | u64::from(offset)
}

/// The segment of a position, which has at most 42 bits.
#[inline]
pub(super) fn segment_of(position: u64) -> u16 {
    (position >> position::OFFSET_BITS) as u16
}

/// The offset of a position.
#[inline]
pub(super) fn offset_of(position: u64) -> u32 {
    (position & position::OFFSET_MASK) as u32
}

/// What the header of a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    pub(super) kind: u32,
    pub(super) bytes: u32,
    pub(super) number: u32,
    pub(super) epoch: u64,
    pub(super) batch: u64,
    pub(super) before: u64,
    pub(super) checksum: u64,
}

impl RecordHeader {
    /// Reads a header; nothing if there is no record here. The checksum is not looked at.
    pub(super) fn from_disk(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.array()? != record::MAGIC {
            return None;
        }
        let header = Self {
            kind: reader.u32()?,
            bytes: reader.u32()?,
            number: reader.u32()?,
            epoch: reader.u64()?,
            batch: reader.u64()?,
            before: reader.u64()?,
            checksum: reader.u64()?,
        };
        (header.bytes as usize >= record::HEADER_BYTES).then_some(header)
    }
}

fn checksum(bytes: &[u8], salt: u64) -> u64 {
    let (head, body) = bytes.split_at(record::HEADER_BYTES);
    let mut seal = [0; record::HEADER_BYTES];
    seal[..record::AT_CHECKSUM].copy_from_slice(&head[..record::AT_CHECKSUM]);
    seal[record::AT_CHECKSUM..].copy_from_slice(&xxh3_64(body).to_le_bytes());
    xxh3_64_with_seed(&seal, salt)
}

/// Fills in the header of the record in `buf`; its checksum.
pub(super) fn seal(buf: &mut [u8], header: &RecordHeader, salt: u64) -> u64 {
    put_at(buf, record::AT_MAGIC, &record::MAGIC);
    put_at(buf, record::AT_KIND, &header.kind.to_le_bytes());
    put_at(buf, record::AT_BYTES, &header.bytes.to_le_bytes());
    put_at(buf, record::AT_NUMBER, &header.number.to_le_bytes());
    put_at(buf, record::AT_EPOCH, &header.epoch.to_le_bytes());
    put_at(buf, record::AT_BATCH, &header.batch.to_le_bytes());
    put_at(buf, record::AT_BEFORE, &header.before.to_le_bytes());
    let sum = checksum(buf, salt);
    put_at(buf, record::AT_CHECKSUM, &sum.to_le_bytes());
    sum
}

/// Whether the bytes of a whole record agree with its checksum.
pub(super) fn is_whole(bytes: &[u8], salt: u64) -> bool {
    bytes.len() >= record::HEADER_BYTES
        && checksum(bytes, salt) == u64_at(bytes, record::AT_CHECKSUM)
}

/// `xxh3_128(key || value)`: the coin's part in the digest; its low half is the entry's checksum.
#[inline]
pub(super) fn coin_digest(key: &Key, value: &[u8]) -> u128 {
    const NEAR: usize = 36 + 204;
    let bytes = key.len() + value.len();
    if bytes <= NEAR {
        let mut buf = [0; NEAR];
        buf[..36].copy_from_slice(key);
        buf[36..bytes].copy_from_slice(value);
        xxh3_128(&buf[..bytes])
    } else {
        let mut buf = Vec::with_capacity(bytes);
        buf.extend_from_slice(key);
        buf.extend_from_slice(value);
        xxh3_128(&buf)
    }
}

/// The low 32 bits.
#[inline]
fn entry_checksum(digest: u128) -> u32 {
    digest as u32
}

/// What stands before a coin's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryHead {
    pub(super) checksum: u32,
    /// Bytes from the group's first (the txid) to the entry's.
    pub(super) back: u32,
    pub(super) index: u32,
    pub(super) value_bytes: u32,
    /// Length of this head.
    pub(super) head_bytes: u32,
}

impl EntryHead {
    #[inline]
    pub(super) fn from_disk(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let checksum = reader.u32()?;
        let back = reader.varint()?;
        let index = reader.varint()?;
        let value_bytes = reader.varint()?;
        // At most 19.
        let head_bytes = (bytes.len() - reader.0.len()) as u32;
        Some(Self { checksum, back, index, value_bytes, head_bytes })
    }

    /// Length of the entry with its value.
    pub(super) fn entry_bytes(&self) -> usize {
        (self.head_bytes as usize + self.value_bytes as usize).max(record::ENTRY_BYTES_MIN)
    }

    #[inline]
    pub(super) fn key(&self, txid: &[u8]) -> Option<Key> {
        let mut key = [0; 36];
        key[..32].copy_from_slice(txid.get(..32)?);
        key[32..].copy_from_slice(&self.index.to_le_bytes());
        Some(key)
    }

    /// Whether this is the entry of a coin with that digest.
    #[inline]
    pub(super) fn agrees_with(&self, digest: u128) -> bool {
        self.checksum == entry_checksum(digest)
    }
}

/// Writes coins as entries, one group for neighbours of the same transaction.
///
/// A group: txid 32 bytes, number of entries (u32), entries. An entry: checksum u32, then as
/// varints the distance back to the txid, the output's number, the value's length; the value; zeros up to
/// 16 bytes.
#[derive(Debug, Default)]
pub(super) struct EntryWriter {
    group: Option<(usize, [u8; 32])>,
    count: u32,
}

impl EntryWriter {
    /// Appends an entry; its offset in `out`. The record is known to stay below 2^26 bytes or is
    /// refused later, so offsets fit.
    #[inline]
    pub(super) fn push(&mut self, out: &mut Vec<u8>, key: &Key, value: &[u8], digest: u128) -> u32 {
        let (txid, index) = key.split_at(32);
        let start = match self.group {
            Some((start, group)) if group == *txid => start,
            _ => {
                let start = out.len();
                out.extend_from_slice(txid);
                out.extend_from_slice(&[0; 4]);
                let mut group = [0; 32];
                group.copy_from_slice(txid);
                self.group = Some((start, group));
                self.count = 0;
                start
            }
        };
        self.count += 1;
        put_at(out, start + 32, &self.count.to_le_bytes());
        let at = out.len();
        out.extend_from_slice(&entry_checksum(digest).to_le_bytes());
        push_varint(out, (at - start) as u32);
        push_varint(out, u32_at(index, 0));
        push_varint(out, value.len() as u32);
        out.extend_from_slice(value);
        if out.len() < at + record::ENTRY_BYTES_MIN {
            out.resize(at + record::ENTRY_BYTES_MIN, 0);
        }
        at as u32
    }
}

/// A coin met while walking entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// Offset of the entry from the walk's `base`.
    pub(super) at: u32,
    pub(super) key: Key,
    pub(super) value: &'a [u8],
    pub(super) digest: u128,
    pub(super) bytes: u32,
}

/// Walks all entries of a list and checks each; `false` if the list is not well formed.
///
/// `base` is the list's offset in its record or segment, added to the offsets given.
pub(super) fn walk_entries<'a, E>(
    list: &'a [u8],
    base: u32,
    mut visit: impl FnMut(Entry<'a>) -> Result<(), E>,
) -> Result<bool, E> {
    let mut at = 0_usize;
    while at < list.len() {
        let start = at;
        let Some(group) = list.get(start..start + 36) else { return Ok(false) };
        at = start + 36;
        for _ in 0..u32_at(group, 32) {
            let Some(entry) = entry_in(list, start, at, base) else { return Ok(false) };
            at += entry.bytes as usize;
            visit(entry)?;
        }
    }
    Ok(true)
}

/// Walks the keys of a list that [`walk_entries`] has found well formed: offset from `base`, key.
pub(super) fn walk_keys(list: &[u8], base: u32, mut visit: impl FnMut(u32, &Key)) {
    let mut at = 0_usize;
    while let Some(group) = list.get(at..).and_then(|rest| rest.get(..36)) {
        at += 36;
        for _ in 0..u32_at(group, 32) {
            let Some(head) = list.get(at..).and_then(EntryHead::from_disk) else { return };
            let Some(key) = head.key(group) else { return };
            // Offsets are below 2^26.
            visit(base + at as u32, &key);
            at += head.entry_bytes();
        }
    }
}

fn entry_in(list: &[u8], start: usize, at: usize, base: u32) -> Option<Entry<'_>> {
    let head = EntryHead::from_disk(list.get(at..)?)?;
    if head.back as usize != at - start {
        return None;
    }
    let value_at = at + head.head_bytes as usize;
    let value = list.get(value_at..value_at.checked_add(head.value_bytes as usize)?)?;
    let key = head.key(&list[start..])?;
    let digest = coin_digest(&key, value);
    let bytes = head.entry_bytes();
    list.get(at..at + bytes)?;
    // Offsets are below 2^26.
    let entry = Entry { at: base.checked_add(at as u32)?, key, value, digest, bytes: bytes as u32 };
    head.agrees_with(digest).then_some(entry)
}

/// A spent coin as records name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    /// The top 30 bits of the key's hash; the others zero.
    pub(super) hash: u64,
    pub(super) position: u64,
}

impl Spent {
    #[inline]
    pub(super) fn push(out: &mut Vec<u8>, hash: u64, position: u64) {
        let both = u128::from(hash >> 34) << 42 | u128::from(position);
        out.extend_from_slice(&both.to_le_bytes()[..record::SPENT_BYTES]);
    }

    #[inline]
    fn from_disk(bytes: &[u8]) -> Self {
        let mut both = [0; 16];
        both[..bytes.len()].copy_from_slice(bytes);
        let both = u128::from_le_bytes(both);
        // 30 and 42 bits.
        Self { hash: ((both >> 42) as u64) << 34, position: both as u64 & ((1 << 42) - 1) }
    }
}

/// The spent coins of a list.
#[inline]
pub(super) fn spent_in(list: &[u8]) -> impl ExactSizeIterator<Item = Spent> + '_ {
    list.chunks_exact(record::SPENT_BYTES).map(Spent::from_disk)
}

/// What starts a block record, before its lists.
pub(super) struct BlockHead<'a> {
    pub(super) height: u32,
    pub(super) hash: &'a [u8; 32],
    pub(super) body: &'a BodyRef,
    pub(super) before: Option<Tip>,
}

/// Starts a block record. Lists follow, then [`finish_block`].
pub(super) fn start_block(out: &mut Vec<u8>, head: &BlockHead<'_>) {
    out.clear();
    out.resize(block::AT_LISTS, 0);
    put_at(out, block::AT_HEIGHT, &head.height.to_le_bytes());
    put_at(out, block::AT_HASH, head.hash);
    if let Some(tip) = &head.before {
        put_at(out, block::AT_HAS_PARENT, &1_u32.to_le_bytes());
        put_at(out, block::AT_PARENT, &tip.hash);
        put_at(out, block::AT_DIGEST_BEFORE, &tip.digest.to_u128().to_le_bytes());
        put_at(out, block::AT_COINS_BEFORE, &tip.coins.to_le_bytes());
    }
    put_at(out, block::AT_BODY, &head.body.file.to_le_bytes());
    put_at(out, block::AT_BODY + 4, &head.body.bytes.to_le_bytes());
    put_at(out, block::AT_BODY + 8, &head.body.offset.to_le_bytes());
    put_at(out, block::AT_BODY + 16, &head.body.checksum.to_le_bytes());
}

/// Fills in what is known once the lists of a block record are written. All lengths are known to fit.
pub(super) fn finish_block(
    out: &mut [u8],
    digest_after: CoinDigest,
    spent: usize,
    created: usize,
    created_bytes: usize,
    extra_bytes: usize,
) {
    put_at(out, block::AT_DIGEST_AFTER, &digest_after.to_u128().to_le_bytes());
    put_at(out, block::AT_SPENT, &(spent as u32).to_le_bytes());
    put_at(out, block::AT_CREATED, &(created as u32).to_le_bytes());
    put_at(out, block::AT_CREATED_BYTES, &(created_bytes as u32).to_le_bytes());
    put_at(out, block::AT_EXTRA_BYTES, &(extra_bytes as u32).to_le_bytes());
}

/// A block record, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockRecord<'a> {
    pub(super) height: u32,
    pub(super) hash: [u8; 32],
    /// The tip before it.
    pub(super) before: Option<Tip>,
    /// The tip that it makes.
    pub(super) after: Tip,
    pub(super) body: BodyRef,
    pub(super) spent: &'a [u8],
    pub(super) created: &'a [u8],
    pub(super) created_count: u32,
    /// Offset of `created` in the record.
    pub(super) created_at: u32,
    pub(super) extra: &'a [u8],
}

impl<'a> BlockRecord<'a> {
    /// Reads the bytes of a whole record, whose checksum has been checked.
    pub(super) fn from_disk(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(block::AT_HEIGHT..)?);
        let height = reader.u32()?;
        let has_parent = reader.u32()?;
        let hash = reader.array()?;
        let parent = reader.array()?;
        let digest_before = CoinDigest::from_u128(reader.u128()?);
        let digest_after = CoinDigest::from_u128(reader.u128()?);
        let coins_before = reader.u64()?;
        let (file, body_bytes) = (reader.u32()?, reader.u32()?);
        let (offset, checksum) = (reader.u64()?, reader.u64()?);
        let body = BodyRef { file, offset, bytes: body_bytes, checksum };
        let spent_count = reader.u32()?;
        let created_count = reader.u32()?;
        let (created_bytes, extra_bytes) = (reader.u32()? as usize, reader.u32()? as usize);
        let spent = reader.take((spent_count as usize).checked_mul(record::SPENT_BYTES)?)?;
        let created_at = u32::try_from(bytes.len() - reader.0.len()).ok()?;
        let created = reader.take(created_bytes)?;
        let extra = reader.take(extra_bytes)?;
        if !reader.0.is_empty() || has_parent > 1 {
            return None;
        }
        let before = match has_parent {
            0 => None,
            _ => Some(Tip {
                height: height.checked_sub(1)?,
                hash: parent,
                digest: digest_before,
                coins: coins_before,
            }),
        };
        let coins = coins_before
            .checked_add(u64::from(created_count))?
            .checked_sub(u64::from(spent_count))?;
        let after = Tip { height, hash, digest: digest_after, coins };
        Some(Self {
            height,
            hash,
            before,
            after,
            body,
            spent,
            created,
            created_count,
            created_at,
            extra,
        })
    }
}

/// Writes an undo record without its header.
pub(super) fn write_undo(out: &mut Vec<u8>, block: u64, restored: &[Spent]) {
    out.clear();
    out.resize(undo::AT_LIST, 0);
    put_at(out, undo::AT_BLOCK, &block.to_le_bytes());
    // At most as many as a block has spent.
    put_at(out, undo::AT_RESTORED, &(restored.len() as u32).to_le_bytes());
    for coin in restored {
        Spent::push(out, coin.hash, coin.position);
    }
}

/// An undo record, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct UndoRecord<'a> {
    pub(super) block: u64,
    pub(super) restored: &'a [u8],
}

impl<'a> UndoRecord<'a> {
    pub(super) fn from_disk(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(undo::AT_BLOCK..)?);
        let block = reader.u64()?;
        let count = reader.u32()? as usize;
        let restored = reader.take(count.checked_mul(record::SPENT_BYTES)?)?;
        reader.0.is_empty().then_some(Self { block, restored })
    }
}

/// A move record, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct MoveRecord<'a> {
    pub(super) victim: u16,
    pub(super) from: u32,
    pub(super) to: u32,
    pub(super) stamp: u32,
    pub(super) cold: u64,
    pub(super) cold_checksum: u64,
    /// Old offsets of live coins, u32 each.
    pub(super) live: &'a [u8],
    /// Old offsets of spent coins, u32 each.
    pub(super) spent: &'a [u8],
    /// Entries of the spent coins.
    pub(super) entries: &'a [u8],
    /// Offset of `entries` in the record.
    pub(super) entries_at: u32,
}

/// The offsets in a list of a move record.
pub(super) fn offsets_in(list: &[u8]) -> impl ExactSizeIterator<Item = u32> + '_ {
    list.chunks_exact(4).map(|bytes| u32_at(bytes, 0))
}

impl<'a> MoveRecord<'a> {
    pub(super) fn from_disk(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes.get(moved::AT_VICTIM..)?);
        let victim = u16::try_from(reader.u32()?).ok()?;
        let (from, to, stamp) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let (cold, cold_checksum) = (reader.u64()?, reader.u64()?);
        let (live_count, spent_count) = (reader.u32()? as usize, reader.u32()? as usize);
        let live = reader.take(live_count.checked_mul(4)?)?;
        let spent = reader.take(spent_count.checked_mul(4)?)?;
        let entries = reader.0;
        let entries_at = u32::try_from(bytes.len() - entries.len()).ok()?;
        if cold >> 42 != 0 || (cold == 0) != live.is_empty() {
            return None;
        }
        Some(Self {
            victim,
            from,
            to,
            stamp,
            cold,
            cold_checksum,
            live,
            spent,
            entries,
            entries_at,
        })
    }

    /// Writes the record without its header.
    pub(super) fn to_disk(self, out: &mut Vec<u8>) {
        out.clear();
        out.resize(record::HEADER_BYTES, 0);
        out.extend(u32::from(self.victim).to_le_bytes());
        out.extend(self.from.to_le_bytes());
        out.extend(self.to.to_le_bytes());
        out.extend(self.stamp.to_le_bytes());
        out.extend(self.cold.to_le_bytes());
        out.extend(self.cold_checksum.to_le_bytes());
        // Of coins of one segment: below 2^22.
        out.extend((self.live.len() as u32 / 4).to_le_bytes());
        out.extend((self.spent.len() as u32 / 4).to_le_bytes());
        out.extend_from_slice(self.live);
        out.extend_from_slice(self.spent);
        out.extend_from_slice(self.entries);
    }
}

/// The entries of a cold record, and their offset in it.
pub(super) fn cold_entries(bytes: &[u8]) -> Option<(&[u8], u32)> {
    // The length of a fixed head.
    bytes.get(cold::AT_LIST..).map(|list| (list, cold::AT_LIST as u32))
}

/// A commit record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommitRecord {
    /// Records before it in the batch.
    pub(super) records: u32,
    /// The greatest height that can no longer be undone after the batch.
    pub(super) floor: Option<u32>,
    /// Number of the last batch that was durable when it was written.
    pub(super) durable: u64,
}

impl CommitRecord {
    /// Writes the record without its header.
    pub(super) fn to_disk(self, out: &mut Vec<u8>) {
        out.clear();
        out.resize(commit::BYTES, 0);
        put_at(out, commit::AT_RECORDS, &self.records.to_le_bytes());
        let floor = self.floor.map_or(0, |height| u64::from(height) + 1);
        put_at(out, commit::AT_FLOOR, &floor.to_le_bytes());
        put_at(out, commit::AT_DURABLE, &self.durable.to_le_bytes());
    }

    /// Reads the bytes of a whole record, whose checksum has been checked.
    pub(super) fn from_disk(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != commit::BYTES {
            return None;
        }
        let floor = match u64_at(bytes, commit::AT_FLOOR) {
            0 => None,
            next => Some(u32::try_from(next - 1).ok()?),
        };
        let records = u32_at(bytes, commit::AT_RECORDS);
        Some(Self { records, floor, durable: u64_at(bytes, commit::AT_DURABLE) })
    }
}

#[cfg(test)]
mod tests;
