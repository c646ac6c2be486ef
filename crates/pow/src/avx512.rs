//! What the shared kernels need, with AVX-512: eight Keccak states or sixteen words to a vector.
#![allow(unsafe_code)] // intrinsics, and reads whose bounds the reducer guarantees

use std::arch::x86_64::{
    __m512i, _mm512_i64gather_epi64, _mm512_i64scatter_epi64, _mm512_load_si512,
    _mm512_loadu_si512, _mm512_mask_blend_epi32, _mm512_min_epu32, _mm512_mul_epu32,
    _mm512_mullo_epi32, _mm512_permutex2var_epi32, _mm512_permutex2var_epi64, _mm512_rol_epi64,
    _mm512_set_epi64, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setzero_si512,
    _mm512_srli_epi64, _mm512_store_si512, _mm512_storeu_si512, _mm512_sub_epi32,
    _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use crate::keccak::{KECCAK512_NODE_PADDING, ROUND_CONSTANTS, keccak_rounds, permute};
use crate::kernels::{
    FULL_GROUPS, LANES, LOOK_AHEAD, STATES, WALK_GROUPS, fill_one, prefetch, simd_kernels,
};
use crate::node::{FNV_PRIME, FillJob, Mix, Node, Page, Reducer, Table, fnv};
use crate::portable::{ACCESSES, CACHE_ROUNDS, DATASET_PARENTS, MixState};

/// Sixteen words.
type Words = __m512i;

/// Evidence that this processor runs the instructions used here.
///
/// # Invariants
/// Made only by [`Proof::detect`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Proof(());

impl Proof {
    pub(crate) fn detect() -> Option<Self> {
        let detected = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2");
        detected.then_some(Self(()))
    }
}

macro_rules! xor3 {
    ($a:expr, $b:expr, $c:expr) => {
        _mm512_ternarylogic_epi64::<0x96>($a, $b, $c)
    };
}
macro_rules! xor5 {
    ($a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        xor3!(xor3!($a, $b, $c), $d, $e)
    };
}
macro_rules! rol {
    ($a:expr, $n:literal) => {
        _mm512_rol_epi64::<$n>($a)
    };
}
macro_rules! chi {
    ($a:expr, $b:expr, $c:expr) => {
        _mm512_ternarylogic_epi64::<0xd2>($a, $b, $c)
    };
}
macro_rules! iota {
    ($a:expr, $round:expr) => {
        // The bits are what matters, not the sign.
        _mm512_xor_si512($a, _mm512_set1_epi64(ROUND_CONSTANTS[$round] as i64))
    };
}

/// The permutation over eight states, one per 64-bit lane.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn permute8(mut a: [__m512i; 25]) -> [__m512i; 25] {
    keccak_rounds!(a, xor5, xor3, rol, chi, iota);
    a
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn permute_states(states: &mut [[u64; 25]]) {
    for states in states.chunks_mut(STATES) {
        if states.len() < 3 {
            states.iter_mut().for_each(permute);
            continue;
        }
        let mut full = [[0; 25]; STATES];
        full[..states.len()].copy_from_slice(states);
        let stride = _mm512_set_epi64(175, 150, 125, 100, 75, 50, 25, 0);
        let base = full.as_mut_ptr().cast::<i64>();
        // SAFETY: lane i + 25 s of `full` for i below 25 and s below 8 lies inside it.
        unsafe {
            let a =
                permute8(std::array::from_fn(|i| _mm512_i64gather_epi64::<8>(stride, base.add(i))));
            for (i, lanes) in a.into_iter().enumerate() {
                _mm512_i64scatter_epi64::<8>(base.add(i), stride, lanes);
            }
        }
        states.copy_from_slice(&full[..states.len()]);
    }
}

/// Rows become columns: eight vectors of eight words.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn transpose(r: [__m512i; 8]) -> [__m512i; 8] {
    let low = _mm512_set_epi64(13, 12, 5, 4, 9, 8, 1, 0);
    let high = _mm512_set_epi64(15, 14, 7, 6, 11, 10, 3, 2);
    let first = _mm512_set_epi64(11, 10, 9, 8, 3, 2, 1, 0);
    let second = _mm512_set_epi64(15, 14, 13, 12, 7, 6, 5, 4);
    // Words (0 2 4 6) and (1 3 5 7) of two rows each.
    let even: [__m512i; 4] = std::array::from_fn(|i| _mm512_unpacklo_epi64(r[2 * i], r[2 * i + 1]));
    let odd: [__m512i; 4] = std::array::from_fn(|i| _mm512_unpackhi_epi64(r[2 * i], r[2 * i + 1]));
    // Of four rows each: words 0 and 4, 2 and 6, 1 and 5, 3 and 7.
    let four = |x: [__m512i; 4]| -> [[__m512i; 2]; 2] {
        [0, 2].map(|i| {
            [
                _mm512_permutex2var_epi64(x[i], low, x[i + 1]),
                _mm512_permutex2var_epi64(x[i], high, x[i + 1]),
            ]
        })
    };
    let (even, odd) = (four(even), four(odd));
    let column = |x: [[__m512i; 2]; 2], which: usize, half: __m512i| {
        _mm512_permutex2var_epi64(x[0][which], half, x[1][which])
    };
    [
        column(even, 0, first),
        column(odd, 0, first),
        column(even, 1, first),
        column(odd, 1, first),
        column(even, 0, second),
        column(odd, 0, second),
        column(even, 1, second),
        column(odd, 1, second),
    ]
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn load(node: &Node) -> Words {
    // SAFETY: a node is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(std::ptr::from_ref(node).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn store(node: &mut Node, words: Words) {
    // SAFETY: as in `load`.
    unsafe { _mm512_store_si512(std::ptr::from_mut(node).cast(), words) }
}

/// Keccak-512 of eight nodes in place.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn keccak512_eight(nodes: &mut [Node; STATES]) {
    let mut a = [_mm512_setzero_si512(); 25];
    a[..8].copy_from_slice(&transpose(std::array::from_fn(|i| load(&nodes[i]))));
    a[8] = _mm512_set1_epi64(KECCAK512_NODE_PADDING as i64); // the bits are what matters
    let a = permute8(a);
    let rows = transpose(std::array::from_fn(|i| a[i]));
    for (node, row) in nodes.iter_mut().zip(rows) {
        store(node, row);
    }
}

/// A reducer, in every lane.
#[derive(Clone, Copy)]
struct Reducer16 {
    divisor: Words,
    reciprocal: Words,
}

impl Reducer16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
    fn new(reducer: Reducer) -> Self {
        Self { divisor: splat(reducer.divisor), reciprocal: splat(reducer.reciprocal) }
    }

    /// [`Reducer::reduce`] in sixteen lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
    fn reduce(self, t: Words) -> Words {
        let even = _mm512_srli_epi64::<32>(_mm512_mul_epu32(t, self.reciprocal));
        let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(t), self.reciprocal);
        let quotient = _mm512_mask_blend_epi32(0xaaaa, even, odd);
        let rest = _mm512_sub_epi32(t, _mm512_mullo_epi32(quotient, self.divisor));
        _mm512_min_epu32(rest, _mm512_sub_epi32(rest, self.divisor))
    }
}

/// Which word [`collect`] picks: its number in even lanes, 16 more in odd ones.
#[derive(Clone, Copy)]
struct Selector(__m512i);

impl Selector {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
    fn new(word: u32) -> Self {
        let sides = _mm512_set1_epi64(16 << 32);
        Self(_mm512_xor_si512(sides, splat(word)))
    }
}

/// Collects a word of sixteen vectors into one. The half of the vector matters to AVX2 only.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn collect<const H: usize>(selector: Selector, mut vector: impl FnMut(usize) -> Words) -> Words {
    let mut pair = |i: usize| {
        let (a, b) = (vector(2 * i), vector(2 * i + 1));
        _mm512_permutex2var_epi32(a, selector.0, b)
    };
    let mut four = |i: usize| {
        let (a, b) = (pair(2 * i), pair(2 * i + 1));
        _mm512_mask_blend_epi32(0xcccc, a, b)
    };
    let mut eight = |i: usize| {
        let (a, b) = (four(2 * i), four(2 * i + 1));
        _mm512_mask_blend_epi32(0xf0f0, a, b)
    };
    let (a, b) = (eight(0), eight(1));
    _mm512_mask_blend_epi32(0xff00, a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn store_indices(out: &mut [u32; LANES], indices: Words) {
    // SAFETY: sixteen words are 64 bytes.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), indices) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn load_indices(indices: &[u32; LANES]) -> Words {
    // SAFETY: sixteen words are 64 bytes.
    unsafe { _mm512_loadu_si512(indices.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn splat(word: u32) -> Words {
    _mm512_set1_epi32(word as i32) // the bits are what matters, not the sign
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn mul(a: Words, b: Words) -> Words {
    _mm512_mullo_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn xor(a: Words, b: Words) -> Words {
    _mm512_xor_si512(a, b)
}

simd_kernels!("avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2");
