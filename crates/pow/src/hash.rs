//! Hashimoto: from a seal hash and a nonce to the mix hash and the final hash.

use crate::LightCache;
use crate::backend::Isa;
use crate::keccak::{RATE_256, RATE_512, squeeze};
use crate::node::{Mix, Node, Page};
use crate::portable::{ACCESSES, MixState};
use crate::sponge::xor_padded;

/// Hashes evaluated side by side at most: enough that reads, not latencies, are the limit.
pub(crate) const BATCH: usize = 32;

/// What a hash is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// The hash of the header without its seal (spec `chain.md` section 1.3).
    pub seal_hash: [u8; 32],
    /// The nonce as a number; its bytes enter the hash in little-endian order.
    pub nonce: u64,
}

/// What a hash results in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Seal {
    /// The compressed mix, which the header carries beside the nonce.
    pub mix_hash: [u8; 32],
    /// The number, big-endian, that must not be above the boundary.
    pub final_hash: [u8; 32],
}

/// One hash from the light cache. [`hashimoto_light_many`] is ten times as fast per hash.
pub fn hashimoto_light(cache: &LightCache, attempt: &Attempt) -> Seal {
    hashimoto_light_many(cache, &[*attempt])[0]
}

/// Hashes from the light cache, 32 side by side.
pub fn hashimoto_light_many(cache: &LightCache, attempts: &[Attempt]) -> Vec<Seal> {
    let mut seals = Vec::with_capacity(attempts.len());
    for batch in attempts.chunks(BATCH) {
        let seeds = seeds(cache.isa(), batch);
        let mixes = light_mixes(cache, &seeds);
        seals.extend(finish(cache.isa(), &seeds, &mixes));
    }
    seals
}

/// The seeds: Keccak-512 of seal hash and nonce.
pub(crate) fn seeds(isa: Isa, attempts: &[Attempt]) -> Vec<Node> {
    let mut states = vec![[0; 25]; attempts.len()];
    for (state, attempt) in states.iter_mut().zip(attempts) {
        let mut message = [0; 40];
        message[..32].copy_from_slice(&attempt.seal_hash);
        message[32..].copy_from_slice(&attempt.nonce.to_le_bytes());
        xor_padded(state, &message, RATE_512);
    }
    isa.permute_many(&mut states);
    states.iter().map(|state| Node::from_lanes(&state[..8])).collect()
}

/// The final hashes: Keccak-256 of seed and compressed mix.
pub(crate) fn final_hashes(isa: Isa, seeds: &[Node], mixes: &[Mix]) -> Vec<[u8; 32]> {
    let mut states = vec![[0; 25]; seeds.len()];
    for (state, (seed, mix)) in states.iter_mut().zip(seeds.iter().zip(mixes)) {
        let mut message = [0; 96];
        message[..64].copy_from_slice(&seed.to_bytes());
        message[64..].copy_from_slice(mix);
        xor_padded(state, &message, RATE_256);
    }
    isa.permute_many(&mut states);
    states.iter().map(squeeze).collect()
}

/// Seals from seeds and their mixes.
pub(crate) fn finish(isa: Isa, seeds: &[Node], mixes: &[Mix]) -> Vec<Seal> {
    let hashes = final_hashes(isa, seeds, mixes);
    let pairs = mixes.iter().zip(hashes);
    pairs.map(|(&mix_hash, final_hash)| Seal { mix_hash, final_hash }).collect()
}

/// Runs the accesses of a batch of hashes, computing every page from the light cache.
pub(crate) fn light_mixes(cache: &LightCache, seeds: &[Node]) -> Vec<Mix> {
    let mut states: Vec<_> = seeds.iter().map(MixState::new).collect();
    run_accesses(cache, &mut states, |_, _| ());
    states.iter().map(MixState::compress).collect()
}

/// All accesses of a batch; reports page indices and states after each.
fn run_accesses(
    cache: &LightCache,
    states: &mut [MixState],
    mut after: impl FnMut(&[u32], &[MixState]),
) {
    let mut pages = vec![0; states.len()];
    let mut indices = vec![0; 2 * states.len()];
    let mut nodes = vec![Node::default(); 2 * states.len()];
    for access in 0..ACCESSES {
        for ((page, indices), state) in
            pages.iter_mut().zip(indices.as_chunks_mut().0).zip(states.iter())
        {
            *page = cache.dataset().reduce(state.page_hint(access));
            *indices = [2 * *page, 2 * *page + 1];
        }
        cache.isa().dataset_nodes(cache.table(), &indices, &mut nodes);
        let computed: &[Page] = nodes.as_chunks().0;
        for (state, page) in states.iter_mut().zip(computed) {
            state.absorb(page);
        }
        after(&pages, states);
    }
}

/// The intermediate values of one hash, for comparing implementations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// Keccak-512 of seal hash and nonce.
    pub seed512: [u8; 64],
    /// The indices of the 64 pages read.
    pub page_indices: Vec<u32>,
    /// The mix after each of the 64 accesses.
    pub mixes: Vec<[u8; 128]>,
    /// The result.
    pub seal: Seal,
}

/// Computes one hash from the light cache and keeps what lies between.
pub fn trace_light(cache: &LightCache, attempt: &Attempt) -> Trace {
    let seeds = seeds(cache.isa(), &[*attempt]);
    let mut states = [MixState::new(&seeds[0])];
    let (mut page_indices, mut mixes) = (Vec::new(), Vec::new());
    run_accesses(cache, &mut states, |pages, states| {
        page_indices.push(pages[0]);
        mixes.push(states[0].to_bytes());
    });
    let seal = finish(cache.isa(), &seeds, &[states[0].compress()])[0];
    Trace { seed512: seeds[0].to_bytes(), page_indices, mixes, seal }
}
