//! The kernels that the SIMD code paths share, written once over vectors of sixteen words.
//!
//! What makes them fast is less the width than the waiting that it saves: up to 64 chains advance in
//! turn, each asks for its next cache line ahead of time, and the reads overlap.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

use crate::node::{FillJob, Node, Table};
use crate::portable::{CACHE_ROUNDS, keccak512_lanes};

/// Indices in one vector.
pub(crate) const LANES: usize = 16;

/// Keccak states permuted together.
pub(crate) const STATES: usize = 8;

/// Groups of sixteen node chains walked together.
pub(crate) const WALK_GROUPS: usize = 4;

/// Groups of sixteen full hashes run together.
pub(crate) const FULL_GROUPS: usize = 2;

/// Cache items between the one being generated and the one whose parent is fetched ahead.
pub(crate) const LOOK_AHEAD: usize = 12;

/// Asks for an item's cache lines.
#[inline]
#[target_feature(enable = "sse")]
pub(crate) fn prefetch<T>(items: *const T, index: u32) {
    // A prefetch reads nothing: any address will do.
    let address = items.wrapping_add(index as usize).cast::<i8>();
    _mm_prefetch::<_MM_HINT_T0>(address);
    if size_of::<T>() > size_of::<Node>() {
        _mm_prefetch::<_MM_HINT_T0>(address.wrapping_add(size_of::<Node>()));
    }
}

/// Generates one cache, fetching each item's parent ahead.
///
/// With scalar features only: the chain of permutations is all that counts, and passing its state
/// through vectors makes it longer.
#[target_feature(enable = "sse,bmi1,bmi2")]
pub(crate) fn fill_one(job: &mut FillJob<'_>) {
    let items = &mut *job.items;
    let reducer = Table::new(items).reducer();
    let mut last = Node::from_bytes(&crate::keccak512(&job.seed)).to_lanes();
    items[0] = Node::from_lanes(&last);
    for item in &mut items[1..] {
        last = keccak512_lanes(last);
        *item = Node::from_lanes(&last);
    }
    for _ in 0..CACHE_ROUNDS {
        for i in 0..items.len() {
            if let Some(ahead) = items.get(i + LOOK_AHEAD) {
                prefetch(items.as_ptr(), reducer.reduce(ahead.0[0]));
            }
            let parent = items[reducer.reduce(items[i].0[0]) as usize].to_lanes();
            last = keccak512_lanes(std::array::from_fn(|w| parent[w] ^ last[w]));
            items[i] = Node::from_lanes(&last);
        }
    }
}

/// Writes out the kernels with these target features, and the doors of `Proof` to them.
///
/// The calling module provides `Proof`; `Words` (sixteen words) with `splat`, `load`, `store`,
/// `load_indices`, `store_indices`, `mul`, `xor`; `Reducer16`; `Selector` and `collect`;
/// `keccak512_eight` and `permute_states`. Everything carries the same features, so that it is
/// inlined into the kernels.
macro_rules! simd_kernels {
    ($features:literal) => {
        impl Proof {
            pub(crate) fn permute_many(self, states: &mut [[u64; 25]]) {
                // SAFETY: `self` is the evidence that the processor has the features.
                unsafe { permute_states(states) }
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

            pub(crate) fn dataset_nodes(
                self,
                cache: Table<'_, Node>,
                indices: &[u32],
                out: &mut [Node],
            ) {
                const WIDTH: usize = WALK_GROUPS * LANES;
                for (indices, out) in indices.chunks(WIDTH).zip(out.chunks_mut(WIDTH)) {
                    // SAFETY: as above.
                    unsafe {
                        match indices.len() {
                            1..=2 => walk_few::<2>(cache, indices, out),
                            3..=4 => walk_few::<4>(cache, indices, out),
                            5..=16 => walk::<1>(cache, indices, out),
                            17..=32 => walk::<2>(cache, indices, out),
                            33..=48 => walk::<3>(cache, indices, out),
                            _ => walk::<WALK_GROUPS>(cache, indices, out),
                        }
                    }
                }
            }

            pub(crate) fn full_mixes(
                self,
                dataset: Table<'_, Page>,
                seeds: &[Node],
                out: &mut [Mix],
            ) {
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

        /// The next sixteen indices, fnv(left, words) reduced, and the fetch of what they point to.
        #[inline]
        #[target_feature(enable = $features)]
        fn advance<T>(
            items: *const T,
            reducer: Reducer16,
            left: Words,
            words: Words,
            indices: &mut [u32; LANES],
        ) {
            let t = xor(mul(left, splat(FNV_PRIME)), words);
            store_indices(indices, reducer.reduce(t));
            for index in indices {
                prefetch(items, *index);
            }
        }

        /// Walks up to 16 G chains together; the places beyond `indices` repeat the last.
        #[target_feature(enable = $features)]
        fn walk<const G: usize>(cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
            let items = cache.items().as_ptr();
            let reducer = Reducer16::new(cache.reducer());
            let mut mixes = [[Node::default(); LANES]; G];
            let mut parents = [[0; LANES]; G];
            let mut k = [splat(0); G];

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
                let words = collect::<0>(Selector::new(0), |c| load(&mixes[g][c]));
                advance(items, reducer, k[g], words, &mut parents[g]);
            }
            for j in 1..=DATASET_PARENTS {
                for g in 0..G {
                    // After the last parent this asks for one more, which is never read.
                    let left = xor(k[g], splat(j));
                    let words = match j % 16 / 8 {
                        0 => mix_parents::<0>(items, j % 16, &parents[g], &mut mixes[g]),
                        _ => mix_parents::<1>(items, j % 16, &parents[g], &mut mixes[g]),
                    };
                    advance(items, reducer, left, words, &mut parents[g]);
                }
            }
            for (g, out) in out.chunks_mut(LANES).enumerate() {
                mixes[g].as_chunks_mut().0.iter_mut().for_each(|eight| keccak512_eight(eight));
                out.copy_from_slice(&mixes[g][..out.len()]);
            }
        }

        /// Mixes sixteen parents into their mixes; gives this word, in half `H`, of each result.
        #[inline]
        #[target_feature(enable = $features)]
        fn mix_parents<const H: usize>(
            items: *const Node,
            word: u32,
            parents: &[u32; LANES],
            mixes: &mut [Node; LANES],
        ) -> Words {
            collect::<H>(Selector::new(word), |c| {
                // SAFETY: the index was reduced by the number of items (`Table`'s invariant).
                let parent = load(unsafe { &*items.add(parents[c] as usize) });
                let mix = xor(mul(load(&mixes[c]), splat(FNV_PRIME)), parent);
                store(&mut mixes[c], mix);
                mix
            })
        }

        /// Walks a few chains, for a single hash: its two nodes are all there is to overlap.
        ///
        /// The next index hangs on one word of the line just read. It is taken from there directly,
        /// with the product of the mix at hand, so that nothing but the read itself is waited for.
        #[target_feature(enable = $features)]
        fn walk_few<const N: usize>(cache: Table<'_, Node>, indices: &[u32], out: &mut [Node]) {
            let items = cache.items().as_ptr();
            let reducer = cache.reducer();
            let last = indices.len() - 1;
            let k: [u32; N] = std::array::from_fn(|c| indices[c.min(last)]);
            let mut eight = [Node::default(); STATES];
            for c in 0..N {
                eight[c] = *cache.at(k[c]);
                eight[c].0[0] ^= k[c];
            }
            keccak512_eight(&mut eight);

            let mut parents: [u32; N] =
                std::array::from_fn(|c| reducer.reduce(fnv(k[c], eight[c].0[0])));
            let mut mixes: [Words; N] = std::array::from_fn(|c| load(&eight[c]));
            let mut products = [Node::default(); N];
            for j in 1..=DATASET_PARENTS {
                let word = j as usize % 16;
                for c in 0..N {
                    let product = mul(mixes[c], splat(FNV_PRIME));
                    store(&mut products[c], product);
                    // SAFETY: the index was reduced by the number of items (`Table`'s invariant).
                    let parent = unsafe { &*items.add(parents[c] as usize) };
                    let next = products[c].0[word] ^ parent.0[word];
                    mixes[c] = xor(product, load(parent));
                    // After the last parent this computes one more, which is never read.
                    parents[c] = reducer.reduce(fnv(k[c] ^ j, next));
                }
            }
            for c in 0..N {
                store(&mut eight[c], mixes[c]);
            }
            keccak512_eight(&mut eight);
            out.copy_from_slice(&eight[..out.len()]);
        }

        /// Runs up to 16 G full hashes together; the places beyond `seeds` repeat the last.
        #[target_feature(enable = $features)]
        fn access_pages<const G: usize>(dataset: Table<'_, Page>, seeds: &[Node], out: &mut [Mix]) {
            let items = dataset.items().as_ptr();
            let reducer = Reducer16::new(dataset.reducer());
            let last = seeds.len() - 1;
            let mut mixes: [[Page; LANES]; G] = std::array::from_fn(|g| {
                std::array::from_fn(|c| [seeds[(g * LANES + c).min(last)]; 2])
            });
            let mut pages = [[0; LANES]; G];
            let mut first_words = [splat(0); G];
            for g in 0..G {
                first_words[g] = collect::<0>(Selector::new(0), |c| load(&mixes[g][c][0]));
                advance(items, reducer, first_words[g], first_words[g], &mut pages[g]);
            }
            for access in 1..=ACCESSES {
                for g in 0..G {
                    let (pages, mixes) = (&mut pages[g], &mut mixes[g]);
                    let words = match access % 32 / 8 {
                        0 => mix_pages::<0, 0>(items, access % 16, pages, mixes),
                        1 => mix_pages::<0, 1>(items, access % 16, pages, mixes),
                        2 => mix_pages::<1, 0>(items, access % 16, pages, mixes),
                        _ => mix_pages::<1, 1>(items, access % 16, pages, mixes),
                    };
                    // After the last access this asks for one more, which is never read.
                    advance(items, reducer, xor(first_words[g], splat(access)), words, pages);
                }
            }
            for (out, mix) in out.iter_mut().zip(mixes.as_flattened()) {
                *out = MixState::of_page(mix).compress();
            }
        }

        /// Mixes sixteen pages into their mixes; gives this word, in half `H` of node `S`, of each
        /// result.
        #[inline]
        #[target_feature(enable = $features)]
        fn mix_pages<const S: usize, const H: usize>(
            items: *const Page,
            word: u32,
            pages: &[u32; LANES],
            mixes: &mut [Page; LANES],
        ) -> Words {
            collect::<H>(Selector::new(word), |c| {
                // SAFETY: the index was reduced by the number of pages (`Table`'s invariant).
                let page = unsafe { &*items.add(pages[c] as usize) };
                let mixed: [Words; 2] = std::array::from_fn(|s| {
                    xor(mul(load(&mixes[c][s]), splat(FNV_PRIME)), load(&page[s]))
                });
                store(&mut mixes[c][0], mixed[0]);
                store(&mut mixes[c][1], mixed[1]);
                mixed[S]
            })
        }

        /// Generates two to eight caches together, one per Keccak state.
        ///
        /// Each goes through its own items: first the fill, then the rounds. Smaller caches end
        /// earlier and idle until the largest is done.
        #[target_feature(enable = $features)]
        fn fill_together(jobs: &mut [FillJob<'_>]) {
            let mut last = [Node::default(); STATES];
            for (last, job) in last.iter_mut().zip(jobs.iter_mut()) {
                *last = Node::from_bytes(&crate::keccak512(&job.seed));
                job.items[0] = *last;
            }
            let reducers: Vec<_> = jobs.iter().map(|job| Table::new(job.items).reducer()).collect();
            let longest = jobs.iter().map(|job| job.items.len()).max().unwrap_or(0);
            // Where each stands: the next item, and the rounds begun (0 = the fill).
            let mut places = [(1, 0); STATES];
            for _ in 1..longest * (CACHE_ROUNDS + 1) {
                for (s, job) in jobs.iter().enumerate() {
                    let (i, round) = places[s];
                    if !(1..=CACHE_ROUNDS).contains(&round) {
                        continue;
                    }
                    if let Some(ahead) = job.items.get(i + LOOK_AHEAD) {
                        prefetch(job.items.as_ptr(), reducers[s].reduce(ahead.0[0]));
                    }
                    let parent = &job.items[reducers[s].reduce(job.items[i].0[0]) as usize];
                    let mixed = xor(load(&last[s]), load(parent));
                    store(&mut last[s], mixed);
                }
                keccak512_eight(&mut last);
                for (s, job) in jobs.iter_mut().enumerate() {
                    let (i, round) = &mut places[s];
                    if *round > CACHE_ROUNDS {
                        continue;
                    }
                    store(&mut job.items[*i], load(&last[s]));
                    *i += 1;
                    if *i == job.items.len() {
                        (*i, *round) = (0, *round + 1);
                    }
                }
            }
        }
    };
}
pub(crate) use simd_kernels;
