//! What is kept of each block of the chain, by height.

use mvs_consensus::header_view::HeaderInfo;
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::{Difficulty, Work};
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::height::Height;
use xxhash_rust::xxh3::xxh3_64;

use crate::engine::{BodyRef, CoinDigest};

/// Length of a [`BlockInfo`] on disk.
pub(crate) const INFO_BYTES: usize = 320;

/// Where the checksum stands.
const CHECKSUM_AT: usize = 312;

/// Stands for "no block of that version".
const NONE: u32 = u32::MAX;

/// What is kept of a block of the chain, beside its bytes.
///
/// # On disk
/// 320 bytes, little endian unless said otherwise: header 148 | coin digest 16 | registry digest 16 |
/// work 32 (big endian) | hash 32 | height of the last block of version 1, 2, 3: 12 (all ones for
/// none) | place of the block's bytes: file 4, offset 8, length 4, checksum 8 | fees 8 | coins 8 |
/// transactions 4 | zeros 4 | height 4 | zeros 4 | xxh3-64 of what precedes 8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// The header.
    pub header: Header,
    /// Its hash.
    pub hash: BlockHash,
    /// Height in the chain.
    pub height: Height,
    /// Sum of the difficulties from the genesis block to this one.
    pub work: Work,
    /// Fees that its transactions pay.
    pub fees: Amount,
    /// How many transactions it has.
    pub transactions: u32,
    /// How many coins there are after it.
    pub coins: u64,
    /// Digest of the coins after it.
    pub coin_digest: CoinDigest,
    /// Digest of the registry after it.
    pub registry_digest: u128,
    /// Heights of the last blocks of versions 1, 2 and 3, this one included.
    pub(crate) last: [Option<Height>; 3],
    /// Where its bytes are.
    pub(crate) place: BodyRef,
}

/// Returns the place of a version in [`BlockInfo::last`].
pub(crate) fn version_slot(version: BlockVersion) -> Option<usize> {
    match version {
        BlockVersion::POW => Some(0),
        BlockVersion::POS => Some(1),
        BlockVersion::DPOS => Some(2),
        _ => None,
    }
}

impl BlockInfo {
    /// Returns the part of the header that header rules look at.
    pub(crate) fn header_info(&self) -> HeaderInfo {
        HeaderInfo::from(&self.header)
    }

    /// Returns the length of the block in bytes.
    pub const fn block_bytes(&self) -> u32 {
        self.place.bytes
    }

    pub(crate) fn last_of(&self, version: BlockVersion) -> Option<Height> {
        self.last.get(version_slot(version)?).copied().flatten()
    }

    pub(crate) fn to_disk(&self) -> [u8; INFO_BYTES] {
        let mut out = Vec::with_capacity(INFO_BYTES);
        out.extend_from_slice(&self.header.to_array());
        out.extend_from_slice(&self.coin_digest.to_u128().to_le_bytes());
        out.extend_from_slice(&self.registry_digest.to_le_bytes());
        out.extend_from_slice(&self.work.value().to_be_bytes());
        out.extend_from_slice(self.hash.as_bytes());
        for last in self.last {
            out.extend_from_slice(&last.map_or(NONE, Height::value).to_le_bytes());
        }
        out.extend_from_slice(&self.place.file.to_le_bytes());
        out.extend_from_slice(&self.place.offset.to_le_bytes());
        out.extend_from_slice(&self.place.bytes.to_le_bytes());
        out.extend_from_slice(&self.place.checksum.to_le_bytes());
        out.extend_from_slice(&self.fees.units().to_le_bytes());
        out.extend_from_slice(&self.coins.to_le_bytes());
        out.extend_from_slice(&self.transactions.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.height.value().to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
        let mut bytes = [0u8; INFO_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Reads what [`BlockInfo::to_disk`] wrote for a height; `None` for anything else.
    pub(crate) fn from_disk(bytes: &[u8], height: Height) -> Option<Self> {
        let (covered, checksum) = bytes.split_at_checked(CHECKSUM_AT)?;
        if checksum != xxh3_64(covered).to_le_bytes() {
            return None;
        }
        let mut rest = Fields(covered);
        let header = Header::decode(rest.take::<HEADER_BYTES>()?).ok()?;
        let info = Self {
            header,
            coin_digest: CoinDigest::from_u128(u128::from_le_bytes(*rest.take()?)),
            registry_digest: u128::from_le_bytes(*rest.take()?),
            work: Work::from_value(Difficulty::from_be_bytes(*rest.take()?).value()),
            hash: BlockHash::from_bytes(*rest.take()?),
            last: [rest.height()?, rest.height()?, rest.height()?],
            place: BodyRef {
                file: rest.u32()?,
                offset: rest.u64()?,
                bytes: rest.u32()?,
                checksum: rest.u64()?,
            },
            fees: Amount::from_units(rest.u64()?),
            coins: rest.u64()?,
            transactions: rest.u32()?,
            height: {
                rest.u32()?;
                Height::new(rest.u32()?)
            },
        };
        (info.height == height).then_some(info)
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (field, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(field)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The outer `None` is the end of the bytes.
    #[expect(clippy::option_option, reason = "a height that is absent is no end of the bytes")]
    fn height(&mut self) -> Option<Option<Height>> {
        self.u32().map(|number| (number != NONE).then(|| Height::new(number)))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::difficulty::{Difficulty, Work};
    use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash};
    use mvs_primitives::header::{BlockVersion, Header};
    use mvs_primitives::height::Height;
    use mvs_primitives::time::Timestamp;

    use super::{BlockInfo, CHECKSUM_AT, INFO_BYTES};
    use crate::engine::{BodyRef, CoinDigest};

    pub(crate) fn info(height: u32) -> BlockInfo {
        let header = Header {
            version: BlockVersion::POS,
            previous: BlockHash::from_bytes([1; 32]),
            merkle: MerkleRoot::from_bytes([2; 32]),
            timestamp: Timestamp::from_unix_secs(3),
            bits: Difficulty::from_u64(4),
            nonce: 5,
            mix_hash: MixHash::ZERO,
            number: Height::new(height),
        };
        BlockInfo {
            hash: header.hash(),
            header,
            height: Height::new(height),
            work: Work::ZERO.plus(Difficulty::from_u64(600)),
            fees: Amount::from_units(7),
            transactions: 8,
            coins: 9,
            coin_digest: CoinDigest::from_u128(10),
            registry_digest: 11,
            last: [Some(Height::GENESIS), Some(Height::new(height)), None],
            place: BodyRef { file: 12, offset: 13, bytes: 14, checksum: 15 },
        }
    }

    #[test]
    fn it_comes_back_and_every_changed_byte_is_found() {
        let info = info(77);
        let bytes = info.to_disk();
        let height = Height::new(77);
        assert_eq!(BlockInfo::from_disk(&bytes, height).as_ref(), Some(&info));
        assert_eq!(BlockInfo::from_disk(&bytes, Height::new(78)), None);
        assert_eq!(BlockInfo::from_disk(&bytes[..CHECKSUM_AT], height), None);
        for at in 0..INFO_BYTES {
            let mut bad = bytes;
            bad[at] ^= 4;
            assert_eq!(BlockInfo::from_disk(&bad, height), None, "byte {at}");
        }
        assert_eq!(BlockInfo::from_disk(&[0; INFO_BYTES], Height::GENESIS), None);
    }
}
