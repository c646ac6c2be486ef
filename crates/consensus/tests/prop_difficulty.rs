//! Properties of the retarget rules on random chains.

use ethnum::U256;
use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::Fault;
use mvs_consensus::header_view::{HeaderChain, HeaderInfo, HeaderView, run_length};
use mvs_consensus::params::Params;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// The same headers without the index: uses the walk of the trait.
struct Plain<'a>(&'a HeaderChain);

impl HeaderView for Plain<'_> {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        self.0.header_at(height)
    }
}

fn difficulty() -> impl Strategy<Value = Difficulty> {
    prop_oneof![
        any::<u64>().prop_map(Difficulty::from_u64),
        any::<[u8; 32]>().prop_map(Difficulty::from_be_bytes),
        (0u64..5000).prop_map(|low| Difficulty::new(U256::MAX - U256::from(low))),
    ]
}

fn header() -> impl Strategy<Value = HeaderInfo> {
    (prop_oneof![4 => 1u32..=2, 1 => 0u32..=4], any::<u32>(), difficulty()).prop_map(
        |(version, secs, bits)| HeaderInfo {
            version: BlockVersion::new(version),
            timestamp: Timestamp::from_unix_secs(secs),
            bits,
        },
    )
}

proptest! {
    #[test]
    fn the_index_answers_like_the_walk(
        headers in vec(header(), 1..60),
        pos_height in 0u32..60,
        secs in any::<u32>(),
        queries in vec((0u32..5, 0u32..70, 0u32..70), 1..20),
    ) {
        let mut chain = HeaderChain::new();
        headers.iter().for_each(|header| chain.push(*header));
        let mut params = Params::mainnet();
        params.pos_enabled_height = pos_height;
        let plain = Plain(&chain);
        for (version, highest, lowest) in queries {
            let version = BlockVersion::new(version);
            let (highest, lowest) = (Height::new(highest), Height::new(lowest));
            // Versions that do not exist are not indexed: nobody asks for them.
            if (1..=3).contains(&version.number()) {
                prop_assert_eq!(
                    chain.last_of_version(version, highest, lowest).unwrap(),
                    plain.last_of_version(version, highest, lowest).unwrap()
                );
            }
            let now = Timestamp::from_unix_secs(secs);
            prop_assert_eq!(
                required_bits(&params, &chain, version, now, highest).unwrap(),
                required_bits(&params, &plain, version, now, highest).unwrap()
            );
            prop_assert_eq!(
                run_length(&chain, version, highest).unwrap(),
                run_length(&plain, version, highest).unwrap()
            );
        }
    }

    #[test]
    fn a_retarget_stays_within_its_bounds(
        last in header(), before in header(), secs in any::<u32>(), pos_height in 0u32..6,
    ) {
        let mut params = Params::mainnet();
        params.pos_enabled_height = pos_height;
        for version in [BlockVersion::POW, BlockVersion::POS] {
            let mut chain = HeaderChain::new();
            for _ in 0..3 {
                chain.push(HeaderInfo { version, ..before });
            }
            chain.push(HeaderInfo { version, ..last });
            let now = Timestamp::from_unix_secs(secs);
            let bits = required_bits(&params, &chain, version, now, Height::new(4)).unwrap().unwrap();
            let min = if version == BlockVersion::POW { 914_572_800 } else { 100_000_000 };
            prop_assert!(bits >= Difficulty::from_u64(min));
            // Down by at most 99/2048 of the last difficulty (or to the minimum).
            let floor = last.bits.value() - last.bits.value() / U256::new(2048) * U256::new(99);
            prop_assert!(bits.value() >= floor);
            // Up by at most 18 steps when time did not run backwards.
            let forward = if version == BlockVersion::POW {
                secs.wrapping_sub(last.timestamp.unix_secs())
            } else {
                last.timestamp.unix_secs().wrapping_sub(before.timestamp.unix_secs())
            };
            if forward < 1 << 31 {
                let step = last.bits.value() / U256::new(1024);
                let ceiling = last.bits.value().saturating_add(step * U256::new(18));
                prop_assert!(bits.value() <= ceiling.max(U256::from(min)));
            }
        }
    }
}
