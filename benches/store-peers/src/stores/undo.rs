//! What a peer keeps to undo a block, as bytes: the coins spent with their values, and the keys
//! created, those of one transaction together.

use anyhow::Result;

use super::UNDO_HORIZON;
use crate::workload::Key;

/// The undo data of a block as it grows.
#[derive(Debug, Default)]
pub struct Undo {
    bytes: Vec<u8>,
    last_txid: Option<[u8; 32]>,
}

impl Undo {
    /// Starts a block.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.last_txid = None;
    }

    /// Adds a spent coin. All of them come before the created ones.
    pub fn spent(&mut self, key: &Key, value: &[u8]) -> Result<()> {
        self.bytes.push(0);
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&u16::try_from(value.len())?.to_le_bytes());
        self.bytes.extend_from_slice(value);
        Ok(())
    }

    /// Adds a created coin.
    pub fn created(&mut self, key: &Key) {
        let (txid, index) = key.split_at(32);
        if self.last_txid.is_some_and(|last| last == txid) {
            self.bytes.push(2);
        } else {
            self.bytes.push(1);
            self.bytes.extend_from_slice(txid);
            self.last_txid = txid.try_into().ok();
        }
        self.bytes.extend_from_slice(index);
    }

    /// Returns the bytes of the block so far.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// The height whose undo data goes when a block of the given height comes.
pub fn expired(height: u32) -> Option<u32> {
    height.checked_sub(UNDO_HORIZON)
}
