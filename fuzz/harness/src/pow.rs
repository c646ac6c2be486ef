//! Ethash: every code path that the machine has gives what the portable one gives.

use std::sync::OnceLock;

use mvs_pow::{
    Attempt, Backend, Epoch, LightCache, Work, hashimoto_light_many, keccak256, keccak512,
    quick_check, verify_many,
};

/// The light cache of the first epoch, generated once.
pub(crate) fn cache() -> &'static LightCache {
    static CACHE: OnceLock<LightCache> = OnceLock::new();
    CACHE.get_or_init(|| LightCache::build(Epoch::FIRST).expect("16 MiB are there"))
}

/// Input: attempts of 40 bytes (seal hash and nonce); the first 32 bytes are also a claimed mix.
/// All of it is a message for Keccak as well.
pub(crate) fn ethash(data: &[u8]) {
    let (attempts, _) = data.as_chunks::<40>();
    let attempts: Vec<Attempt> = attempts
        .iter()
        .take(3)
        .filter_map(|bytes| {
            let (seal_hash, nonce) = bytes.split_first_chunk::<32>()?;
            let nonce = u64::from_le_bytes(nonce.try_into().ok()?);
            Some(Attempt { seal_hash: *seal_hash, nonce })
        })
        .collect();
    let on = |backend| cache().on(backend).expect("the machine has it");
    let expected = hashimoto_light_many(&on(Backend::Portable), &attempts);
    for backend in Backend::available() {
        let cache = on(backend);
        assert_eq!(hashimoto_light_many(&cache, &attempts), expected, "{backend}");
        let message = [data; 3];
        let short = backend.keccak256_many(&message).expect("the machine has it");
        assert_eq!(short, [keccak256(data); 3], "{backend}");
        let long = backend.keccak512_many(&message).expect("the machine has it");
        assert_eq!(long, [keccak512(data); 3], "{backend}");

        let works: Vec<Work> = attempts
            .iter()
            .zip(&expected)
            .flat_map(|(attempt, seal)| {
                let work = Work {
                    epoch: Epoch::FIRST,
                    seal_hash: attempt.seal_hash,
                    nonce: attempt.nonce,
                    mix_hash: seal.mix_hash,
                    boundary: seal.final_hash,
                };
                [work, Work { mix_hash: attempt.seal_hash, boundary: [0xff; 32], ..work }]
            })
            .collect();
        for (index, verdict) in verify_many(&cache, &works).iter().enumerate() {
            assert_eq!(verdict.is_ok(), index.is_multiple_of(2), "{backend} {verdict:?}");
        }
        assert!(works.iter().all(|work| quick_check(work).is_ok()));
    }
}
