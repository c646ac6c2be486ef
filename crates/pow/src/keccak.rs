//! Original Keccak (pad byte 0x01, not the 0x06 of SHA-3), one message at a time.

use crate::sponge::{xor_block, xor_padded};

/// Bytes absorbed per permutation by Keccak-256.
pub(crate) const RATE_256: usize = 136;

/// Bytes absorbed per permutation by Keccak-512.
pub(crate) const RATE_512: usize = 72;

/// The whole padding of a 64-byte message to Keccak-512: 0x01 in byte 64, 0x80 in byte 71.
pub(crate) const KECCAK512_NODE_PADDING: u64 = 0x8000_0000_0000_0001;

/// The constant that each of the 24 rounds adds to the first word.
pub(crate) const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// Writes out the 24 rounds over a state of 25 lanes for any lane type: one word, or a vector of
/// words of several states. The caller names the operations, so that each code path keeps its
/// intrinsics in its own module:
/// `xor5(a, b, c, d, e)`, `theta(a, left, right)` = a ^ left ^ right rotated by 1,
/// `rol(a, n)`, `chi(a, b, c)` = a ^ (!b & c), `iota(a, round)` = a ^ round constant.
macro_rules! keccak_rounds {
    ($a:ident, $xor5:ident, $theta:ident, $rol:ident, $chi:ident, $iota:ident) => {
        for round in 0..24usize {
            let c0 = $xor5!($a[0], $a[5], $a[10], $a[15], $a[20]);
            let c1 = $xor5!($a[1], $a[6], $a[11], $a[16], $a[21]);
            let c2 = $xor5!($a[2], $a[7], $a[12], $a[17], $a[22]);
            let c3 = $xor5!($a[3], $a[8], $a[13], $a[18], $a[23]);
            let c4 = $xor5!($a[4], $a[9], $a[14], $a[19], $a[24]);
            let r0 = $rol!(c0, 1);
            let r1 = $rol!(c1, 1);
            let r2 = $rol!(c2, 1);
            let r3 = $rol!(c3, 1);
            let r4 = $rol!(c4, 1);

            let b0 = $theta!($a[0], c4, r1);
            let b1 = $rol!($theta!($a[6], c0, r2), 44);
            let b2 = $rol!($theta!($a[12], c1, r3), 43);
            let b3 = $rol!($theta!($a[18], c2, r4), 21);
            let b4 = $rol!($theta!($a[24], c3, r0), 14);
            let n0 = $iota!($chi!(b0, b1, b2), round);
            let n1 = $chi!(b1, b2, b3);
            let n2 = $chi!(b2, b3, b4);
            let n3 = $chi!(b3, b4, b0);
            let n4 = $chi!(b4, b0, b1);

            let b0 = $rol!($theta!($a[3], c2, r4), 28);
            let b1 = $rol!($theta!($a[9], c3, r0), 20);
            let b2 = $rol!($theta!($a[10], c4, r1), 3);
            let b3 = $rol!($theta!($a[16], c0, r2), 45);
            let b4 = $rol!($theta!($a[22], c1, r3), 61);
            let n5 = $chi!(b0, b1, b2);
            let n6 = $chi!(b1, b2, b3);
            let n7 = $chi!(b2, b3, b4);
            let n8 = $chi!(b3, b4, b0);
            let n9 = $chi!(b4, b0, b1);

            let b0 = $rol!($theta!($a[1], c0, r2), 1);
            let b1 = $rol!($theta!($a[7], c1, r3), 6);
            let b2 = $rol!($theta!($a[13], c2, r4), 25);
            let b3 = $rol!($theta!($a[19], c3, r0), 8);
            let b4 = $rol!($theta!($a[20], c4, r1), 18);
            let n10 = $chi!(b0, b1, b2);
            let n11 = $chi!(b1, b2, b3);
            let n12 = $chi!(b2, b3, b4);
            let n13 = $chi!(b3, b4, b0);
            let n14 = $chi!(b4, b0, b1);

            let b0 = $rol!($theta!($a[4], c3, r0), 27);
            let b1 = $rol!($theta!($a[5], c4, r1), 36);
            let b2 = $rol!($theta!($a[11], c0, r2), 10);
            let b3 = $rol!($theta!($a[17], c1, r3), 15);
            let b4 = $rol!($theta!($a[23], c2, r4), 56);
            let n15 = $chi!(b0, b1, b2);
            let n16 = $chi!(b1, b2, b3);
            let n17 = $chi!(b2, b3, b4);
            let n18 = $chi!(b3, b4, b0);
            let n19 = $chi!(b4, b0, b1);

            let b0 = $rol!($theta!($a[2], c1, r3), 62);
            let b1 = $rol!($theta!($a[8], c2, r4), 55);
            let b2 = $rol!($theta!($a[14], c3, r0), 39);
            let b3 = $rol!($theta!($a[15], c4, r1), 41);
            let b4 = $rol!($theta!($a[21], c0, r2), 2);
            $a = [
                n0,
                n1,
                n2,
                n3,
                n4,
                n5,
                n6,
                n7,
                n8,
                n9,
                n10,
                n11,
                n12,
                n13,
                n14,
                n15,
                n16,
                n17,
                n18,
                n19,
                $chi!(b0, b1, b2),
                $chi!(b1, b2, b3),
                $chi!(b2, b3, b4),
                $chi!(b3, b4, b0),
                $chi!(b4, b0, b1),
            ];
        }
    };
}
pub(crate) use keccak_rounds;

macro_rules! xor5 {
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $a ^ $b ^ $c ^ $d ^ $e
    };
}
macro_rules! theta {
    ($a:expr, $left:expr, $right:expr) => {
        $a ^ ($left ^ $right)
    };
}
macro_rules! rol {
    ($a:expr, $n:literal) => {
        $a.rotate_left($n)
    };
}
macro_rules! chi {
    ($a:expr, $b:expr, $c:expr) => {
        $a ^ (!$b & $c)
    };
}
macro_rules! iota {
    ($a:expr, $round:expr) => {
        $a ^ $crate::keccak::ROUND_CONSTANTS[$round]
    };
}

/// The permutation over one state.
#[inline(always)]
pub(crate) fn permute(state: &mut [u64; 25]) {
    let mut a = *state;
    keccak_rounds!(a, xor5, theta, rol, chi, iota);
    *state = a;
}

/// Absorbs a whole message with its padding; what is left in the state is the digest.
fn absorb(message: &[u8], rate: usize) -> [u64; 25] {
    let mut state = [0; 25];
    let blocks = message.chunks_exact(rate);
    let tail = blocks.remainder();
    for block in blocks {
        xor_block(&mut state, block);
        permute(&mut state);
    }
    xor_padded(&mut state, tail, rate);
    permute(&mut state);
    state
}

/// The first bytes of a state.
pub(crate) fn squeeze<const N: usize>(state: &[u64; 25]) -> [u8; N] {
    let mut out = [0; N];
    for (bytes, lane) in out.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = lane.to_le_bytes();
    }
    out
}

/// Keccak-256 of a message of any length.
pub fn keccak256(message: &[u8]) -> [u8; 32] {
    squeeze(&absorb(message, RATE_256))
}

/// Keccak-512 of a message of any length.
pub fn keccak512(message: &[u8]) -> [u8; 64] {
    squeeze(&absorb(message, RATE_512))
}
