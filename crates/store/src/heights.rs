//! `heights.dat`: one [`BlockInfo`] for each height of the chain, in order.
//!
//! Entry `h` stands at `320 + 320 h`; the first 64 bytes are the file's head. An entry is written when
//! its block is durable in the log, and again when another block takes the height. Readers take the
//! entries of blocks that can still be undone from memory, so what they read here never changes.

use mvs_primitives::height::Height;

use crate::backing::{Backing, Disk};
use crate::block_info::{BlockInfo, INFO_BYTES};
use crate::error::StoreError;
use crate::file_head::{FileHead, HEAD_BYTES};

/// Name of the file.
pub(crate) const FILE: &str = "heights.dat";

const KIND: [u8; 8] = *b"MVSHEIGH";

/// Room for 2^25 blocks: more than 12 years of one each 12 seconds.
const CAPACITY: u64 = (1 << 25) * INFO_BYTES as u64; // widening

/// Space is taken in steps: an eighth of what is there, between these.
const GROW_MIN: u64 = 64 << 10;
const GROW_MAX: u64 = 8 << 20;

/// The file.
#[derive(Debug)]
pub(crate) struct Heights<F: Backing> {
    file: F,
}

fn offset(height: Height) -> u64 {
    (u64::from(height.value()) + 1) * INFO_BYTES as u64 // at most 2^32 * 320
}

impl<F: Backing> Heights<F> {
    /// Opens the file; makes an empty one if `create` says so and there is none.
    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        network: u32,
        create: bool,
    ) -> Result<Self, StoreError> {
        let record_bytes = INFO_BYTES as u32; // 320
        let head = FileHead { kind: KIND, network, number: 0, record_bytes };
        match disk.open(FILE, CAPACITY) {
            Ok(file) if !create => {
                head.check(&file, FILE)?;
                Ok(Self { file })
            }
            Err(error) if !create => Err(StoreError::io("open", FILE, error)),
            _ => {
                let io = |error| StoreError::io("create", FILE, error);
                let file = disk.create(FILE, CAPACITY).map_err(io)?;
                file.grow(GROW_MIN).map_err(io)?;
                head.write(&file, FILE)?;
                file.sync().map_err(io)?;
                disk.sync_folder("").map_err(io)?;
                Ok(Self { file })
            }
        }
    }

    /// Takes space for entries up to a height.
    pub(crate) fn reserve(&self, height: Height) -> Result<(), StoreError> {
        let needed = offset(height) + INFO_BYTES as u64; // widening
        let present = self.file.len();
        if needed <= present {
            return Ok(());
        }
        let step = (present / 8).clamp(GROW_MIN, GROW_MAX);
        let wanted = needed.max(present + step).min(CAPACITY.max(needed));
        self.file
            .grow(wanted)
            .or_else(|_| self.file.grow(needed))
            .map_err(|error| StoreError::io("grow", FILE, error))
    }

    /// Reads an entry.
    pub(crate) fn read(&self, height: Height) -> Result<BlockInfo, StoreError> {
        let mut bytes = [0u8; INFO_BYTES];
        self.file
            .read(offset(height), &mut bytes)
            .map_err(|error| StoreError::io("read", FILE, error))?;
        BlockInfo::from_disk(&bytes, height)
            .ok_or_else(|| StoreError::corrupt(FILE, offset(height), "no entry of that height"))
    }

    /// Writes an entry; the space must have been taken.
    pub(crate) fn write(&self, info: &BlockInfo) -> Result<(), StoreError> {
        self.file
            .write(offset(info.height), &info.to_disk())
            .map_err(|error| StoreError::io("write", FILE, error))
    }

    /// Makes all entries durable.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync().map_err(|error| StoreError::io("sync", FILE, error))
    }

    /// Demands that nothing stands between the head and the first entry.
    pub(crate) fn check_gap(&self) -> Result<(), StoreError> {
        let mut gap = [0u8; INFO_BYTES - HEAD_BYTES as usize]; // 256
        self.file
            .read(HEAD_BYTES, &mut gap)
            .map_err(|error| StoreError::io("read", FILE, error))?;
        if gap.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        Err(StoreError::corrupt(FILE, HEAD_BYTES, "something stands where nothing should"))
    }

    /// Bytes taken on the disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.len()
    }
}
