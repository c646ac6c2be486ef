//! The kernels for processors with AVX-512: eight Keccak states and sixteen indices at a time.
//!
//! What makes them fast is not the width but the waiting that it saves: up to 64 chains advance in
//! turn, each asks for its next cache line ahead of time, and the reads overlap.
#![allow(unsafe_code)] // intrinsics, and reads whose bounds the reducer guarantees

use std::arch::x86_64::{
    __m512i, _MM_HINT_T0, _mm_prefetch, _mm512_i64gather_epi64, _mm512_i64scatter_epi64,
    _mm512_load_si512, _mm512_loadu_si512, _mm512_mask_blend_epi32, _mm512_min_epu32,
    _mm512_mul_epu32, _mm512_mullo_epi32, _mm512_permutex2var_epi32, _mm512_permutex2var_epi64,
    _mm512_rol_epi64, _mm512_set_epi64, _mm512_set1_epi32, _mm512_set1_epi64, _mm512_setr_epi32,
    _mm512_setzero_si512, _mm512_srli_epi64, _mm512_store_si512, _mm512_storeu_si512,
    _mm512_sub_epi32, _mm512_ternarylogic_epi64, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64,
    _mm512_xor_si512,
};

use crate::keccak::{ROUND_CONSTANTS, keccak_rounds, permute};
use crate::node::{FNV_PRIME, FillJob, Mix, Node, Page, Reducer, Table};
use crate::portable::{ACCESSES, CACHE_ROUNDS, DATASET_PARENTS, MixState, keccak512_node};

/// States, or chains, in one vector.
const STATES: usize = 8;
const LANES: usize = 16;

/// Groups of sixteen node chains walked together.
const WALK_GROUPS: usize = 4;

/// Groups of sixteen full hashes run together.
const FULL_GROUPS: usize = 2;

/// Cache items between the one being generated and the one whose parent is fetched ahead.
const LOOK_AHEAD: usize = 12;

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

    pub(crate) fn permute_many(self, states: &mut [[u64; 25]]) {
        // SAFETY: `self` is the evidence that the processor has the features.
        unsafe { permute_many(states) }
    }

    pub(crate) fn fill_caches(self, jobs: &mut [FillJob<'_>]) {
        for jobs in jobs.chunks_mut(STATES) {
            // SAFETY: as above.
            unsafe {
                match jobs {
                    [job] => fill_one(job),
                    _ => fill_together(jobs),
                }
            }
        }
    }

    pub(crate) fn dataset_nodes(self, cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
        const WIDTH: usize = WALK_GROUPS * LANES;
        for (indices, out) in indices.chunks(WIDTH).zip(out.chunks_mut(WIDTH)) {
            // SAFETY: as above.
            unsafe {
                match indices.len() {
                    1 => walk_few::<1>(cache, indices, out),
                    2 => walk_few::<2>(cache, indices, out),
                    3..=4 => walk_few::<4>(cache, indices, out),
                    5..=16 => walk::<1>(cache, indices, out),
                    17..=32 => walk::<2>(cache, indices, out),
                    33..=48 => walk::<3>(cache, indices, out),
                    _ => walk::<WALK_GROUPS>(cache, indices, out),
                }
            }
        }
    }

    pub(crate) fn full_mixes(self, dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
        const WIDTH: usize = FULL_GROUPS * LANES;
        for (seeds, out) in seeds.chunks(WIDTH).zip(out.chunks_mut(WIDTH)) {
            // SAFETY: as above.
            unsafe {
                match seeds.len() {
                    0..=16 => access_pages::<1>(dataset, seeds, out),
                    _ => access_pages::<FULL_GROUPS>(dataset, seeds, out),
                }
            }
        }
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
fn permute_many(states: &mut [[u64; 25]]) {
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

/// Keccak-512 of eight messages of 64 bytes, given and returned with word i of all in vector i.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn keccak512_columns(columns: [__m512i; 8]) -> [__m512i; 8] {
    let mut a = [_mm512_setzero_si512(); 25];
    a[..8].copy_from_slice(&columns);
    a[8] = _mm512_set1_epi64(0x8000_0000_0000_0001u64 as i64); // the padding, as in `portable`
    let a = permute8(a);
    std::array::from_fn(|i| a[i])
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn load(node: &Node) -> __m512i {
    // SAFETY: a node is 64 bytes, aligned to 64.
    unsafe { _mm512_load_si512(std::ptr::from_ref(node).cast()) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn store(node: &mut Node, vector: __m512i) {
    // SAFETY: as in `load`.
    unsafe { _mm512_store_si512(std::ptr::from_mut(node).cast(), vector) }
}

/// Keccak-512 of eight nodes in place.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn keccak512_eight(nodes: &mut [Node; STATES]) {
    let columns = transpose(std::array::from_fn(|i| load(&nodes[i])));
    let rows = transpose(keccak512_columns(columns));
    for (node, row) in nodes.iter_mut().zip(rows) {
        store(node, row);
    }
}

/// A reducer, in every lane.
#[derive(Clone, Copy)]
struct Reducer16 {
    divisor: __m512i,
    reciprocal: __m512i,
}

impl Reducer16 {
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
    fn new(reducer: Reducer) -> Self {
        // The bits are what matters, not the sign.
        Self {
            divisor: _mm512_set1_epi32(reducer.divisor as i32),
            reciprocal: _mm512_set1_epi32(reducer.reciprocal as i32),
        }
    }

    /// [`Reducer::reduce`] in sixteen lanes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
    fn reduce(self, t: __m512i) -> __m512i {
        let even = _mm512_srli_epi64::<32>(_mm512_mul_epu32(t, self.reciprocal));
        let odd = _mm512_mul_epu32(_mm512_srli_epi64::<32>(t), self.reciprocal);
        let quotient = _mm512_mask_blend_epi32(0xaaaa, even, odd);
        let rest = _mm512_sub_epi32(t, _mm512_mullo_epi32(quotient, self.divisor));
        _mm512_min_epu32(rest, _mm512_sub_epi32(rest, self.divisor))
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn prefetch<T>(items: *const T, index: u32) {
    // A prefetch reads nothing: any address will do.
    let address = items.wrapping_add(index as usize).cast::<i8>();
    // SAFETY: the processor has the instruction (every x86-64 has).
    unsafe {
        _mm_prefetch::<_MM_HINT_T0>(address);
        if size_of::<T>() > 64 {
            _mm_prefetch::<_MM_HINT_T0>(address.wrapping_add(64));
        }
    }
}

/// Collects word `w` of sixteen vectors into one; `pairs` has w in even lanes, 16 + w in odd ones.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn collect(pairs: __m512i, mut vector: impl FnMut(usize) -> __m512i) -> __m512i {
    let mut pair = |i: usize| {
        let (a, b) = (vector(2 * i), vector(2 * i + 1));
        _mm512_permutex2var_epi32(a, pairs, b)
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

/// The selector that [`collect`] takes for a word.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn pairs_of_word(word: u32) -> __m512i {
    let sides = _mm512_setr_epi32(0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16, 0, 16);
    _mm512_xor_si512(sides, _mm512_set1_epi32(word as i32)) // a word's number is below 16
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn store_indices(out: &mut [u32; LANES], indices: __m512i) {
    // SAFETY: sixteen words are 64 bytes.
    unsafe { _mm512_storeu_si512(out.as_mut_ptr().cast(), indices) }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn load_indices(indices: &[u32; LANES]) -> __m512i {
    // SAFETY: sixteen words are 64 bytes.
    unsafe { _mm512_loadu_si512(indices.as_ptr().cast()) }
}

/// Walks up to 16 G chains together; the places beyond `indices` repeat the last.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn walk<const G: usize>(cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
    let items = cache.items().as_ptr();
    let reducer = Reducer16::new(cache.reducer());
    let prime = _mm512_set1_epi32(FNV_PRIME as i32);
    let mut mixes = [[Node::default(); LANES]; G];
    let mut parents = [[0; LANES]; G];
    let mut k = [_mm512_setzero_si512(); G];

    let last = indices.len() - 1;
    for g in 0..G {
        let group = std::array::from_fn(|c| indices[(g * LANES + c).min(last)]);
        k[g] = load_indices(&group);
        store_indices(&mut parents[g], reducer.reduce(k[g]));
        parents[g].iter().for_each(|parent| prefetch(items, *parent));
    }
    for g in 0..G {
        for c in 0..LANES {
            // SAFETY: the index was reduced by the number of items (`Table`'s invariant).
            mixes[g][c] = unsafe { *items.add(parents[g][c] as usize) };
            mixes[g][c].0[0] ^= indices[(g * LANES + c).min(last)];
        }
        mixes[g].as_chunks_mut().0.iter_mut().for_each(|eight| keccak512_eight(eight));
        let words = collect(pairs_of_word(0), |c| load(&mixes[g][c]));
        advance(items, reducer, prime, k[g], words, &mut parents[g]);
    }
    for j in 1..=DATASET_PARENTS {
        let pairs = pairs_of_word(j % 16);
        let j = _mm512_set1_epi32(j as i32); // at most 256
        for g in 0..G {
            let words = collect(pairs, |c| {
                // SAFETY: the index was reduced by the number of items (`Table`'s invariant).
                let parent = load(unsafe { &*items.add(parents[g][c] as usize) });
                let mix = _mm512_xor_si512(_mm512_mullo_epi32(load(&mixes[g][c]), prime), parent);
                store(&mut mixes[g][c], mix);
                mix
            });
            // After the last parent this asks for one more, which is never read.
            advance(items, reducer, prime, _mm512_xor_si512(k[g], j), words, &mut parents[g]);
        }
    }
    for (g, out) in out.chunks_mut(LANES).enumerate() {
        mixes[g].as_chunks_mut().0.iter_mut().for_each(|eight| keccak512_eight(eight));
        out.copy_from_slice(&mixes[g][..out.len()]);
    }
}

/// The next sixteen indices, fnv(left, words) reduced, and the fetch of what they point to.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn advance<T>(
    items: *const T,
    reducer: Reducer16,
    prime: __m512i,
    left: __m512i,
    words: __m512i,
    indices: &mut [u32; LANES],
) {
    let t = _mm512_xor_si512(_mm512_mullo_epi32(left, prime), words);
    store_indices(indices, reducer.reduce(t));
    for index in indices {
        prefetch(items, *index);
    }
}

/// Walks a few chains, for a single hash: its two nodes are all there is to overlap.
///
/// The next index hangs on one word of the line just read. It is taken from there directly, with the
/// product of the mix at hand, so that nothing but the read itself is waited for.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn walk_few<const N: usize>(cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
    let items = cache.items().as_ptr();
    let reducer = cache.reducer();
    let prime = _mm512_set1_epi32(FNV_PRIME as i32);
    let last = indices.len() - 1;
    let k: [u32; N] = std::array::from_fn(|c| indices[c.min(last)]);
    let mut eight = [Node::default(); STATES];
    for c in 0..N {
        eight[c] = *cache.at(k[c]);
        eight[c].0[0] ^= k[c];
    }
    keccak512_eight(&mut eight);

    let mut parents: [u32; N] =
        std::array::from_fn(|c| reducer.reduce(k[c].wrapping_mul(FNV_PRIME) ^ eight[c].0[0]));
    let mut mixes: [__m512i; N] = std::array::from_fn(|c| load(&eight[c]));
    let mut products = [Node::default(); N];
    for j in 1..=DATASET_PARENTS {
        let word = j as usize % 16;
        for c in 0..N {
            let product = _mm512_mullo_epi32(mixes[c], prime);
            store(&mut products[c], product);
            // SAFETY: the index was reduced by the number of items (`Table`'s invariant).
            let parent = unsafe { &*items.add(parents[c] as usize) };
            let next = products[c].0[word] ^ parent.0[word];
            mixes[c] = _mm512_xor_si512(product, load(parent));
            parents[c] = reducer.reduce((k[c] ^ j).wrapping_mul(FNV_PRIME) ^ next);
        }
    }
    for c in 0..N {
        store(&mut eight[c], mixes[c]);
    }
    keccak512_eight(&mut eight);
    out.copy_from_slice(&eight[..out.len()]);
}

/// Runs up to 16 G full hashes together; the places beyond `seeds` repeat the last.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn access_pages<const G: usize>(dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
    let items = dataset.items().as_ptr();
    let reducer = Reducer16::new(dataset.reducer());
    let prime = _mm512_set1_epi32(FNV_PRIME as i32);
    let last = seeds.len() - 1;
    let mut mixes: [[Page; LANES]; G] =
        std::array::from_fn(|g| std::array::from_fn(|c| [seeds[(g * LANES + c).min(last)]; 2]));
    let mut pages = [[0; LANES]; G];
    let mut first_words = [_mm512_setzero_si512(); G];
    for g in 0..G {
        first_words[g] = collect(pairs_of_word(0), |c| load(&mixes[g][c][0]));
        advance(items, reducer, prime, first_words[g], first_words[g], &mut pages[g]);
    }
    for access in 1..=ACCESSES {
        let pairs = pairs_of_word(access % 16);
        let half = access as usize / 16 % 2;
        let i = _mm512_set1_epi32(access as i32); // at most 64
        for g in 0..G {
            let words = collect(pairs, |c| {
                // SAFETY: the index was reduced by the number of pages (`Table`'s invariant).
                let page = unsafe { &*items.add(pages[g][c] as usize) };
                let mut next = _mm512_setzero_si512();
                for side in 0..2 {
                    let mix = &mut mixes[g][c][side];
                    let product = _mm512_mullo_epi32(load(mix), prime);
                    let mixed = _mm512_xor_si512(product, load(&page[side]));
                    store(mix, mixed);
                    if side == half {
                        next = mixed;
                    }
                }
                next
            });
            // After the last access this asks for one more, which is never read.
            let left = _mm512_xor_si512(first_words[g], i);
            advance(items, reducer, prime, left, words, &mut pages[g]);
        }
    }
    for (out, mix) in out.iter_mut().zip(mixes.as_flattened()) {
        *out = MixState::of_page(mix).compress();
    }
}

/// Generates one cache, fetching each item's parent ahead.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn fill_one(job: &mut FillJob<'_>) {
    let items = &mut *job.items;
    let reducer = Table::new(items).reducer();
    let mut last = Node::from_bytes(&crate::keccak512(&job.seed));
    items[0] = last;
    for item in &mut items[1..] {
        last = keccak512_node(last);
        *item = last;
    }
    for _ in 0..CACHE_ROUNDS {
        for i in 0..items.len() {
            if let Some(ahead) = items.get(i + LOOK_AHEAD) {
                prefetch(items.as_ptr(), reducer.reduce(ahead.0[0]));
            }
            let parent = items[reducer.reduce(items[i].0[0]) as usize];
            last = keccak512_node(Node(std::array::from_fn(|w| parent.0[w] ^ last.0[w])));
            items[i] = last;
        }
    }
}

/// Generates two to eight caches together, one per lane.
///
/// Every lane goes through its own items: first the fill, then the rounds. Lanes of smaller caches end
/// earlier and idle until the largest is done.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,bmi1,bmi2")]
fn fill_together(jobs: &mut [FillJob<'_>]) {
    let mut first = [Node::default(); STATES];
    for (first, job) in first.iter_mut().zip(jobs.iter_mut()) {
        *first = Node::from_bytes(&crate::keccak512(&job.seed));
        job.items[0] = *first;
    }
    let mut last = transpose(std::array::from_fn(|s| load(&first[s])));
    let longest = jobs.iter().map(|job| job.items.len()).max().unwrap_or(0);
    // Where each lane stands: its next item, and its rounds begun (0 = the fill).
    let mut place = [(1, 0); STATES];
    let reducers: Vec<_> = jobs.iter().map(|job| Table::new(job.items).reducer()).collect();
    for _ in 1..longest * (CACHE_ROUNDS + 1) {
        let mut parents = [Node::default(); STATES];
        for (s, job) in jobs.iter().enumerate() {
            let (i, round) = place[s];
            if round == 0 || round > CACHE_ROUNDS {
                continue;
            }
            if let Some(ahead) = job.items.get(i + LOOK_AHEAD) {
                prefetch(job.items.as_ptr(), reducers[s].reduce(ahead.0[0]));
            }
            parents[s] = job.items[reducers[s].reduce(job.items[i].0[0]) as usize];
        }
        let parents = transpose(std::array::from_fn(|s| load(&parents[s])));
        last = keccak512_columns(std::array::from_fn(|w| _mm512_xor_si512(last[w], parents[w])));
        let rows = transpose(last);
        for (s, job) in jobs.iter_mut().enumerate() {
            let (i, round) = &mut place[s];
            if *round > CACHE_ROUNDS {
                continue;
            }
            store(&mut job.items[*i], rows[s]);
            *i += 1;
            if *i == job.items.len() {
                (*i, *round) = (0, *round + 1);
            }
        }
    }
}
