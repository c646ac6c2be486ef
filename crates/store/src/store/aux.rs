//! What this layer adds to a checkpoint.

use crate::blocks::Position;
use crate::engine::TableState;
use crate::error::StoreError;
use crate::registry::Registry;

/// Format of the bytes.
const FORMAT: u32 = 1;

/// What this layer adds to a checkpoint, beside the registry.
///
/// # On disk
/// format 4 | key of the hash table 16 | final blocks 4 | next block's file 4 and offset 8 | state of
/// the hash table | the registry to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aux {
    pub(super) hash_key: [u8; 16],
    pub(super) final_count: u32,
    pub(super) position: Position,
    pub(super) hashes: TableState,
}

impl Aux {
    pub(super) fn to_disk(&self, registry: &Registry) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.hash_key);
        out.extend_from_slice(&self.final_count.to_le_bytes());
        out.extend_from_slice(&self.position.file.to_le_bytes());
        out.extend_from_slice(&self.position.offset.to_le_bytes());
        self.hashes.to_disk(&mut out);
        out.extend_from_slice(&registry.to_disk());
        out
    }

    pub(super) fn from_disk(bytes: &[u8]) -> Result<(Self, Registry), StoreError> {
        let (aux, registry) = Self::parse(bytes).ok_or_else(|| {
            StoreError::corrupt("checkpoint", 0, "the caller's part is cut short")
        })?;
        Ok((aux, Registry::from_disk(registry)?))
    }

    fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (format, rest) = bytes.split_first_chunk()?;
        if u32::from_le_bytes(*format) != FORMAT {
            return None;
        }
        let (hash_key, rest) = rest.split_first_chunk()?;
        let (final_count, rest) = rest.split_first_chunk()?;
        let (file, rest) = rest.split_first_chunk()?;
        let (offset, mut rest) = rest.split_first_chunk()?;
        let hashes = TableState::from_disk(&mut rest)?;
        let aux = Self {
            hash_key: *hash_key,
            final_count: u32::from_le_bytes(*final_count),
            position: Position {
                file: u32::from_le_bytes(*file),
                offset: u64::from_le_bytes(*offset),
            },
            hashes,
        };
        Some((aux, rest))
    }
}
