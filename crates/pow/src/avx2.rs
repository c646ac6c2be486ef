//! What the shared kernels need, with AVX2: four Keccak states or eight words to a vector, so that
//! every sixteen words are two vectors.
#![allow(unsafe_code)] // intrinsics, and reads whose bounds the reducer guarantees

use std::arch::x86_64::{
    __m256i, _mm256_andnot_si256, _mm256_blend_epi32, _mm256_i64gather_epi64, _mm256_load_si256,
    _mm256_loadu_si256, _mm256_min_epu32, _mm256_mul_epu32, _mm256_mullo_epi32, _mm256_or_si256,
    _mm256_permute2x128_si256, _mm256_permutevar8x32_epi32, _mm256_set1_epi32, _mm256_set1_epi64x,
    _mm256_setr_epi64x, _mm256_setzero_si256, _mm256_slli_epi64, _mm256_srli_epi64,
    _mm256_store_si256, _mm256_storeu_si256, _mm256_sub_epi32, _mm256_unpackhi_epi64,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use crate::keccak::{KECCAK512_NODE_PADDING, ROUND_CONSTANTS, keccak_rounds, permute};
use crate::kernels::{
    FULL_GROUPS, LANES, LOOK_AHEAD, STATES, WALK_GROUPS, fill_one, prefetch, simd_kernels,
};
use crate::node::{FNV_PRIME, FillJob, Mix, Node, Page, Reducer, Table, fnv};
use crate::portable::{ACCESSES, CACHE_ROUNDS, DATASET_PARENTS, MixState};

/// Sixteen words.
type Words = [__m256i; 2];

/// Evidence that this processor runs the instructions used here.
///
/// # Invariants
/// Made only by [`Proof::detect`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof(());

impl Proof {
    pub(crate) fn detect() -> Option<Self> {
        let detected = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        detected.then_some(Self(()))
    }
}

macro_rules! xor2 {
    ($a:expr, $b:expr) => {
        _mm256_xor_si256($a, $b)
    };
}
macro_rules! xor3 {
    ($a:expr, $b:expr, $c:expr) => {
        xor2!($a, xor2!($b, $c))
    };
}
macro_rules! xor5 {
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        xor3!(xor2!($a, $b), xor2!($c, $d), $e)
    };
}
macro_rules! rol {
    ($a:expr, $n:literal) => {{
        let a = $a;
        _mm256_or_si256(_mm256_slli_epi64::<$n>(a), _mm256_srli_epi64::<{ 64 - $n }>(a))
    }};
}
macro_rules! chi {
    ($a:expr, $b:expr, $c:expr) => {
        xor2!($a, _mm256_andnot_si256($b, $c))
    };
}
macro_rules! iota {
    ($a:expr, $round:expr) => {
        // The bits are what matters, not the sign.
        xor2!($a, _mm256_set1_epi64x(ROUND_CONSTANTS[$round] as i64))
    };
}

/// The permutation over four states, one per 64-bit lane.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn permute4(mut a: [__m256i; 25]) -> [__m256i; 25] {
    keccak_rounds!(a, xor5, xor3, rol, chi, iota);
    a
}

#[target_feature(enable = "avx2,bmi1,bmi2")]
fn permute_states(states: &mut [[u64; 25]]) {
    for states in states.chunks_mut(4) {
        if states.len() < 2 {
            states.iter_mut().for_each(permute);
            continue;
        }
        let mut full = [[0; 25]; 4];
        full[..states.len()].copy_from_slice(states);
        let stride = _mm256_setr_epi64x(0, 25, 50, 75);
        let base = full.as_ptr().cast::<i64>();
        let a = permute4(std::array::from_fn(|i| {
            // SAFETY: word i + 25 s of `full` for i below 25 and s below 4 lies inside it.
            unsafe { _mm256_i64gather_epi64::<8>(base.add(i), stride) }
        }));
        for (i, lanes) in a.into_iter().enumerate() {
            let mut words = [0u64; 4];
            // SAFETY: four words are 32 bytes.
            unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), lanes) };
            for (state, word) in states.iter_mut().zip(words) {
                state[i] = word;
            }
        }
    }
}

/// Rows become columns: four vectors of four words.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn transpose([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    // Words (0 2) and (1 3) of two rows each.
    let (even_ab, odd_ab) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    let (even_cd, odd_cd) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
    [
        _mm256_permute2x128_si256::<0x20>(even_ab, even_cd),
        _mm256_permute2x128_si256::<0x20>(odd_ab, odd_cd),
        _mm256_permute2x128_si256::<0x31>(even_ab, even_cd),
        _mm256_permute2x128_si256::<0x31>(odd_ab, odd_cd),
    ]
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn load(node: &Node) -> Words {
    let start = std::ptr::from_ref(node).cast::<__m256i>();
    // SAFETY: a node is two vectors, aligned.
    unsafe { [_mm256_load_si256(start), _mm256_load_si256(start.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn store(node: &mut Node, words: Words) {
    let start = std::ptr::from_mut(node).cast::<__m256i>();
    // SAFETY: as in `load`.
    unsafe {
        _mm256_store_si256(start, words[0]);
        _mm256_store_si256(start.add(1), words[1]);
    }
}

/// Keccak-512 of eight nodes in place.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn keccak512_eight(nodes: &mut [Node; STATES]) {
    for nodes in nodes.as_chunks_mut::<4>().0 {
        let rows = [load(&nodes[0]), load(&nodes[1]), load(&nodes[2]), load(&nodes[3])];
        let mut a = [_mm256_setzero_si256(); 25];
        a[..4].copy_from_slice(&transpose(rows.map(|row| row[0])));
        a[4..8].copy_from_slice(&transpose(rows.map(|row| row[1])));
        a[8] = _mm256_set1_epi64x(KECCAK512_NODE_PADDING as i64); // the bits are what matters
        let a = permute4(a);
        let left = transpose([a[0], a[1], a[2], a[3]]);
        let right = transpose([a[4], a[5], a[6], a[7]]);
        for (node, (left, right)) in nodes.iter_mut().zip(left.into_iter().zip(right)) {
            store(node, [left, right]);
        }
    }
}

/// A reducer, in every lane.
#[derive(Clone, Copy)]
struct Reducer16 {
    divisor: __m256i,
    reciprocal: __m256i,
}

impl Reducer16 {
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn new(reducer: Reducer) -> Self {
        Self { divisor: splat(reducer.divisor)[0], reciprocal: splat(reducer.reciprocal)[0] }
    }

    /// [`Reducer::reduce`] in sixteen lanes.
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn reduce(self, t: Words) -> Words {
        [self.reduce8(t[0]), self.reduce8(t[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn reduce8(self, t: __m256i) -> __m256i {
        let even = _mm256_srli_epi64::<32>(_mm256_mul_epu32(t, self.reciprocal));
        let odd = _mm256_mul_epu32(_mm256_srli_epi64::<32>(t), self.reciprocal);
        let quotient = _mm256_blend_epi32::<0xaa>(even, odd);
        let rest = _mm256_sub_epi32(t, _mm256_mullo_epi32(quotient, self.divisor));
        _mm256_min_epu32(rest, _mm256_sub_epi32(rest, self.divisor))
    }
}

/// Which word [`collect`] picks, in every lane: its number within its half.
#[derive(Clone, Copy)]
struct Selector(__m256i);

impl Selector {
    #[inline]
    #[target_feature(enable = "avx2,bmi1,bmi2")]
    fn new(word: u32) -> Self {
        Self(splat(word % 8)[0])
    }
}

/// Collects a word, in half `H`, of sixteen vectors into one.
#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn collect<const H: usize>(selector: Selector, mut vector: impl FnMut(usize) -> Words) -> Words {
    let mut one = |i: usize| _mm256_permutevar8x32_epi32(vector(i)[H], selector.0);
    let mut pair = |i: usize| {
        let (a, b) = (one(2 * i), one(2 * i + 1));
        _mm256_blend_epi32::<0xaa>(a, b)
    };
    let mut four = |i: usize| {
        let (a, b) = (pair(2 * i), pair(2 * i + 1));
        _mm256_blend_epi32::<0xcc>(a, b)
    };
    let mut eight = |i: usize| {
        let (a, b) = (four(2 * i), four(2 * i + 1));
        _mm256_blend_epi32::<0xf0>(a, b)
    };
    [eight(0), eight(1)]
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn store_indices(out: &mut [u32; LANES], indices: Words) {
    let start = out.as_mut_ptr().cast::<__m256i>();
    // SAFETY: sixteen words are two vectors.
    unsafe {
        _mm256_storeu_si256(start, indices[0]);
        _mm256_storeu_si256(start.add(1), indices[1]);
    }
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn load_indices(indices: &[u32; LANES]) -> Words {
    let start = indices.as_ptr().cast::<__m256i>();
    // SAFETY: sixteen words are two vectors.
    unsafe { [_mm256_loadu_si256(start), _mm256_loadu_si256(start.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn splat(word: u32) -> Words {
    [_mm256_set1_epi32(word as i32); 2] // the bits are what matters, not the sign
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn mul(a: Words, b: Words) -> Words {
    [_mm256_mullo_epi32(a[0], b[0]), _mm256_mullo_epi32(a[1], b[1])]
}

#[inline]
#[target_feature(enable = "avx2,bmi1,bmi2")]
fn xor(a: Words, b: Words) -> Words {
    [xor2!(a[0], b[0]), xor2!(a[1], b[1])]
}

simd_kernels!("avx2,bmi1,bmi2");
