//! Block headers.

use crate::difficulty::Difficulty;
use crate::encode::{Decode, DecodeError, Decoder, Encode, Sink};
use crate::hash::{BlockHash, MerkleRoot, MixHash, SealHash, keccak256, sha256d};
use crate::height::Height;
use crate::input::OutPoint;
use crate::time::Timestamp;

/// Length of a header in bytes.
pub const HEADER_BYTES: usize = 148;

/// The kind of seal that a block carries (chain.md 1.1). Any number is possible on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockVersion(u32);

impl BlockVersion {
    /// Sealed by ethash.
    pub const POW: Self = Self(1);
    /// Sealed by a stake.
    pub const POS: Self = Self(2);
    /// Sealed by a delegate; rejected on both public networks.
    pub const DPOS: Self = Self(3);

    /// Wraps a version number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Returns the version number.
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The 148 bytes that a block's hash names (chain.md 1.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Header {
    /// Kind of seal.
    pub version: BlockVersion,
    /// The parent.
    pub previous: BlockHash,
    /// Root of the transaction tree.
    pub merkle: MerkleRoot,
    /// When the block was made, by its maker's clock.
    pub timestamp: Timestamp,
    /// Difficulty, which is also the block's weight.
    pub bits: Difficulty,
    /// Ethash nonce; 0 by convention in stake blocks.
    pub nonce: u64,
    /// Ethash mix; 0 by convention in stake blocks.
    pub mix_hash: MixHash,
    /// Height that the header claims.
    pub number: Height,
}

impl Header {
    /// Computes the block hash: `sha256d` of the 148 bytes, for every version (chain.md 1.2).
    pub fn hash(&self) -> BlockHash {
        BlockHash::from_bytes(sha256d(&self.to_array()))
    }

    /// Returns the 148 wire bytes.
    pub fn to_array(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0u8; HEADER_BYTES];
        let mut rest = bytes.as_mut_slice();
        self.encode(&mut ArraySink(&mut rest));
        bytes
    }

    /// Returns the bytes whose Keccak-256 ethash seals (chain.md 1.3).
    ///
    /// QUIRK: six RLP items without an outer list, and the two hashes as *lists of 32 integers*
    /// rather than byte strings.
    pub fn seal_preimage(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * (2 + 64) + 60);
        rlp::put_integer(&self.version.0.to_be_bytes(), &mut out);
        rlp::put_integer(&self.bits.to_be_bytes(), &mut out);
        rlp::put_integer(&self.number.value().to_be_bytes(), &mut out);
        rlp::put_byte_list(self.merkle.as_bytes(), &mut out);
        rlp::put_byte_list(self.previous.as_bytes(), &mut out);
        rlp::put_integer(&self.timestamp.unix_secs().to_be_bytes(), &mut out);
        out
    }

    /// Computes the hash that ethash seals.
    pub fn seal_hash(&self) -> SealHash {
        SealHash::from_bytes(keccak256(&self.seal_preimage()))
    }

    /// Returns the bytes whose `sha256d` is the stake kernel of a block staking `stake`
    /// (chain.md 9.2, rule 5). The merkle root is not part of it.
    pub fn stake_preimage(&self, stake: &OutPoint) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * (2 + 64) + 40);
        rlp::put_integer(&self.version.0.to_be_bytes(), &mut out);
        rlp::put_integer(&self.number.value().to_be_bytes(), &mut out);
        rlp::put_byte_list(self.previous.as_bytes(), &mut out);
        rlp::put_integer(&self.timestamp.unix_secs().to_be_bytes(), &mut out);
        rlp::put_byte_list(stake.txid.as_bytes(), &mut out);
        rlp::put_integer(&stake.index.to_be_bytes(), &mut out);
        out
    }

    /// Computes the stake kernel's digest; read as a *little-endian* 256-bit integer it is the
    /// number that is compared with the target.
    pub fn stake_kernel(&self, stake: &OutPoint) -> [u8; 32] {
        sha256d(&self.stake_preimage(stake))
    }
}

/// A sink over a slice that is long enough.
struct ArraySink<'a, 'b>(&'a mut &'b mut [u8]);

impl Sink for ArraySink<'_, '_> {
    fn put(&mut self, bytes: &[u8]) {
        if let Some((head, tail)) = std::mem::take(self.0).split_at_mut_checked(bytes.len()) {
            head.copy_from_slice(bytes);
            *self.0 = tail;
        }
    }
}

impl Encode for Header {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.version.0.to_le_bytes());
        sink.put(self.previous.as_bytes());
        sink.put(self.merkle.as_bytes());
        sink.put(&self.timestamp.unix_secs().to_le_bytes());
        sink.put(&self.bits.to_be_bytes());
        sink.put(&self.nonce.to_be_bytes());
        sink.put(self.mix_hash.as_bytes());
        sink.put(&self.number.value().to_le_bytes());
    }
}

impl Decode for Header {
    const MIN_BYTES: usize = HEADER_BYTES;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: BlockVersion(decoder.u32_le("header version")?),
            previous: BlockHash::from_bytes(decoder.array("header parent")?),
            merkle: MerkleRoot::from_bytes(decoder.array("header merkle root")?),
            timestamp: Timestamp::from_unix_secs(decoder.u32_le("header timestamp")?),
            bits: Difficulty::from_be_bytes(decoder.array("header bits")?),
            nonce: u64::from_be_bytes(decoder.array("header nonce")?),
            mix_hash: MixHash::from_bytes(decoder.array("header mix hash")?),
            number: Height::new(decoder.u32_le("header number")?),
        })
    }
}

/// The two RLP forms that seals and stakes are hashed in (chain.md 1.3).
mod rlp {
    /// Appends an unsigned integer given by its big-endian bytes.
    pub(super) fn put_integer(be_bytes: &[u8], out: &mut Vec<u8>) {
        let start = be_bytes.iter().position(|byte| *byte != 0).unwrap_or(be_bytes.len());
        match be_bytes.get(start..).unwrap_or_default() {
            [] => out.push(0x80),
            [byte @ 0..=0x7f] => out.push(*byte),
            minimal => {
                out.push(0x80 + minimal.len() as u8); // at most 32
                out.extend_from_slice(minimal);
            }
        }
    }

    /// Appends a hash as a list of 32 one-byte integers.
    pub(super) fn put_byte_list(hash: &[u8; 32], out: &mut Vec<u8>) {
        // A byte takes two bytes when it is 0x80 or above, else one (zero is 0x80).
        let payload = hash.len() + hash.iter().filter(|byte| **byte >= 0x80).count();
        if payload < 56 {
            out.push(0xc0 + payload as u8); // below 56
        } else {
            out.extend([0xf8, payload as u8]); // at most 64
        }
        for byte in hash {
            put_integer(&[*byte], out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::rlp;

    #[test]
    fn rlp_edges() {
        let integer = |bytes: &[u8]| {
            let mut out = Vec::new();
            rlp::put_integer(bytes, &mut out);
            out
        };
        assert_eq!(integer(&[0, 0]), [0x80]);
        assert_eq!(integer(&[0, 0x7f]), [0x7f]);
        assert_eq!(integer(&[0x80]), [0x81, 0x80]);
        assert_eq!(integer(&[1, 0]), [0x82, 1, 0]);

        let list = |hash: [u8; 32]| {
            let mut out = Vec::new();
            rlp::put_byte_list(&hash, &mut out);
            out
        };
        assert_eq!(list([0; 32])[..2], [0xc0 + 32, 0x80]);
        let mut edge = [1u8; 32];
        edge[..23].fill(0xff); // 32 + 23 = 55 bytes: the last short form
        assert_eq!(list(edge)[0], 0xc0 + 55);
        edge[23] = 0xff; // 56 bytes: the first long form
        assert_eq!(list(edge)[..2], [0xf8, 56]);
    }
}
