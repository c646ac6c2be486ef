//! Whether the numbers of a network fit each other.

use mvs_primitives::amount::{Amount, UNITS_PER_ETP};
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use toml::Table;

use super::chain_spec::{ChainSpecError, FIELDS};
use super::genesis::GenesisFields;
use super::{KnownBlock, Params};
use crate::subsidy::block_subsidy;

/// Buckets that are summed one by one; what follows is bounded by the last one's subsidy.
const SUMMED_BUCKETS: u64 = 100_000;

fn require(
    holds: bool,
    field: &str,
    found: impl ToString,
    expected: impl Into<String>,
) -> Result<(), ChainSpecError> {
    if holds { Ok(()) } else { Err(ChainSpecError::value(field, found, expected)) }
}

impl Params {
    /// Checks that every number is in its range and that they fit each other, so that no formula of
    /// the rules can overflow.
    ///
    /// # Errors
    /// [`ChainSpecError::Value`] names the field, its value and what would be right.
    pub fn validate(&self) -> Result<(), ChainSpecError> {
        require(
            GenesisFields::of(&self.genesis).is_some(),
            "genesis",
            "of another form",
            "one coinbase of the form of chain.md 6.2",
        )?;
        self.validate_ranges()?;
        self.validate_identity()?;
        self.validate_money()?;
        self.validate_blocks()?;
        self.validate_stake()
    }

    /// Reads each field back from what it is written as: the same ranges hold for numbers that come
    /// from code.
    fn validate_ranges(&self) -> Result<(), ChainSpecError> {
        let mut copy = self.clone();
        for field in FIELDS {
            let written = (field.write)(self);
            let table: Option<Table> = format!("v = {written}").parse().ok();
            let value = table.as_ref().and_then(|table| table.get("v"));
            let read = value.ok_or_else(|| "a value that can be written".to_owned());
            read.and_then(|value| (field.read)(&mut copy, value))
                .map_err(|expected| field.error(self, None, expected))?;
        }
        Ok(())
    }

    fn validate_identity(&self) -> Result<(), ChainSpecError> {
        let format = &self.addresses;
        for (field, byte, others) in [
            ("addresses.p2sh", format.p2sh, vec![format.p2pkh]),
            ("addresses.wif", format.wif, vec![format.p2pkh, format.p2sh]),
        ] {
            require(
                !others.contains(&byte),
                field,
                byte,
                format!("a version byte other than {others:?}"),
            )?;
        }
        let first = self.checkpoints.first();
        let genesis = KnownBlock { height: Height::GENESIS, hash: self.genesis.header.hash() };
        require(
            first == Some(&genesis),
            "checkpoints",
            first.map_or_else(
                || "empty".to_owned(),
                |first| format!("{} at {}", first.hash, first.height),
            ),
            format!("the genesis block {} at height 0 first", genesis.hash),
        )?;
        for (field, list) in [("checkpoints", &self.checkpoints), ("exceptions", &self.exceptions)]
        {
            for pair in list.windows(2) {
                if let [low, high] = pair {
                    require(
                        low.height < high.height,
                        field,
                        format!("height {} after {}", high.height, low.height),
                        "ascending heights",
                    )?;
                }
            }
        }
        require(
            self.exceptions.first().is_none_or(|first| first.height > Height::GENESIS),
            "exceptions",
            "the genesis block",
            "heights from 1 on",
        )
    }

    fn validate_money(&self) -> Result<(), ChainSpecError> {
        let max = self.max_money;
        for (field, amount) in [
            ("genesis.value", GenesisFields::of(&self.genesis).map(|genesis| genesis.value)),
            ("fees.min_fee", Some(self.fees.min_fee)),
            ("fees.asset_issue", Some(self.fees.asset_issue)),
            ("fees.did_register", Some(self.fees.did_register)),
            ("stake.deposit_min_value", Some(self.stake.deposit_min_value)),
            ("stake.stake_min_value", Some(self.stake.stake_min_value)),
            ("pos_genesis.reward", Some(self.pos_genesis.reward)),
        ] {
            let amount = amount.unwrap_or_default();
            require(amount <= max, field, amount, format!("at most max_money, {max}"))?;
        }
        if let Err((height, total)) = self.supply_limit() {
            let expected = format!(
                "at least {total}, what genesis block, stake-era reward and subsidies come to by height \
                 {}; this is passed at height {height}",
                u32::MAX
            );
            return Err(ChainSpecError::value("max_money", max, expected));
        }
        for pair in self.deposits.windows(2) {
            if let [short, long] = pair {
                require(
                    short.lock_height < long.lock_height,
                    "deposits",
                    format!("{} after {}", long.lock_height, short.lock_height),
                    "ascending lock heights",
                )?;
            }
        }
        Ok(())
    }

    fn validate_blocks(&self) -> Result<(), ChainSpecError> {
        let limits = &self.limits;
        require(
            limits.tx_bytes <= limits.block_bytes,
            "limits.tx_bytes",
            limits.tx_bytes,
            format!("at most limits.block_bytes, {}", limits.block_bytes),
        )?;
        let retarget = &self.retarget;
        require(
            retarget.v2_min_steps.unsigned_abs() < retarget.v2_step_divisor,
            "retarget.v2_min_steps",
            retarget.v2_min_steps,
            format!("above -{} (minus retarget.v2_step_divisor)", retarget.v2_step_divisor),
        )
    }

    fn validate_stake(&self) -> Result<(), ChainSpecError> {
        let stake = &self.stake;
        require(
            stake.deposit_gap < stake.deposit_min_lock,
            "stake.deposit_gap",
            stake.deposit_gap,
            format!("below stake.deposit_min_lock, {}", stake.deposit_min_lock),
        )?;
        require(
            stake.run_limits_above.value() >= self.pos_enabled_height,
            "stake.run_limits_above",
            stake.run_limits_above,
            format!("at least pos_enabled_height, {}", self.pos_enabled_height),
        )?;
        // A stake below two coins has no weight (chain.md 9.2.5).
        let two = Amount::from_units(2 * UNITS_PER_ETP);
        require(
            !self.pos_allowed || stake.stake_min_value >= two,
            "stake.stake_min_value",
            stake.stake_min_value,
            format!("at least {two}: smaller stakes have no weight"),
        )
    }

    /// Sums what can come into being without deposits up to the last height there is. When that passes
    /// [`Params::max_money`], returns the height at which it does, and the sum.
    ///
    /// Deposit rewards are left out: they depend on what people do. Where a bucket holds several
    /// subsidies, the largest counts.
    fn supply_limit(&self) -> Result<(), (u64, u128)> {
        let size = u64::from(self.subsidy.bucket_blocks.max(1));
        let end = u64::from(u32::MAX);
        let max = u128::from(self.max_money.units());
        let genesis = GenesisFields::of(&self.genesis);
        let mut total: u128 = genesis.map_or(0, |genesis| genesis.value.units().into());
        if self.pos_allowed {
            total += u128::from(self.pos_genesis.reward.units());
        }
        let mut passed = (total > max).then_some(0);
        for bucket in 0..=end / size {
            let is_last = bucket == SUMMED_BUCKETS;
            // Below 2^64: buckets and their size multiply to little more than the largest height.
            let first = (bucket * size).max(1);
            let last = if is_last { end } else { ((bucket + 1) * size - 1).min(end) };
            if last < first {
                continue; // the genesis block alone
            }
            let subsidy = u128::from(self.largest_subsidy(first, last).units());
            let created = u128::from(last - first + 1) * subsidy; // below 2^96
            if passed.is_none() && total + created > max {
                let within = max.saturating_sub(total).checked_div(subsidy).unwrap_or(0);
                passed = u64::try_from(within).ok().map(|within| first + within);
            }
            total += created; // at most 2^17 buckets: below 2^128
            let is_falling = bucket >= u64::from(self.subsidy.pow_late_from_bucket)
                && first >= u64::from(self.pos_enabled_height);
            if is_last || (is_falling && subsidy == 0) {
                break;
            }
        }
        passed.map_or(Ok(()), |height| Err((height, total)))
    }

    fn largest_subsidy(&self, first: u64, last: u64) -> Amount {
        let turn = u64::from(self.pos_enabled_height).clamp(first, last);
        let versions: &[BlockVersion] = if self.pos_allowed {
            &[BlockVersion::POW, BlockVersion::POS]
        } else {
            &[BlockVersion::POW]
        };
        [first, turn, (turn - 1).max(first)] // heights from 1 on
            .into_iter()
            .filter_map(|height| u32::try_from(height).ok().map(Height::new))
            .flat_map(|height| {
                versions.iter().map(move |version| block_subsidy(self, *version, height))
            })
            .max()
            .unwrap_or_default()
    }
}
