//! Blocks as a file: `{ u32 little-endian length, raw block }` repeated, plain or gzip.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// No block is larger, in bytes: the largest message of the network.
const MAX_BLOCK_BYTES: u32 = 1_800_003;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads all blocks of a file.
///
/// # Errors
/// When it cannot be read, or a length is impossible.
pub fn read(path: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    from_bytes(&bytes).with_context(|| format!("in {}", path.display()))
}

fn from_bytes(bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    if bytes.starts_with(&GZIP_MAGIC) {
        read_blocks(BufReader::new(GzDecoder::new(bytes)))
    } else {
        read_blocks(bytes)
    }
}

fn read_blocks(mut from: impl Read) -> Result<Vec<Vec<u8>>> {
    let mut blocks = Vec::new();
    loop {
        let mut length = Vec::with_capacity(4);
        from.by_ref().take(4).read_to_end(&mut length)?;
        if length.is_empty() {
            return Ok(blocks);
        }
        let length = <[u8; 4]>::try_from(length.as_slice()).context("a length is cut short")?;
        let length = u32::from_le_bytes(length);
        ensure!(length <= MAX_BLOCK_BYTES, "a block of {length} bytes");
        let mut block = Vec::new();
        from.by_ref().take(u64::from(length)).read_to_end(&mut block)?;
        ensure!(u32::try_from(block.len()) == Ok(length), "a block is cut short");
        blocks.push(block);
    }
}

/// Writes a packed file of blocks, one at a time. The same blocks give the same bytes.
#[derive(Debug)]
pub struct Writer(GzEncoder<BufWriter<File>>);

impl Writer {
    /// Starts a file.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(GzEncoder::new(BufWriter::new(file), Compression::default())))
    }

    /// Adds a block.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, block: &[u8]) -> Result<()> {
        let length = u32::try_from(block.len()).context("no block is that large")?;
        self.0.write_all(&length.to_le_bytes())?;
        Ok(self.0.write_all(block)?)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When the last part cannot be written.
    pub fn finish(self) -> Result<()> {
        self.0.finish()?.flush()?;
        Ok(())
    }
}

/// Writes blocks to a packed file.
///
/// # Errors
/// When it cannot be written.
pub fn write<B: AsRef<[u8]>>(path: &Path, blocks: &[B]) -> Result<()> {
    let mut writer = Writer::create(path)?;
    blocks.iter().try_for_each(|block| writer.add(block.as_ref()))?;
    writer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocks.gz");
        let blocks = vec![vec![1, 2, 3], Vec::new(), vec![7; 70_000]];
        write(&path, &blocks).unwrap();
        assert_eq!(read(&path).unwrap(), blocks);
    }

    #[test]
    fn files_that_are_cut_short_are_refused() {
        for bytes in [&[1, 0][..], &[2, 0, 0, 0, 9], &[255, 255, 255, 255, 0]] {
            assert!(from_bytes(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(from_bytes(&[1, 0, 0, 0, 9]).unwrap(), vec![vec![9]]);
    }
}
