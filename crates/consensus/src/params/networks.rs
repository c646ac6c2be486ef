//! The three networks that need no file (chain.md 5.1, 5.2 and 6; `p2p.md` for the hosts).

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

use super::genesis::GenesisFields;
use super::{
    DepositPeriod, FeeParams, Fork, KnownBlock, LimitParams, Params, PosGenesisParams,
    PosGenesisRule, PowDifficulty, RetargetParams, StakeParams, Strictness, SubsidyParams,
    WitnessParams,
};

/// Coin of every network's genesis block in whole coins (chain.md 6.2).
const GENESIS_ETP: u64 = 50_000_000;

/// Input text of the main network's genesis coinbase, also the private network's (chain.md 6.2).
const MAIN_GENESIS_TEXT: &[u8] =
    b"6e64c2098b84b04a0d9f61a60d5bc8f5f80f37e19f3ad9c39bfe419db422b33c";

/// The private network's address for genesis coin and foundation (chain.md 5.2).
const PRIVATE_ADDRESS: &str = "MCCu9WmXuTooSEoMHX1aN82b7syaJD65XM";

/// Whom the community share of special fees pays on the main and private networks (chain.md 5.2).
const MAIN_DEVELOPER: &str = "MAwLwVGwJyFsTBfNj2j5nCUrQXGVRvHzPh";

/// First stake height of each network (chain.md 6.1).
const MAIN_POS_HEIGHT: u32 = 1_924_000;
const TEST_POS_HEIGHT: u32 = 990_000;
const DEV_POS_HEIGHT: u32 = 5_000;

fn etp(coins: u64) -> Amount {
    Amount::from_etp(coins).expect("literals of this file are far below 1.8e11 coins")
}

fn address(text: &str, format: &AddressFormat) -> Address {
    Address::parse(text, format).expect("a test parses every address of this file")
}

fn hash(text: &str) -> BlockHash {
    text.parse().expect("a test parses every hash of this file")
}

fn genesis(timestamp: u32, text: &[u8], to: Address) -> GenesisFields {
    let Address::KeyHash(key_hash) = to else {
        unreachable!("each genesis address of this file is a key hash")
    };
    GenesisFields {
        timestamp: Timestamp::from_unix_secs(timestamp),
        text: text.to_vec(),
        key_hash,
        value: etp(GENESIS_ETP),
        bits: Difficulty::from_u64(1),
    }
}

fn deposits(lock_heights: [u32; 5]) -> Vec<DepositPeriod> {
    // Rewards for 7, 30, 90, 182 and 365 nominal days (chain.md 6.4).
    let rates = [95_890, 666_666, 3_200_000, 8_000_000, 20_000_000];
    lock_heights
        .into_iter()
        .zip(rates)
        .map(|(lock_height, rate)| DepositPeriod { lock_height, rate })
        .collect()
}

fn hosts(prefix: &str, port: u16) -> Vec<String> {
    ["metaverse.live", "mvs.live"]
        .into_iter()
        .flat_map(|domain| {
            ["asia", "americas", "europe"]
                .map(|region| format!("{prefix}-{region}.{domain}:{port}"))
        })
        .collect()
}

impl Params {
    /// The main network.
    pub fn mainnet() -> Self {
        let addresses = AddressFormat::MAINNET;
        let genesis_address = address("MGqHvbaH9wzdr6oUDFz4S1HptjoKQcjRve", &addresses);
        let genesis = genesis(1_486_796_400, MAIN_GENESIS_TEXT, genesis_address).block();
        let known = |height, text| KnownBlock { height: Height::new(height), hash: hash(text) };
        Self {
            name: "mainnet".to_owned(),
            magic: 0x4d53_564d,
            p2p_port: 5251,
            seeds: [hosts("main", 5251), vec!["seed.getmvs.org:5251".to_owned()]].concat(),
            addresses,
            checkpoints: vec![
                KnownBlock { height: Height::GENESIS, hash: genesis.header.hash() },
                known(
                    1_030_000,
                    "ed11a074ce80cbf82b5724bea0d74319dc6f180198fa1bbfb562bcbd50089e63",
                ),
                known(
                    1_270_000,
                    "a18a5aa5270835dd720a561c20230435e0508e8339ee30998da6dd79eee83b29",
                ),
            ],
            exceptions: vec![
                known(
                    1_211_234,
                    "3a17c696ba0d506b07e85b8440a99d868ae93c985064eaf4c616d13911bd97cb",
                ),
                known(
                    1_258_192,
                    "d7d5d80c8cb760b794f156c36b519ad9b4b10b9dfcd4e123c8f54be3c71432d3",
                ),
            ],
            genesis,
            foundation: address("MSCHL3unfVqzsZbRVCJ3yVp7RgAmXiuGN3", &addresses),
            developer_community: address(MAIN_DEVELOPER, &addresses),

            max_money: etp(100_000_000),
            coinbase_maturity: 1_000,
            limits: LimitParams {
                block_bytes: 1_000_000,
                tx_bytes: 1_000_000,
                block_sigops: 20_000,
            },
            fees: FeeParams {
                min_fee: Amount::from_units(10_000),
                asset_issue: etp(10),
                did_register: etp(1),
                miner_percent: 20,
            },
            target_spacing_secs: 24,

            loose_future_secs: 7_200,
            strict_time: Fork::From(1_030_000),
            strict_future_secs: 24,
            pos_future_secs: 38,

            version_4_allowed: Fork::From(1_270_001),
            version_4_required: Fork::From(MAIN_POS_HEIGHT),
            version_3_allowed: false,
            did_word_check: true,
            sequence_locks_allowed: Fork::From(MAIN_POS_HEIGHT),

            pos_enabled_height: MAIN_POS_HEIGHT,
            pos_allowed: true,
            pow_difficulty: PowDifficulty::Retarget { min: Difficulty::from_u64(914_572_800) },
            retarget: RetargetParams {
                v1_target_secs: 24,
                v1_step_divisor: 1024,
                v2_step_divisor: 2048,
                v2_interval_unit_secs: 10,
                v2_pow_offset: 2,
                v2_pos_offset: 18,
                v2_min_steps: -99,
            },
            subsidy: SubsidyParams {
                bucket_blocks: 500_000,
                decay: 0.95,
                pow_base: 3.0,
                pow_late_base: 2.5,
                pow_late_from_bucket: 5,
                pos_base: 0.3,
            },
            deposits: deposits([25_200, 108_000, 331_200, 655_200, 1_314_000]),
            stake: StakeParams {
                min_difficulty: Difficulty::from_u64(100_000_000),
                vote_maturity: 120,
                deposit_min_value: etp(1_000),
                deposit_min_lock: 24_000,
                deposit_gap: 1_000,
                stake_min_value: etp(1_000),
                min_age: 250,
                age_scale: 1_000,
                age_divisor: 100_000_000,
                weight_factor: 30,
                max_pow_run: 60,
                max_pos_run: 24,
                run_limits_above: Height::new(MAIN_POS_HEIGHT + RUN_LIMITS_DELAY),
            },
            pos_genesis: PosGenesisParams {
                rule: PosGenesisRule::UpTo(Height::new(1_924_146)),
                reward: etp(17_264_526),
                witness_certs: 23,
            },
            witness: WitnessParams { max_secondary: 46, expiry_blocks: 2_000_000 },
            strictness: Strictness::STRICT,
        }
    }

    /// The public test network.
    ///
    /// It differs from the main network in more than numbers: version 3 is allowed and version 4
    /// never required (chain.md 3.2), identity names are not searched for words (3.6), outputs with
    /// a sequence lock are allowed from the start (7.2.9).
    pub fn testnet() -> Self {
        let addresses = AddressFormat::TESTNET;
        let genesis_address = address("tPd41bKLJGf1C5RRvaiV2mytqZB6WfM1vR", &addresses);
        let text = b"2017.01.18 MVS start running testnet.";
        let genesis = genesis(1_479_881_397, text, genesis_address).block();
        let foundation = address("tBELxsiiaMVGQcY2Apf7hmzAaipD4YWTTj", &addresses);
        let main = Self::mainnet();
        Self {
            name: "testnet".to_owned(),
            magic: 0x7376_6d74,
            p2p_port: 15_251,
            seeds: hosts("test", 15_251),
            addresses,
            checkpoints: vec![KnownBlock { height: Height::GENESIS, hash: genesis.header.hash() }],
            exceptions: Vec::new(),
            genesis,
            foundation,
            developer_community: foundation,
            coinbase_maturity: 1,
            version_4_allowed: Fork::Always,
            version_4_required: Fork::Never,
            version_3_allowed: true,
            did_word_check: false,
            sequence_locks_allowed: Fork::Always,
            pos_enabled_height: TEST_POS_HEIGHT,
            pow_difficulty: PowDifficulty::Retarget { min: Difficulty::from_u64(300_000) },
            subsidy: SubsidyParams { bucket_blocks: 50_000, ..main.subsidy },
            deposits: deposits([10, 20, 30, 40, 50]),
            stake: StakeParams {
                min_difficulty: Difficulty::from_u64(1_000_000),
                vote_maturity: 23,
                run_limits_above: Height::new(TEST_POS_HEIGHT + RUN_LIMITS_DELAY),
                ..main.stake
            },
            pos_genesis: PosGenesisParams {
                rule: PosGenesisRule::FirstInChain,
                ..main.pos_genesis
            },
            ..main
        }
    }

    /// A private network that a laptop can mine: chain.md's private column, with two differences.
    ///
    /// The difficulty of work blocks is 10 at *every* height (the ancestor raises it to 300,000 at
    /// height 10,000), and there is no delegated stake. Magic and address prefixes are the main
    /// network's, as the recorded private chain in `vectors/reference-chain/` has them; the genesis
    /// block is its own, so peers of the two networks part at the first header.
    pub fn devnet() -> Self {
        let main = Self::mainnet();
        let foundation = address(PRIVATE_ADDRESS, &main.addresses);
        let genesis = genesis(1_486_796_400, MAIN_GENESIS_TEXT, foundation).block();
        Self {
            name: "devnet".to_owned(),
            seeds: Vec::new(),
            checkpoints: vec![KnownBlock { height: Height::GENESIS, hash: genesis.header.hash() }],
            exceptions: Vec::new(),
            genesis,
            foundation,
            coinbase_maturity: 10,
            strict_time: Fork::Always,
            version_4_allowed: Fork::Always,
            version_4_required: Fork::From(DEV_POS_HEIGHT),
            sequence_locks_allowed: Fork::From(DEV_POS_HEIGHT),
            pos_enabled_height: DEV_POS_HEIGHT,
            pow_difficulty: PowDifficulty::Fixed(Difficulty::from_u64(10)),
            stake: StakeParams {
                vote_maturity: 6,
                run_limits_above: Height::new(DEV_POS_HEIGHT + RUN_LIMITS_DELAY),
                ..main.stake
            },
            pos_genesis: PosGenesisParams {
                rule: PosGenesisRule::FirstInChain,
                ..main.pos_genesis
            },
            ..main
        }
    }

    /// Returns the built-in network of a name: `mainnet`, `testnet` or `devnet`.
    pub fn builtin(name: &str) -> Option<Self> {
        match name {
            "mainnet" => Some(Self::mainnet()),
            "testnet" => Some(Self::testnet()),
            "devnet" => Some(Self::devnet()),
            _ => None,
        }
    }
}

/// Blocks from the start of the stake era to the run limits (chain.md 8.1, rule 3).
const RUN_LIMITS_DELAY: u32 = 10_000;

#[cfg(test)]
mod tests {
    use super::super::{Fork, Params};
    use mvs_primitives::height::Height;

    #[test]
    fn magic_bytes_are_those_on_the_wire() {
        assert_eq!(&Params::mainnet().magic.to_le_bytes(), b"MVSM");
        assert_eq!(&Params::testnet().magic.to_le_bytes(), b"tmvs");
        assert_eq!(Params::devnet().magic, Params::mainnet().magic);
    }

    #[test]
    fn seven_and_six_hosts() {
        let main = Params::mainnet().seeds;
        assert_eq!(main.len(), 7);
        assert_eq!(main[0], "main-asia.metaverse.live:5251");
        assert_eq!(main[6], "seed.getmvs.org:5251");
        assert_eq!(Params::testnet().seeds.len(), 6);
        assert_eq!(Params::testnet().seeds[5], "test-europe.mvs.live:15251");
    }

    #[test]
    fn activation_heights_of_the_main_network() {
        // chain.md 6.9, each at its edge.
        let main = Params::mainnet();
        let edge = |fork: Fork, first: u32| {
            !fork.is_active(Height::new(first - 1)) && fork.is_active(Height::new(first))
        };
        assert!(edge(main.strict_time, 1_030_000));
        assert!(edge(main.version_4_allowed, 1_270_001));
        assert!(edge(main.version_4_required, 1_924_000));
        assert!(edge(main.sequence_locks_allowed, 1_924_000));
        assert_eq!(main.stake.run_limits_above, Height::new(1_934_000));
        for (height, secs) in
            [(0, 7_200), (1_029_999, 7_200), (1_030_000, 24), (1_923_999, 24), (1_924_000, 38)]
        {
            assert_eq!(main.future_limit_secs(Height::new(height)), secs, "{height}");
        }
        assert_eq!(main.last_checkpoint(), Height::new(1_270_000));
        assert_eq!(Params::testnet().last_checkpoint(), Height::GENESIS);
    }
}
