//! The workload file `UTXOWL01`: layout, and reading it block by block.
//!
//! All integers are little-endian, without padding.
//!
//! ```text
//! header, 64 bytes   magic 8, seed u64, fill_blocks u32, steady_blocks u32, target u64, live_end u64,
//!                    query_count u32, zero u32, query_offset u64, zero 8
//! each block         length of what follows u32, height u32, n_spends u32, n_creates u32,
//!                    digest_after u64, live_after u64, spent_amount u64,
//!                    n_spends keys, n_creates * (key 36, value length u16, value)
//! at query_offset    query_count * (key 36, live u8)
//! ```

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use xxhash_rust::xxh3::xxh3_64;

/// The first eight bytes of a workload file.
pub(crate) const MAGIC: [u8; 8] = *b"UTXOWL01";

/// Length of the file header.
pub(crate) const HEADER_LEN: usize = 64;

/// Length of a coin's key: transaction id, then output index.
pub(crate) const KEY_LEN: usize = 36;

/// What follows the length field of a block, before its keys.
pub(crate) const BLOCK_HEAD_LEN: usize = 36;

/// Length of a query: a key, and whether it is live.
pub(crate) const QUERY_LEN: usize = KEY_LEN + 1;

/// Where a value holds its amount.
const AMOUNT_AT: usize = 4;

/// A block that claims more is refused before anything is allocated.
const MAX_BLOCK_LEN: usize = 64 << 20;

/// The buffer for heads and queries; a body is read past it.
const READ_BUFFER: usize = 16 << 10;

/// A coin's key.
pub(crate) type Key = [u8; KEY_LEN];

/// The header of a workload file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// What the file was generated from.
    pub(crate) seed: u64,
    /// Blocks that only create.
    pub(crate) fill_blocks: u32,
    /// Blocks after those.
    pub(crate) steady_blocks: u32,
    /// Live coins after the fill.
    pub(crate) target: u64,
    /// Live coins after the last block.
    pub(crate) live_end: u64,
    /// Number of queries.
    pub(crate) query_count: u32,
    /// Where the queries start in the file.
    pub(crate) query_offset: u64,
}

impl Header {
    /// Returns the number of all blocks.
    pub(crate) fn blocks(&self) -> Result<u32> {
        self.fill_blocks.checked_add(self.steady_blocks).context("too many blocks")
    }

    /// Returns the file form.
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..16].copy_from_slice(&self.seed.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.fill_blocks.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.steady_blocks.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.target.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.live_end.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.query_count.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.query_offset.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Result<Self> {
        ensure!(bytes[..8] == MAGIC, "not a UTXOWL01 workload");
        Ok(Self {
            seed: u64_at(bytes, 8)?,
            fill_blocks: u32_at(bytes, 16)?,
            steady_blocks: u32_at(bytes, 20)?,
            target: u64_at(bytes, 24)?,
            live_end: u64_at(bytes, 32)?,
            query_count: u32_at(bytes, 40)?,
            query_offset: u64_at(bytes, 48)?,
        })
    }
}

/// A block of the workload, in a buffer that the next one uses again.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// Its height, from 0.
    pub(crate) height: u32,
    /// [`coin_hash`] of all coins live after this block, combined by XOR.
    pub(crate) digest_after: u64,
    /// Number of coins live after this block.
    pub(crate) live_after: u64,
    /// Wrapping sum of the amounts of the coins spent.
    pub(crate) spent_amount: u64,
    spent_len: usize,
    body: Vec<u8>,
    /// Where in `body` each created coin has its key, and the length of its value.
    created: Vec<(usize, u16)>,
}

impl Block {
    /// Returns the keys of the coins that the block spends.
    pub(crate) fn spends(&self) -> &[Key] {
        self.body.get(..self.spent_len).map_or(&[], |keys| keys.as_chunks().0)
    }

    /// Returns the number of coins that the block creates.
    pub(crate) fn created_count(&self) -> usize {
        self.created.len()
    }

    /// Returns the coins that the block creates, those of a transaction side by side.
    pub(crate) fn creates(&self) -> impl Iterator<Item = (&Key, &[u8])> {
        self.created.iter().filter_map(|&(at, value_len)| {
            let (key, rest) = self.body.get(at..)?.split_first_chunk()?;
            Some((key, rest.get(2..2 + usize::from(value_len))?))
        })
    }

    /// Returns how many coins the block spends and creates.
    pub(crate) fn coin_ops(&self) -> u64 {
        u64::try_from(self.spends().len() + self.created.len()).unwrap_or(u64::MAX)
    }

    fn parse(&mut self, head: &[u8; BLOCK_HEAD_LEN]) -> Result<()> {
        self.height = u32_at(head, 0)?;
        let spends = usize::try_from(u32_at(head, 4)?)?;
        let creates = usize::try_from(u32_at(head, 8)?)?;
        self.digest_after = u64_at(head, 12)?;
        self.live_after = u64_at(head, 20)?;
        self.spent_amount = u64_at(head, 28)?;
        self.spent_len = spends.checked_mul(KEY_LEN).context("spends overflow")?;
        ensure!(self.spent_len <= self.body.len(), "block {} is cut short", self.height);
        self.created.clear();
        let mut at = self.spent_len;
        for _ in 0..creates {
            let len = u16_at(&self.body, at + KEY_LEN)
                .with_context(|| format!("block {} is cut short", self.height))?;
            self.created.push((at, len));
            at += KEY_LEN + 2 + usize::from(len);
        }
        ensure!(at == self.body.len(), "block {} has the wrong length", self.height);
        Ok(())
    }
}

/// Reads the blocks of a workload file in their order.
#[derive(Debug)]
pub(crate) struct Reader {
    header: Header,
    next: u32,
    file: BufReader<File>,
    file_len: u64,
}

impl Reader {
    /// Opens a file, to read its blocks from `height` on.
    pub(crate) fn open(path: &Path, height: u32) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("workload {}", path.display()))?;
        let file_len = file.metadata()?.len();
        let mut file = BufReader::with_capacity(READ_BUFFER, file);
        let mut bytes = [0; HEADER_LEN];
        file.read_exact(&mut bytes).context("workload header")?;
        let header = Header::from_bytes(&bytes)?;
        header.blocks()?;
        let query_bytes = u64::from(header.query_count) * u64::try_from(QUERY_LEN)?;
        let end = header.query_offset.checked_add(query_bytes).context("query offset")?;
        ensure!(end <= file_len, "the workload file is cut short");
        let mut reader = Self { header, next: 0, file, file_len };
        while reader.next < height {
            reader.skip()?;
        }
        Ok(reader)
    }

    /// Returns the file's header.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the height of the block that is read next.
    pub(crate) fn next_height(&self) -> u32 {
        self.next
    }

    /// Reads the next block; false after the last.
    pub(crate) fn read(&mut self, block: &mut Block) -> Result<bool> {
        if self.next >= self.header.blocks()? {
            return Ok(false);
        }
        let (head, body_len) = self.read_head()?;
        block.body.resize(body_len, 0);
        self.file.read_exact(&mut block.body).context("block body")?;
        block.parse(&head)?;
        ensure!(block.height == self.next, "block {} where {} is due", block.height, self.next);
        self.next += 1;
        Ok(true)
    }

    /// Reads the queries, at most `limit`: each key, and whether it is live after the last block.
    /// The reader reads no block after this.
    pub(crate) fn into_queries(mut self, limit: u32) -> Result<Vec<(Key, bool)>> {
        self.file.seek(SeekFrom::Start(self.header.query_offset))?;
        let count = usize::try_from(self.header.query_count.min(limit))?;
        let mut queries = Vec::with_capacity(count);
        let mut bytes = [0; QUERY_LEN];
        for _ in 0..count {
            self.file.read_exact(&mut bytes).context("queries")?;
            match bytes.split_first_chunk() {
                Some((key, [0])) => queries.push((*key, false)),
                Some((key, [1])) => queries.push((*key, true)),
                _ => bail!("a query is neither live nor dead"),
            }
        }
        Ok(queries)
    }

    fn read_head(&mut self) -> Result<([u8; BLOCK_HEAD_LEN], usize)> {
        let mut len = [0; 4];
        self.file.read_exact(&mut len).context("block length")?;
        let len = usize::try_from(u32::from_le_bytes(len))?;
        ensure!(len <= MAX_BLOCK_LEN, "a block of {len} bytes");
        ensure!(u64::try_from(len)? <= self.file_len, "a block is longer than the file");
        let body_len = len.checked_sub(BLOCK_HEAD_LEN).context("a block without its head")?;
        let mut head = [0; BLOCK_HEAD_LEN];
        self.file.read_exact(&mut head).context("block head")?;
        Ok((head, body_len))
    }

    fn skip(&mut self) -> Result<()> {
        ensure!(self.next < self.header.blocks()?, "the workload ends before height {}", self.next);
        let (_, body_len) = self.read_head()?;
        self.file.seek_relative(i64::try_from(body_len)?)?;
        self.next += 1;
        Ok(())
    }
}

/// Returns what a coin adds to the digest of a workload: `xxh3_64(key || value)`.
pub(crate) fn coin_hash(key: &Key, value: &[u8], scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    scratch.extend_from_slice(key);
    scratch.extend_from_slice(value);
    xxh3_64(scratch)
}

/// Returns the amount that a value holds.
pub(crate) fn amount_of(value: &[u8]) -> Result<u64> {
    u64_at(value, AMOUNT_AT).context("a value without an amount")
}

fn u16_at(bytes: &[u8], at: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(array_at(bytes, at)?))
}

fn u32_at(bytes: &[u8], at: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(array_at(bytes, at)?))
}

fn u64_at(bytes: &[u8], at: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(array_at(bytes, at)?))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N]> {
    let found = bytes.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().context("cut short")
}
