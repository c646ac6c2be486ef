//! The constants that come with a recorded chain.

use mvs_consensus::params::{
    DepositPeriod, Fork, KnownBlock, Params, PosGenesisRule, PowDifficulty,
};
use mvs_primitives::address::Address;
use mvs_primitives::amount::Amount;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::height::Height;
use serde_json::Value;

/// Reads the constants over those of the main network.
pub(super) fn from_document(document: &Value) -> Result<Params, String> {
    let read = Reader(document);
    let base = match read.text("genesis")?.unwrap_or("mainnet") {
        "private" => "devnet",
        name => name,
    };
    let mut params = Params::builtin(base).ok_or_else(|| format!("unknown genesis {base}"))?;
    let hash = params.genesis.header.hash().to_string();
    if read.text("genesis_hash")?.is_some_and(|found| found != hash) {
        return Err("the genesis hash is not that of the named genesis block".into());
    }
    params.name = read.text("name")?.unwrap_or("recorded").to_owned();
    params.checkpoints =
        vec![KnownBlock { height: Height::GENESIS, hash: params.genesis.header.hash() }];
    params.exceptions = Vec::new();
    read.number("magic_u32", &mut params.magic)?;
    read.number("p2pkh_version", &mut params.addresses.p2pkh)?;
    read.number("p2sh_version", &mut params.addresses.p2sh)?;
    read.number("coinbase_maturity", &mut params.coinbase_maturity)?;
    read.amount("max_money", &mut params.max_money)?;
    read.amount("min_tx_fee", &mut params.fees.min_fee)?;
    set_heights(&read, &mut params)?;
    set_subsidy(&read, &mut params)?;
    set_stake(&read, &mut params)?;
    for (key, slot) in [
        ("foundation_address", &mut params.foundation),
        ("developer_community_address", &mut params.developer_community),
    ] {
        if let Some(text) = read.text(key)? {
            *slot = Address::parse(text, &params.addresses)
                .map_err(|error| format!("{key}: {error}"))?;
        }
    }
    Ok(params)
}

fn set_heights(read: &Reader<'_>, params: &mut Params) -> Result<(), String> {
    read.number("pos_enabled_height", &mut params.pos_enabled_height)?;
    let pos = params.pos_enabled_height;
    params.version_4_required = Fork::From(pos);
    params.sequence_locks_allowed = Fork::From(pos);
    let mut first = 0u32;
    if read.number("future_blocktime_fork_height", &mut first)? {
        params.strict_time = Fork::From(first);
    }
    let mut nova = 0u32;
    if read.number("nova_enabled_height", &mut nova)? {
        // Version 4 is allowed above this tip (chain.md 3.2 c).
        params.version_4_allowed = Fork::From(nova.saturating_add(1));
    }
    read.number("future_window_before_pos_s", &mut params.strict_future_secs)?;
    read.number("future_window_from_pos_s", &mut params.pos_future_secs)?;
    let mut above = 0u32;
    if read.number("run_length_active_above_height", &mut above)? {
        params.stake.run_limits_above = Height::new(above);
    }
    Ok(())
}

fn set_subsidy(read: &Reader<'_>, params: &mut Params) -> Result<(), String> {
    let subsidy = &mut params.subsidy;
    read.number("subsidy_bucket", &mut subsidy.bucket_blocks)?;
    read.number("pow_base_late_from_rate", &mut subsidy.pow_late_from_bucket)?;
    read.double("pow_base_early", &mut subsidy.pow_base)?;
    read.double("pow_base_late", &mut subsidy.pow_late_base)?;
    read.double("pos_base", &mut subsidy.pos_base)?;
    read.double("subsidy_decay", &mut subsidy.decay)?;
    let lists = read.numbers("deposit_lock_heights")?.zip(read.numbers("deposit_rates")?);
    if let Some((locks, rates)) = lists {
        if locks.len() != rates.len() {
            return Err("deposit_lock_heights and deposit_rates differ in length".into());
        }
        params.deposits = locks
            .into_iter()
            .zip(rates)
            .map(|(lock, rate)| {
                let lock_height = u32::try_from(lock).map_err(|error| error.to_string())?;
                Ok(DepositPeriod { lock_height, rate })
            })
            .collect::<Result<_, String>>()?;
    }
    Ok(())
}

fn set_stake(read: &Reader<'_>, params: &mut Params) -> Result<(), String> {
    let mut min = 0u64;
    if read.number("min_pow_difficulty", &mut min)? {
        params.pow_difficulty = PowDifficulty::Retarget { min: Difficulty::from_u64(min) };
    }
    let stake = &mut params.stake;
    if read.number("min_pos_difficulty", &mut min)? {
        stake.min_difficulty = Difficulty::from_u64(min);
    }
    read.number("vote_maturity", &mut stake.vote_maturity)?;
    read.amount("pos_lock_min_value", &mut stake.deposit_min_value)?;
    read.number("pos_lock_min_height", &mut stake.deposit_min_lock)?;
    read.number("pos_lock_gap_height", &mut stake.deposit_gap)?;
    read.amount("pos_stake_min_value", &mut stake.stake_min_value)?;
    read.number("stake_min_age", &mut stake.min_age)?;
    read.number("stake_age_divisor", &mut stake.age_divisor)?;
    read.number("pos_stake_factor", &mut stake.weight_factor)?;
    read.number("max_pow_run", &mut stake.max_pow_run)?;
    read.number("max_pos_run", &mut stake.max_pos_run)?;
    params.pos_genesis.rule = PosGenesisRule::FirstInChain;
    read.amount("pos_genesis_reward", &mut params.pos_genesis.reward)?;
    read.number("pos_genesis_witness_certs", &mut params.pos_genesis.witness_certs)?;
    Ok(())
}

struct Reader<'v>(&'v Value);

impl<'v> Reader<'v> {
    fn text(&self, key: &str) -> Result<Option<&'v str>, String> {
        match self.0.get(key) {
            None => Ok(None),
            Some(value) => value.as_str().map(Some).ok_or_else(|| format!("{key} is no text")),
        }
    }

    fn number<T: TryFrom<u64>>(&self, key: &str, slot: &mut T) -> Result<bool, String> {
        let Some(value) = self.0.get(key) else { return Ok(false) };
        *slot = value
            .as_u64()
            .and_then(|number| T::try_from(number).ok())
            .ok_or_else(|| format!("{key} is no number in range: {value}"))?;
        Ok(true)
    }

    fn amount(&self, key: &str, slot: &mut Amount) -> Result<bool, String> {
        let mut units = 0u64;
        let found = self.number(key, &mut units)?;
        if found {
            *slot = Amount::from_units(units);
        }
        Ok(found)
    }

    fn double(&self, key: &str, slot: &mut f64) -> Result<bool, String> {
        let Some(value) = self.0.get(key) else { return Ok(false) };
        *slot = value.as_f64().ok_or_else(|| format!("{key} is no number: {value}"))?;
        Ok(true)
    }

    fn numbers(&self, key: &str) -> Result<Option<Vec<u64>>, String> {
        let Some(value) = self.0.get(key) else { return Ok(None) };
        value
            .as_array()
            .and_then(|list| list.iter().map(Value::as_u64).collect())
            .map(Some)
            .ok_or_else(|| format!("{key} is no list of numbers"))
    }
}
