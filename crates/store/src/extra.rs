//! What this layer adds to each block's record in the log: enough to rebuild its own files and the
//! registry, and to take the block back.

use mvs_primitives::height::Height;

use crate::block_info::{BlockInfo, INFO_BYTES};
use crate::error::StoreError;
use crate::registry::RegistryDelta;

/// The extra bytes of a block's record.
///
/// # On disk
/// A [`BlockInfo`] of 320 bytes whose coin digest and count are zero (the record itself knows them),
/// then a [`RegistryDelta`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Extra {
    pub(crate) info: BlockInfo,
    pub(crate) delta: RegistryDelta,
}

impl Extra {
    pub(crate) fn to_disk(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.info.to_disk());
        self.delta.to_disk(out);
    }

    pub(crate) fn from_disk(bytes: &[u8], height: Height) -> Result<Self, StoreError> {
        let disagree = StoreError::Disagree { height, what: "the log's extra bytes do not parse" };
        let Some((info, delta)) = bytes.split_at_checked(INFO_BYTES) else { return Err(disagree) };
        let info = BlockInfo::from_disk(info, height).ok_or(disagree)?;
        Ok(Self { info, delta: RegistryDelta::from_disk(delta)? })
    }
}
