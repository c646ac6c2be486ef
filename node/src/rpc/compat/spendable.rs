//! What of a coin may be spent now (wallet.md 7).

use mvs_consensus::attachment::attenuation::AttenuationModel;
use mvs_consensus::header_view::HeaderView;
use mvs_consensus::params::Params;
use mvs_consensus::state::Coin;
use mvs_primitives::amount::AssetAmount;
use mvs_primitives::height::Height;
use mvs_primitives::script::{Pattern, parse_script_number};
use mvs_store::Snapshot;
use mvs_store::backing::Disk;

use super::error::RpcError;
use super::shapes;

/// Confirmations that the first node's wallet asks of a coin.
pub(super) const CONFIRMATIONS: u32 = 3;
/// Lock times below this are heights, the others Unix times (BIP-0065).
const LOCKTIME_THRESHOLD: u32 = 500_000_000;
/// A sequence with this bit counts time, not blocks (chain.md 4.4).
const SEQUENCE_TIME_BIT: i64 = 1 << 22;
/// The bits of a sequence that count (chain.md 4.4).
const SEQUENCE_VALUE_MASK: i64 = 0x000f_ffff;
/// Seconds of a time unit (chain.md 4.4).
const SEQUENCE_UNIT_SECS: i64 = 32;

/// The tip, and what has passed until it.
pub(super) struct Now<'a, D: Disk> {
    snapshot: &'a Snapshot<D>,
    params: &'a Params,
    tip: Height,
    time: i64,
    /// Confirmations that are asked.
    confirmations: u64,
}

impl<'a, D: Disk> Now<'a, D> {
    pub(super) fn new(
        snapshot: &'a Snapshot<D>,
        params: &'a Params,
        confirmations: u64,
    ) -> Result<Self, RpcError> {
        let tip = snapshot.tip().height;
        let header = snapshot.header_at(tip)?;
        let time = header.map_or(0, |header| i64::from(header.timestamp.unix_secs()));
        Ok(Self { snapshot, params, tip, time, confirmations })
    }

    /// Blocks since a coin was made.
    fn age(&self, coin: &Coin) -> u32 {
        self.tip.blocks_since(coin.height)
    }

    /// Tells whether nothing of a coin may be spent yet.
    pub(super) fn is_frozen(&self, coin: &Coin) -> Result<bool, RpcError> {
        let age = self.age(coin);
        let is_young = u64::from(age) < self.confirmations;
        let is_immature = coin.is_coinbase && age < self.params.coinbase_maturity;
        Ok(is_young || is_immature || self.is_open(coin) || self.is_script_locked(coin)?)
    }

    /// The lock time of its transaction has not passed.
    fn is_open(&self, coin: &Coin) -> bool {
        let locktime = coin.open_locktime;
        let now =
            if locktime < LOCKTIME_THRESHOLD { i64::from(self.tip.value()) } else { self.time };
        locktime != 0 && i64::from(locktime) > now
    }

    /// Its script names a number of blocks or seconds that have not passed.
    fn is_script_locked(&self, coin: &Coin) -> Result<bool, RpcError> {
        let pattern = coin.output.script.pattern();
        if let Some(blocks) = shapes::deposit_lock(&pattern) {
            return Ok(self.age(coin) < blocks);
        }
        self.has_sequence_lock(coin, &pattern)
    }

    fn has_sequence_lock(&self, coin: &Coin, pattern: &Pattern<'_>) -> Result<bool, RpcError> {
        let Pattern::PayKeyHashWithSequenceLock { sequence, .. } = pattern else {
            return Ok(false);
        };
        let Ok(lock) = parse_script_number(sequence, 4, false) else { return Ok(true) };
        let value = lock & SEQUENCE_VALUE_MASK;
        if lock & SEQUENCE_TIME_BIT == 0 {
            return Ok(i64::from(self.age(coin)) < value);
        }
        let header = self.snapshot.header_at(coin.height)?;
        let made = header.map_or(self.time, |header| i64::from(header.timestamp.unix_secs()));
        // A time of 32 bits and a lock of 25 bits fit.
        Ok(self.time < made + value * SEQUENCE_UNIT_SECS)
    }

    /// Returns how much of the asset in a coin is locked by its script.
    pub(super) fn locked_quantity(
        &self,
        coin: &Coin,
        quantity: AssetAmount,
    ) -> Result<u64, RpcError> {
        let pattern = coin.output.script.pattern();
        if let Pattern::PayKeyHashWithAttenuationModel { model, .. } = &pattern {
            let released = AttenuationModel::parse(model)
                .and_then(|model| model.available(quantity, u64::from(self.age(coin))));
            // A model that cannot be computed frees nothing.
            let free = released.map_or(0, |released| released.available.units());
            return Ok(quantity.units().saturating_sub(free));
        }
        let is_locked = self.has_sequence_lock(coin, &pattern)?;
        Ok(if is_locked { quantity.units() } else { 0 })
    }
}
