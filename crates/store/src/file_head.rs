//! The first 64 bytes of the files that this layer appends to.
//!
//! ```text
//! kind 8 | format u32 | network u32 | number u32 | record bytes u32 | zeros 32 | checksum u64
//! ```

use xxhash_rust::xxh3::xxh3_64;

use crate::backing::Backing;
use crate::engine::EngineError;
use crate::error::StoreError;

/// Length of a head.
pub(crate) const HEAD_BYTES: u64 = 64;

/// The format of all these files.
const FORMAT: u32 = 1;

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHead {
    pub(crate) kind: [u8; 8],
    pub(crate) network: u32,
    /// The number of the file among those of its kind.
    pub(crate) number: u32,
    /// Length of a record; 0 when it varies.
    pub(crate) record_bytes: u32,
}

impl FileHead {
    fn to_disk(self) -> [u8; 64] {
        let mut bytes = [0u8; 64];
        let mut rest = &mut bytes[..];
        for part in [
            &self.kind[..],
            &FORMAT.to_le_bytes(),
            &self.network.to_le_bytes(),
            &self.number.to_le_bytes(),
            &self.record_bytes.to_le_bytes(),
        ] {
            let (here, after) = rest.split_at_mut(part.len());
            here.copy_from_slice(part);
            rest = after;
        }
        let (covered, checksum) = bytes.split_at_mut(56);
        checksum.copy_from_slice(&xxh3_64(covered).to_le_bytes());
        bytes
    }

    pub(crate) fn write<F: Backing>(self, file: &F, name: &str) -> Result<(), StoreError> {
        file.write(0, &self.to_disk()).map_err(|error| StoreError::io("write", name, error))
    }

    /// Demands that a file begins with this head.
    pub(crate) fn check<F: Backing>(self, file: &F, name: &str) -> Result<(), StoreError> {
        let mut found = [0u8; 64];
        file.read(0, &mut found).map_err(|error| StoreError::io("read", name, error))?;
        let expected = self.to_disk();
        if found == expected {
            return Ok(());
        }
        let word = |at: usize| {
            let mut word = [0u8; 4];
            word.iter_mut().zip(found.iter().skip(at)).for_each(|(to, from)| *to = *from);
            u32::from_le_bytes(word)
        };
        let (covered, checksum) = found.split_at(56);
        if xxh3_64(covered).to_le_bytes() != checksum {
            return Err(StoreError::corrupt(name, 0, "the file's head has a wrong checksum"));
        }
        match (word(8), word(12)) {
            (format, _) if format != FORMAT => {
                Err(EngineError::UnknownVersion { found: format, known: FORMAT }.into())
            }
            (_, network) if network != self.network => {
                Err(EngineError::OtherNetwork { found: network, expected: self.network }.into())
            }
            _ => Err(StoreError::corrupt(name, 0, "the file's head is that of another file")),
        }
    }
}
