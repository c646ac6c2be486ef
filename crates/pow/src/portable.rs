//! Every kernel in plain Rust: the fallback for all machines and the oracle for the SIMD paths.

use crate::keccak::{KECCAK512_NODE_PADDING, permute};
use crate::node::{FillJob, Mix, Node, Page, Table, fnv};

/// Cache rounds, dataset parents per node and pages per hash (spec `ethash.md` section 1).
pub(crate) const CACHE_ROUNDS: usize = 3;
pub(crate) const DATASET_PARENTS: u32 = 256;
pub(crate) const ACCESSES: u32 = 64;

/// Chains walked side by side, so that their reads overlap.
const CHAINS: usize = 8;

pub(crate) fn permute_many(states: &mut [[u64; 25]]) {
    states.iter_mut().for_each(permute);
}

/// Keccak-512 of eight lanes, a node's worth.
#[inline(always)]
pub(crate) fn keccak512_lanes(lanes: [u64; 8]) -> [u64; 8] {
    let mut state = [0; 25];
    state[..8].copy_from_slice(&lanes);
    state[8] = KECCAK512_NODE_PADDING;
    permute(&mut state);
    std::array::from_fn(|i| state[i])
}

/// Keccak-512 of a node.
#[inline(always)]
pub(crate) fn keccak512_node(node: Node) -> Node {
    Node::from_lanes(&keccak512_lanes(node.to_lanes()))
}

/// Generates caches one after another.
pub(crate) fn fill_caches(jobs: &mut [FillJob<'_>]) {
    for job in jobs {
        fill_cache(job);
    }
}

/// Generates one cache (spec section 4).
fn fill_cache(job: &mut FillJob<'_>) {
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
            // `last` is the item before this one, at i = 0 the last of all.
            let parent = items[reducer.reduce(items[i].0[0]) as usize];
            last = keccak512_node(Node(std::array::from_fn(|w| parent.0[w] ^ last.0[w])));
            items[i] = last;
        }
    }
}

/// Computes dataset nodes (spec section 5).
pub(crate) fn dataset_nodes(cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
    let (indices, few) = indices.as_chunks::<CHAINS>();
    let (out, out_few) = out.as_chunks_mut::<CHAINS>();
    for (indices, out) in indices.iter().zip(out) {
        *out = walk(cache, indices);
    }
    for (index, out) in few.iter().zip(out_few) {
        [*out] = walk(cache, &[*index]);
    }
}

/// Walks several chains of 256 parents side by side.
#[inline(always)]
pub(crate) fn walk<const N: usize>(cache: Table<'_, Node>, indices: &[u32; N]) -> [Node; N] {
    let mut mixes = indices.map(|k| {
        let mut mix = *cache.at(k);
        mix.0[0] ^= k;
        keccak512_node(mix)
    });
    for j in 0..DATASET_PARENTS {
        for (mix, k) in mixes.iter_mut().zip(indices) {
            let parent = cache.at(fnv(k ^ j, mix.0[j as usize % 16]));
            for (word, parent) in mix.0.iter_mut().zip(parent.0) {
                *word = fnv(*word, parent);
            }
        }
    }
    mixes.map(keccak512_node)
}

/// Runs the accesses of several hashes over the full dataset, one hash after another.
pub(crate) fn full_mixes(dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
    let (some, few) = seeds.as_chunks::<CHAINS>();
    let (out, out_few) = out.as_chunks_mut::<CHAINS>();
    for (seeds, out) in some.iter().zip(out) {
        *out = access_pages(dataset, seeds);
    }
    for (seed, out) in few.iter().zip(out_few) {
        [*out] = access_pages(dataset, &[*seed]);
    }
}

/// Runs the accesses of several hashes side by side (spec section 6).
fn access_pages<const N: usize>(dataset: Table<'_, Page>, seeds: &[Node; N]) -> [Mix; N] {
    let mut states = seeds.map(|seed| MixState::new(&seed));
    for access in 0..ACCESSES {
        for state in &mut states {
            let page = dataset.at(state.page_hint(access));
            state.absorb(page);
        }
    }
    states.map(|state| state.compress())
}

/// A hash between its seed and its compressed mix.
#[derive(Clone, Copy)]
pub(crate) struct MixState {
    first_word: u32,
    mix: [u32; 32],
}

impl MixState {
    pub(crate) fn new(seed: &Node) -> Self {
        Self { first_word: seed.0[0], mix: std::array::from_fn(|i| seed.0[i % 16]) }
    }

    /// A state that no page will be mixed into any more.
    pub(crate) fn of_page(mix: &Page) -> Self {
        Self { first_word: 0, mix: std::array::from_fn(|i| mix[i / 16].0[i % 16]) }
    }

    /// What the index of the next page is before it is reduced by the number of pages.
    #[inline(always)]
    pub(crate) fn page_hint(&self, access: u32) -> u32 {
        fnv(access ^ self.first_word, self.mix[access as usize % 32])
    }

    #[inline(always)]
    pub(crate) fn absorb(&mut self, page: &Page) {
        for (word, page) in self.mix.iter_mut().zip(page.iter().flat_map(|node| node.0)) {
            *word = fnv(*word, page);
        }
    }

    /// The words of the mix, in their wire form.
    pub(crate) fn to_bytes(self) -> [u8; 128] {
        let mut bytes = [0; 128];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(self.mix) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    /// Folds every four words into one.
    pub(crate) fn compress(&self) -> Mix {
        let mut out = [0; 32];
        for (bytes, words) in out.as_chunks_mut().0.iter_mut().zip(self.mix.as_chunks::<4>().0) {
            let [a, b, c, d] = *words;
            *bytes = fnv(fnv(fnv(a, b), c), d).to_le_bytes();
        }
        out
    }
}
