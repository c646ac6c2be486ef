//! Chain specs: the sample files, the round trip, and each refusal.

use std::fs::{read_to_string, write};
use std::path::PathBuf;

use mvs_consensus::params::chain_spec::{ChainSpec, ChainSpecError};
use mvs_consensus::params::genesis::GenesisFields;
use mvs_consensus::params::{
    DepositPeriod, FeeParams, Fork, KnownBlock, LimitParams, Params, PosGenesisParams,
    PosGenesisRule, PowDifficulty, RetargetParams, StakeParams, Strictness, SubsidyParams,
    WitnessParams,
};
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use serde_json::Value;

fn sample(name: &str) -> String {
    read_to_string(path(name)).expect("the sample is in the tree")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("chain-specs").join(name)
}

/// A spec on the development network's base.
fn dev(rest: &str) -> Result<Params, ChainSpecError> {
    ChainSpec::parse(&format!("name = \"own\"\nbase = \"devnet\"\n{rest}"))
}

#[test]
fn every_network_survives_the_round_trip() {
    let mut all: Vec<Params> =
        ["mainnet", "testnet", "devnet"].into_iter().filter_map(Params::builtin).collect();
    all.push(ChainSpec::parse(&sample("reference-pos.toml")).unwrap());
    all.push(ChainSpec::parse(&sample("my-chain.toml")).unwrap());
    for params in all {
        params.validate().unwrap();
        let text = ChainSpec::to_toml(&params).unwrap();
        assert_eq!(ChainSpec::parse(&text), Ok(params), "{text}");
    }
}

/// `MVS_WRITE_SAMPLES=1 cargo test -p mvs-consensus --test chain_specs` writes it anew.
#[test]
fn the_full_sample_is_what_the_program_prints() {
    let text = ChainSpec::to_toml(&Params::devnet()).unwrap();
    if std::env::var_os("MVS_WRITE_SAMPLES").is_some() {
        write(path("devnet.toml"), &text).unwrap();
    }
    assert_eq!(sample("devnet.toml"), text);
}

#[test]
fn the_recorded_stake_chain_has_every_constant_of_its_record() {
    let record: Value =
        serde_json::from_str(include_str!("data/reference-pos-params.json")).unwrap();
    let params = ChainSpec::parse(&sample("reference-pos.toml")).unwrap();
    let mut seen = vec!["test_wallets"];
    let mut same = |key: &'static str, found: Value| {
        assert_eq!(found, record[key], "{key}");
        seen.push(key);
    };
    let number = |fork: Fork| match fork {
        Fork::Always => Value::from(0),
        Fork::From(height) => Value::from(height),
        Fork::Never => Value::Null,
    };
    let (stake, subsidy) = (&params.stake, &params.subsidy);
    same("name", params.name.as_str().into());
    same("magic_u32", params.magic.into());
    same(
        "genesis",
        if params.genesis == Params::mainnet().genesis { "mainnet" } else { "" }.into(),
    );
    same("genesis_hash", params.genesis.header.hash().to_string().into());
    same("p2pkh_version", params.addresses.p2pkh.into());
    same("p2sh_version", params.addresses.p2sh.into());
    let known = |known: &KnownBlock| {
        Value::from(vec![Value::from(known.height.value()), known.hash.to_string().into()])
    };
    same("checkpoints", params.checkpoints.iter().map(known).collect());
    same("pos_enabled_height", params.pos_enabled_height.into());
    same("coinbase_maturity", params.coinbase_maturity.into());
    same("future_blocktime_fork_height", number(params.strict_time));
    // "Allowed when the tip is above": the record's height is one below ours.
    assert_eq!(params.version_4_allowed, Fork::From(1));
    same("nova_enabled_height", 0.into());
    same("future_window_before_pos_s", params.strict_future_secs.into());
    same("future_window_from_pos_s", params.pos_future_secs.into());
    same("subsidy_bucket", subsidy.bucket_blocks.into());
    same("pow_base_early", subsidy.pow_base.into());
    same("pow_base_late", subsidy.pow_late_base.into());
    same("pow_base_late_from_rate", subsidy.pow_late_from_bucket.into());
    same("pos_base", subsidy.pos_base.into());
    same("subsidy_decay", subsidy.decay.into());
    let min = Difficulty::from_u64(4_100);
    assert_eq!(params.pow_difficulty, PowDifficulty::Retarget { min });
    same("min_pow_difficulty", 4_100.into());
    assert_eq!(stake.min_difficulty, Difficulty::from_u64(10_000));
    same("min_pos_difficulty", 10_000.into());
    same("retarget_v1_until_height", (params.pos_enabled_height - 1).into());
    same("retarget_v2_from_height", params.pos_enabled_height.into());
    same("run_length_active_above_height", stake.run_limits_above.value().into());
    same("max_pow_run", stake.max_pow_run.into());
    same("max_pos_run", stake.max_pos_run.into());
    same("vote_maturity", stake.vote_maturity.into());
    same("pos_lock_min_value", stake.deposit_min_value.units().into());
    same("pos_lock_min_height", stake.deposit_min_lock.into());
    same("pos_lock_gap_height", stake.deposit_gap.into());
    same("pos_stake_min_value", stake.stake_min_value.units().into());
    same("stake_min_age", stake.min_age.into());
    same("stake_age_divisor", stake.age_divisor.into());
    same("pos_stake_factor", stake.weight_factor.into());
    same("pos_genesis_reward", params.pos_genesis.reward.units().into());
    same("pos_genesis_witness_certs", params.pos_genesis.witness_certs.into());
    assert_eq!(params.pos_genesis.rule, PosGenesisRule::FirstInChain);
    same("pos_genesis_rule", "no PoS header at heights 601..H of the stored chain".into());
    same("foundation_address", params.foundation.to_text(&params.addresses).into());
    let developer = params.developer_community.to_text(&params.addresses);
    same("developer_community_address", developer.into());
    let deposits = &params.deposits;
    same("deposit_lock_heights", deposits.iter().map(|period| period.lock_height).collect());
    same("deposit_rates", deposits.iter().map(|period| period.rate).collect());
    same("dpos", "disabled".into());
    same("testnet_rules", params.version_3_allowed.into());
    same("max_money", params.max_money.units().into());
    same("min_tx_fee", params.fees.min_fee.units().into());
    let unseen: Vec<&String> =
        record.as_object().unwrap().keys().filter(|key| !seen.contains(&key.as_str())).collect();
    assert!(unseen.is_empty(), "constants nobody looked at: {unseen:?}");
    // Main network rules that the record states in words.
    assert_eq!(params.version_4_required, Fork::From(600));
    assert_eq!(params.sequence_locks_allowed, Fork::From(600));
    assert_eq!(params.last_checkpoint(), Height::GENESIS);
    assert!(params.exceptions.is_empty() && params.seeds.is_empty());
}

#[test]
fn a_short_file_says_only_what_differs() {
    let own = ChainSpec::parse(&sample("my-chain.toml")).unwrap();
    assert_eq!(&own.magic.to_le_bytes(), b"main");
    assert_eq!(own.seeds, ["seed.example.org:35251"]);
    assert_eq!(own.genesis.header.timestamp, Timestamp::from_unix_secs(1_767_225_600));
    assert_eq!(own.genesis.transactions[0].outputs[0].value, Amount::from_etp(1_000).unwrap());
    assert_eq!(own.checkpoints.len(), 1);
    assert_eq!(own.checkpoints[0].hash, own.genesis.header.hash());
    // These follow the stake height.
    assert_eq!(own.version_4_required, Fork::From(100));
    assert_eq!(own.sequence_locks_allowed, Fork::From(100));
    assert_eq!(own.stake.run_limits_above, Height::new(10_100));
    assert_eq!(own.deposits, Params::devnet().deposits);
}

#[test]
fn a_base_lends_no_checkpoints_exceptions_or_seeds() {
    let own = ChainSpec::parse("name = \"own\"\nbase = \"mainnet\"\nmagic = 7").unwrap();
    assert_eq!(own.checkpoints.len(), 1);
    assert!(own.exceptions.is_empty() && own.seeds.is_empty());
    let own = ChainSpec::parse("name = \"own\"").unwrap();
    assert_eq!(own, Params { name: "own".to_owned(), ..Params::devnet() }, "the default base");
}

#[test]
fn public_networks_cannot_be_changed() {
    assert_eq!(ChainSpec::parse("name = \"mainnet\""), Ok(Params::mainnet()));
    assert_eq!(ChainSpec::parse("name = \"testnet\""), Ok(Params::testnet()));
    for (text, code) in [
        ("name = \"mainnet\"\ncoinbase_maturity = 10", "chain_spec.reserved"),
        ("name = \"mainnet\"\nseeds = []", "chain_spec.reserved"),
        ("name = \"testnet\"\nbase = \"devnet\"", "chain_spec.reserved"),
        ("name = \"own\"\nbase = \"mainnet\"\ncoinbase_maturity = 10", "chain_spec.impersonation"),
        ("name = \"own\"\nbase = \"testnet\"\np2p_port = 1", "chain_spec.impersonation"),
        ("name = \"own\"\ngenesis = \"mainnet\"", "chain_spec.impersonation"),
    ] {
        assert_eq!(ChainSpec::parse(text).unwrap_err().code(), code, "{text}");
    }
    let error = ChainSpec::parse("name = \"mainnet\"\ncoinbase_maturity = 10").unwrap_err();
    assert_eq!(
        error.to_string(),
        "the name mainnet belongs to the public network, whose `coinbase_maturity` is 1000, not 10"
    );
    // A magic of its own makes it a chain of its own.
    let own = "name = \"own\"\nbase = \"mainnet\"\nmagic = 1\ncoinbase_maturity = 10";
    assert!(ChainSpec::parse(own).is_ok());
}

#[test]
fn unknown_keys_name_the_nearest() {
    for (text, key, nearest) in [
        ("coinbase_maturty = 1", "coinbase_maturty", "coinbase_maturity"),
        ("vote_maturity = 1", "vote_maturity", "stake.vote_maturity"),
        ("[stake]\nmaxpowrun = 1", "stake.maxpowrun", "stake.max_pow_run"),
        ("[steak]\nmax_pow_run = 1", "steak", "name"),
        ("bse = \"mainnet\"", "bse", "base"),
        ("[genesis]\nadress = \"x\"", "genesis.adress", "genesis.address"),
    ] {
        let error = dev(text).unwrap_err();
        let ChainSpecError::UnknownKey { key: found, nearest: suggested } = &error else {
            panic!("{text}: {error}")
        };
        assert_eq!(found, key);
        if key != "steak" {
            assert_eq!(suggested, nearest);
        }
    }
}

#[test]
fn each_refusal_names_field_value_and_range() {
    for (text, field, found) in [
        ("magic = 0", "magic", "0"),
        ("magic = 4294967296", "magic", "4294967296"),
        ("p2p_port = 65536", "p2p_port", "65536"),
        ("coinbase_maturity = -1", "coinbase_maturity", "-1"),
        ("coinbase_maturity = \"1\"", "coinbase_maturity", "\"1\""),
        ("target_spacing_secs = 0", "target_spacing_secs", "0"),
        ("seeds = [\"nohost\"]", "seeds", "[\"nohost\"]"),
        ("seeds = [\"a b:1\"]", "seeds", "[\"a b:1\"]"),
        ("version_4_allowed = \"soon\"", "version_4_allowed", "\"soon\""),
        ("pow_difficulty = { fixed = 0 }", "pow_difficulty", "{ fixed = 0 }"),
        ("pow_difficulty = { fixed = 1, min = 1 }", "pow_difficulty", ""),
        ("foundation = \"tBELxsiiaMVGQcY2Apf7hmzAaipD4YWTTj\"", "foundation", ""),
        ("stake = 5", "stake", "5"),
        ("genesis = \"other\"", "genesis", "\"other\""),
        ("[genesis]\ntext = \"\"", "genesis.text", "\"\""),
        ("[genesis]\nbits = 0", "genesis.bits", "0"),
        ("[genesis]\nvalue = 10_000_000_000_000_001", "genesis.value", "10000000000000001"),
        ("[genesis]\naddress = \"1111111111111111111114oLvT2\"", "genesis.address", ""),
        ("[subsidy]\ndecay = 0.0", "subsidy.decay", "0.0"),
        ("[subsidy]\ndecay = 1.5", "subsidy.decay", "1.5"),
        ("[subsidy]\ndecay = nan", "subsidy.decay", "nan"),
        ("[subsidy]\nbucket_blocks = 0", "subsidy.bucket_blocks", "0"),
        ("[subsidy]\ndecay = 1.0", "max_money", "10000000000000000"),
        ("[subsidy]\npow_base = 30.0", "max_money", "10000000000000000"),
        ("max_money = 5_000_000_000_000_000", "max_money", "5000000000000000"),
        ("[addresses]\np2sh = 0x32", "addresses.p2sh", "50"),
        ("[addresses]\nwif = 5", "addresses.wif", "5"),
        ("[stake]\nmin_difficulty = 0", "stake.min_difficulty", "0"),
        ("[stake]\nage_divisor = 0", "stake.age_divisor", "0"),
        ("[stake]\ndeposit_min_lock = 1048576", "stake.deposit_min_lock", "1048576"),
        ("[stake]\ndeposit_gap = 24000", "stake.deposit_gap", "24000"),
        ("[stake]\nstake_min_value = 199999999", "stake.stake_min_value", "199999999"),
        ("[stake]\nrun_limits_above = 4999", "stake.run_limits_above", "4999"),
        ("[retarget]\nv2_min_steps = -2048", "retarget.v2_min_steps", "-2048"),
        ("[retarget]\nv2_step_divisor = 1", "retarget.v2_step_divisor", "1"),
        ("[retarget]\nv2_interval_unit_secs = 0", "retarget.v2_interval_unit_secs", "0"),
        ("[limits]\ntx_bytes = 1000001", "limits.tx_bytes", "1000001"),
        ("[fees]\nminer_percent = 101", "fees.miner_percent", "101"),
        ("deposits = [{ lock_height = 5 }]", "deposits", ""),
        ("deposits = [{ lock_height = 5, rate = 1000000001 }]", "deposits", ""),
        (
            "deposits = [{ lock_height = 5, rate = 1 }, { lock_height = 5, rate = 1 }]",
            "deposits",
            "5 after 5",
        ),
        ("checkpoints = [{ height = 0, hash = \"00\" }]", "checkpoints", ""),
    ] {
        match dev(text) {
            Err(ChainSpecError::Value { field: at, found: value, expected }) => {
                assert_eq!(at, field, "{text}");
                assert!(found.is_empty() || value == found, "{text}: {value}");
                assert!(!expected.is_empty());
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    let message = dev("[stake]\ndeposit_gap = 24000").unwrap_err().to_string();
    assert_eq!(
        message,
        "`stake.deposit_gap` is 24000; expected below stake.deposit_min_lock, 24000"
    );
    let message = dev("p2p_port = 0").unwrap_err().to_string();
    assert_eq!(message, "`p2p_port` is 0; expected a whole number from 1 to 65535");
}

#[test]
fn the_other_refusals() {
    let code = |text: &str| ChainSpec::parse(text).unwrap_err().code();
    assert_eq!(code(""), "chain_spec.missing");
    assert_eq!(code("name = \"Own\""), "chain_spec.value");
    assert_eq!(code("name = \"own\"\nbase = \"own\""), "chain_spec.value");
    let Err(ChainSpecError::Syntax { line, .. }) = ChainSpec::parse("name = \"own\"\n\nmagic =")
    else {
        panic!("not TOML")
    };
    assert_eq!(line, 3);
    let other = format!("[{{ height = 0, hash = \"{}\" }}]", "0".repeat(64));
    assert_eq!(dev(&format!("checkpoints = {other}")).unwrap_err().code(), "chain_spec.value");
    let descending = format!(
        "[{{ height = 9, hash = \"{0}\" }}, {{ height = 8, hash = \"{0}\" }}]",
        "0".repeat(64)
    );
    for list in ["checkpoints", "exceptions"] {
        let error = dev(&format!("{list} = {descending}")).unwrap_err().to_string();
        assert_eq!(error, format!("`{list}` is height 8 after 9; expected ascending heights"));
    }
    assert_eq!(dev(&format!("exceptions = {other}")).unwrap_err().code(), "chain_spec.value");
    let codes = ChainSpecError::CODES;
    assert!(codes.contains(&dev("x = 1").unwrap_err().code()));
}

#[test]
fn the_supply_is_bounded_to_the_coin() {
    // 3 coins a block for ever, from nothing: passed after max_money / 3 coins blocks.
    let spec = |max: u64| {
        dev(&format!(
            "max_money = {max}\npos_allowed = false\n[genesis]\nvalue = 0\n[subsidy]\ndecay = 1.0\n\
             pow_late_base = 3.0\n[pos_genesis]\nreward = 0"
        ))
    };
    let all = u64::from(u32::MAX) * 300_000_000;
    assert!(spec(all).is_ok());
    let error = spec(all - 1).unwrap_err().to_string();
    assert!(error.contains("passed at height 4294967295"), "{error}");
    let error = spec(1_000_000_000_000_000).unwrap_err().to_string();
    assert!(error.contains("passed at height 3333334"), "{error}");
    assert!(error.contains(&format!("at least {all}")), "{error}");
    // One block a bucket, the first of them the genesis block's.
    assert!(dev("[subsidy]\nbucket_blocks = 1").is_ok());
}

#[test]
fn numbers_from_code_have_the_same_ranges() {
    let mut params = Params::devnet();
    params.retarget.v2_interval_unit_secs = 0;
    let error = params.validate().unwrap_err().to_string();
    assert!(error.starts_with("`retarget.v2_interval_unit_secs` is 0;"), "{error}");
    let mut params = Params::devnet();
    params.genesis.header.nonce = 5;
    assert_eq!(params.validate().unwrap_err().code(), "chain_spec.value");
    assert!(ChainSpec::to_toml(&params).is_err());
}

proptest! {
    #[test]
    fn random_numbers_survive_the_round_trip(
        magic in 1u32.., maturity in 0u32..10_000_000, height in 1u32..1_000_000, decay in 0.01f64..1.0,
        bits in any::<[u8; 32]>(), port in 1u16.., time in 1u32..,
    ) {
        let mut params = Params::devnet();
        params.name = "own".to_owned();
        params.magic = magic;
        params.coinbase_maturity = maturity;
        params.pos_enabled_height = height;
        params.stake.run_limits_above = Height::new(height);
        params.subsidy.decay = decay.min(0.95);
        params.p2p_port = port;
        let bits = Difficulty::from_be_bytes(bits).max(Difficulty::from_u64(1));
        params.pow_difficulty = PowDifficulty::Retarget { min: bits };
        let mut genesis =
            GenesisFields::of(&params.genesis).unwrap();
        genesis.timestamp = Timestamp::from_unix_secs(time);
        params.genesis = genesis.block();
        params.checkpoints[0].hash = params.genesis.header.hash();
        let text = ChainSpec::to_toml(&params).unwrap();
        prop_assert_eq!(ChainSpec::parse(&text), Ok(params));
    }

    #[test]
    fn parsing_never_panics(text in "[a-z_=\\[\\]\"{}0-9. \n-]{0,200}") {
        let _ = dev(&text);
        let with_nul = [text.as_str(), "\u{0}"].concat();
        prop_assert!(ChainSpec::parse(&with_nul).is_err());
    }
}

/// Every field differs from the base. Written without `..`, so that a new field must come here too.
fn all_different() -> Params {
    let format = AddressFormat { p2pkh: 1, p2sh: 2, wif: 3 };
    let genesis = GenesisFields {
        timestamp: Timestamp::from_unix_secs(1),
        text: b"a \"text\" \\ with signs".to_vec(),
        key_hash: [7; 20],
        value: Amount::from_units(1),
        bits: Difficulty::from_u64(2),
    }
    .block();
    let known = |height, byte| KnownBlock {
        height: Height::new(height),
        hash: BlockHash::from_bytes([byte; 32]),
    };
    Params {
        name: "all-different".to_owned(),
        magic: 1,
        p2p_port: 1,
        seeds: vec!["a:1".to_owned(), "[::1]:2".to_owned()],
        addresses: format,
        checkpoints: vec![
            KnownBlock { height: Height::GENESIS, hash: genesis.header.hash() },
            known(5, 1),
            known(6, 2),
        ],
        exceptions: vec![known(1, 3), known(2, 4)],
        genesis,
        foundation: Address::ScriptHash([8; 20]),
        developer_community: Address::KeyHash([9; 20]),
        max_money: Amount::from_units(i64::MAX as u64),
        coinbase_maturity: 1,
        limits: LimitParams { block_bytes: 2_000, tx_bytes: 1_000, block_sigops: 1 },
        fees: FeeParams {
            min_fee: Amount::from_units(1),
            asset_issue: Amount::from_units(2),
            did_register: Amount::from_units(3),
            miner_percent: 4,
        },
        target_spacing_secs: 1,
        loose_future_secs: 1,
        strict_time: Fork::Never,
        strict_future_secs: 2,
        pos_future_secs: 3,
        version_4_allowed: Fork::Never,
        version_4_required: Fork::Always,
        version_3_allowed: true,
        did_word_check: false,
        sequence_locks_allowed: Fork::From(7),
        pos_enabled_height: 8,
        pos_allowed: false,
        pow_difficulty: PowDifficulty::Retarget { min: Difficulty::from_be_bytes([0xff; 32]) },
        retarget: RetargetParams {
            v1_target_secs: 1,
            v1_step_divisor: 2,
            v2_step_divisor: 3,
            v2_interval_unit_secs: 4,
            v2_pow_offset: 5,
            v2_pos_offset: 6,
            v2_min_steps: -1,
        },
        subsidy: SubsidyParams {
            bucket_blocks: 1,
            decay: 0.1 + 0.2,
            pow_base: 0.1,
            pow_late_base: 1e-7,
            pow_late_from_bucket: 1,
            pos_base: 0.7,
        },
        deposits: vec![DepositPeriod { lock_height: 1, rate: 0 }],
        stake: StakeParams {
            min_difficulty: Difficulty::from_u64(u64::MAX),
            vote_maturity: 1,
            deposit_min_value: Amount::from_units(2),
            deposit_min_lock: 9,
            deposit_gap: 3,
            stake_min_value: Amount::from_units(4),
            min_age: 5,
            age_scale: 6,
            age_divisor: 7,
            weight_factor: 8,
            max_pow_run: 9,
            max_pos_run: 10,
            run_limits_above: Height::new(11),
        },
        pos_genesis: PosGenesisParams {
            rule: PosGenesisRule::UpTo(Height::new(12)),
            reward: Amount::from_units(13),
            witness_certs: 14,
        },
        witness: WitnessParams { max_secondary: 1, expiry_blocks: 2 },
        strictness: Strictness::REFERENCE,
    }
}

#[test]
fn the_file_holds_every_field() {
    let params = all_different();
    let text = ChainSpec::to_toml(&params).unwrap();
    assert_eq!(ChainSpec::parse(&text), Ok(params.clone()), "{text}");
    // Nothing came from the base: the same file means the same on another one.
    let on_main = text.replacen("\nname", "\nbase = \"mainnet\"\nname", 1);
    assert_eq!(ChainSpec::parse(&on_main), Ok(params), "{on_main}");
}
