//! From bytes of a stranger to an entry of the pool, in three steps.
//!
//! ```text
//! owner:   Mempool::stage   known? refused before? spent by another? which parents are in the pool?
//! worker:  Staged::verify   rules, policy, scripts: nearly all of the work, on any thread
//! owner:   Mempool::admit   same tip still? same parents still? names, limits, room
//! ```
//!
//! The worker sees a published view of the tip and the parents that the owner handed it, nothing that
//! changes. If the tip has moved in the meantime, the owner asks the rules again; scripts look at
//! nothing but the transaction and the outputs that it names, so their verdict stands.

use std::collections::HashSet;

use mvs_consensus::attachment::attenuation::AttenuationModel;
use mvs_consensus::error::{Fault, Rejection, TxRuleError};
use mvs_consensus::params::Params;
use mvs_consensus::script::{CacheUse, InputContext, verify_input};
use mvs_consensus::state::{CertKey, Coin};
use mvs_consensus::tx::{TxKind, check_tx, connect_tx};
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::Payload;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, PatternKind};
use mvs_primitives::transaction::Transaction;

use super::entry::{LooseTx, Sensitivity, touches_names};
use super::policy::{self, Costs, PolicyConfig};
use super::reject::{AcceptError, Reject};
use super::tip::Tip;

/// Coins that are looked up together.
const COINS_AT_ONCE: usize = 64;
/// Outputs of a transaction with a missing input that are looked up, to see whether it is in a block: as
/// many as most have. More would be work that costs a sender nothing.
const OUTPUTS_LOOKED_UP: usize = 8;

/// A transaction that the pool does not know, with the parents that it has in the pool.
#[derive(Debug, Clone)]
pub struct Staged {
    pub(super) tx: LooseTx,
    /// For each input whose parent is in the pool: its index, and the parent.
    pub(super) parents: Vec<(usize, LooseTx)>,
    /// When it was first seen, if that was before now.
    pub(super) first_seen_secs: Option<u64>,
}

impl Staged {
    /// Notes when the transaction was first seen, if that was before now: one that was saved does not
    /// get younger by a restart.
    #[must_use]
    pub fn seen_at(self, first_seen_secs: u64) -> Self {
        Self { first_seen_secs: Some(first_seen_secs), ..self }
    }

    /// Returns the transaction.
    pub const fn tx(&self) -> &LooseTx {
        &self.tx
    }

    /// Asks the rules, this node's policy and the scripts, in order of their cost. Nothing of the
    /// pool is needed: this is for a worker thread.
    ///
    /// New signatures go into the cache if `cache` says so; the block that brings the transaction
    /// then need not verify them again.
    pub fn verify(self, tip: &Tip<'_>, policy: &PolicyConfig, cache: CacheUse<'_>) -> Verdict {
        let result = self.judge(tip, policy, cache);
        Verdict { tx: self.tx, first_seen_secs: self.first_seen_secs, result }
    }

    fn judge(
        &self,
        tip: &Tip<'_>,
        policy: &PolicyConfig,
        cache: CacheUse<'_>,
    ) -> Result<Verified, AcceptError> {
        let transaction = self.tx.transaction();
        check_alone(tip, transaction).map_err(Rejection::Rule)?;
        policy::check_form(policy, transaction).map_err(Rejection::Rule)?;
        let facts = connect(tip, &self.tx, &self.parents)?;
        let Facts { verified, spent } = &facts;
        let params = tip.params();
        policy::check_spending(policy, params, transaction, spent, &verified.costs, verified.fee)
            .map_err(Rejection::Rule)?;
        verify_scripts(transaction, spent, cache).map_err(Rejection::Rule)?;
        Ok(facts.verified)
    }
}

/// What [`Staged::verify`] found, for [`super::Mempool::admit`].
#[derive(Debug)]
pub struct Verdict {
    pub(super) tx: LooseTx,
    pub(super) first_seen_secs: Option<u64>,
    pub(super) result: Result<Verified, AcceptError>,
}

impl Verdict {
    /// Returns the transaction.
    pub const fn tx(&self) -> &LooseTx {
        &self.tx
    }

    /// Returns why the transaction is refused, if it is.
    pub const fn error(&self) -> Option<&AcceptError> {
        match &self.result {
            Ok(_) => None,
            Err(error) => Some(error),
        }
    }
}

/// What is known of a transaction that obeys the rules at some tip.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    /// The tip at which it was judged.
    pub(super) tip: BlockHash,
    pub(super) fee: Amount,
    pub(super) costs: Costs,
    pub(super) sensitivity: Sensitivity,
    pub(super) youngest_coin: Height,
    /// Its parents in the pool, each once, in order.
    pub(super) pool_parents: Vec<TxId>,
}

/// The same with the coins that it spends.
pub(super) struct Facts {
    pub(super) verified: Verified,
    pub(super) spent: Vec<Coin>,
}

/// Asks the rules that need nothing but the transaction, so that a bad one cannot make us fetch coins.
pub(super) fn check_alone(tip: &Tip<'_>, transaction: &Transaction) -> Result<(), Reject> {
    let rule = match TxKind::of(transaction, &tip.params().addresses) {
        TxKind::Coinbase => Err(TxRuleError::LooseCoinbase),
        TxKind::Coinstake => Err(TxRuleError::LooseCoinstake),
        TxKind::Ordinary => check_tx(tip.params(), tip.block().height, transaction),
    };
    rule.map_err(Reject::Rule)
}

/// Asks every rule of a transaction that passed [`check_alone`], but the scripts.
pub(super) fn connect(
    tip: &Tip<'_>,
    tx: &LooseTx,
    parents: &[(usize, LooseTx)],
) -> Result<Facts, AcceptError> {
    let transaction = tx.transaction();
    let spent = gather(tip, tx, parents)?;
    let connected = connect_tx(&tip.context(), transaction, &spent)
        .map_err(|rejection| rejection.map_rule(Reject::Rule))?;
    // Beyond the rules on single transactions: what no block that holds this one can be.
    check_claims_once(transaction).map_err(Rejection::Rule)?;
    check_time_locks(transaction, parents).map_err(Rejection::Rule)?;
    let costs = policy::count_costs(transaction, &spent).map_err(Rejection::Rule)?;
    let mut pool_parents: Vec<TxId> = parents.iter().map(|(_, parent)| parent.txid()).collect();
    pool_parents.sort_unstable();
    pool_parents.dedup();
    let next = tip.next_height();
    let confirmed = spent.iter().map(|coin| coin.height).filter(|height| *height < next);
    let verified = Verified {
        tip: tip.block().hash,
        fee: connected.fee,
        costs,
        sensitivity: sensitivity_of(tip.params(), transaction, &spent),
        youngest_coin: confirmed.max().unwrap_or(Height::GENESIS),
        pool_parents,
    };
    Ok(Facts { verified, spent })
}

/// Finds the coins that a transaction spends: from its parents in the pool, else from the chain.
fn gather(
    tip: &Tip<'_>,
    tx: &LooseTx,
    parents: &[(usize, LooseTx)],
) -> Result<Vec<Coin>, AcceptError> {
    let inputs = &tx.transaction().inputs;
    let mut own = parents.iter().peekable();
    let mut outside = Vec::with_capacity(inputs.len());
    let mut loose = Vec::with_capacity(parents.len());
    for (index, input) in inputs.iter().enumerate() {
        match own.next_if(|(at, _)| *at == index) {
            Some((_, parent)) => loose.push(Some(loose_coin(tip, parent, index, input)?)),
            None => {
                outside.push(input.previous);
                loose.push(None);
            }
        }
    }
    let mut found = Vec::with_capacity(outside.len());
    for some in outside.chunks(COINS_AT_ONCE) {
        found.extend(tip.state().coins(some)?);
        // Once one is missing the others do not matter.
        if found.iter().any(Option::is_none) {
            break;
        }
    }
    let mut fetched = found.into_iter();
    let mut spent = Vec::with_capacity(inputs.len());
    for (index, (input, loose)) in inputs.iter().zip(loose).enumerate() {
        let coin = match loose {
            Some(coin) => Some(coin),
            None => fetched.next().ok_or(Fault::Broken("a coin has no answer"))?,
        };
        match coin {
            Some(coin) => spent.push(coin),
            None => return Err(missing(tip, tx, index, input)?),
        }
    }
    Ok(spent)
}

/// The coin that an output of a parent in the pool will be once the next block holds both.
fn loose_coin(
    tip: &Tip<'_>,
    parent: &LooseTx,
    index: usize,
    input: &Input,
) -> Result<Coin, AcceptError> {
    let previous = input.previous;
    let output = usize::try_from(previous.index)
        .ok()
        .and_then(|index| parent.transaction().outputs.get(index))
        .ok_or(Rejection::Rule(Reject::NoSuchOutput { input: index, previous }))?;
    Ok(make_loose_coin(output, tip.next_height()))
}

/// Makes the coin of an output in a block to come. It is not asked for the lock time of its
/// transaction: only a staked coin is, and that is hundreds of blocks old.
pub(super) fn make_loose_coin(output: &Output, height: Height) -> Coin {
    Coin {
        output: Output {
            value: output.value,
            script: output.script.without_marker_memory(),
            attachment: output.attachment.clone(),
        },
        height,
        is_coinbase: false,
        open_locktime: 0,
    }
}

/// Tells apart a transaction that came too early from one that came too late: of one in a block some of
/// the first outputs are unspent, as a rule. If they are spent all the same, an input is missing, which
/// is as true.
fn missing(tip: &Tip<'_>, tx: &LooseTx, index: usize, input: &Input) -> Result<AcceptError, Fault> {
    let own = |index| OutPoint::new(tx.txid(), index);
    let outputs: Vec<OutPoint> = (0u32..)
        .zip(&tx.transaction().outputs)
        .take(OUTPUTS_LOOKED_UP)
        .map(|(index, _)| own(index))
        .collect();
    let is_confirmed = tip.state().coins(&outputs)?.iter().any(Option::is_some);
    let previous = input.previous;
    Ok(Rejection::Rule(if is_confirmed {
        Reject::Confirmed
    } else {
        Reject::Rule(TxRuleError::InputMissing { input: index, previous })
    }))
}

/// chain.md 3.6: a block may touch a certificate once. A witness certificate that supports its own
/// issue would touch it twice; every other double is refused by the rules on single transactions.
fn check_claims_once(transaction: &Transaction) -> Result<(), Reject> {
    let certs = transaction.outputs.iter().filter_map(|output| match &output.attachment.payload {
        Payload::Cert(cert) => Some(cert),
        _ => None,
    });
    let mut seen = HashSet::new();
    for cert in certs {
        if !seen.insert(CertKey::of(cert)) {
            return Err(Reject::ClaimsTwice);
        }
    }
    Ok(())
}

/// Bits of a relative lock (BIP-0068): "no lock", and "seconds, not blocks".
const NO_LOCK: u32 = 1 << 31;
const COUNTS_TIME: u32 = 1 << 22;

/// A lock that counts time from an output of the next block counts from that block's timestamp,
/// which its miner chooses: nothing can be said before.
fn check_time_locks(transaction: &Transaction, parents: &[(usize, LooseTx)]) -> Result<(), Reject> {
    if transaction.version < 2 {
        return Ok(());
    }
    for (index, _) in parents {
        let sequence = transaction.inputs.get(*index).map_or(NO_LOCK, |input| input.sequence);
        if sequence & NO_LOCK == 0 && sequence & COUNTS_TIME != 0 {
            return Err(Reject::UnconfirmedTimeLock { input: *index });
        }
    }
    Ok(())
}

fn sensitivity_of(params: &Params, transaction: &Transaction, spent: &[Coin]) -> Sensitivity {
    let waits = transaction.locktime != 0
        || transaction.inputs.iter().any(|input| {
            input.sequence & NO_LOCK == 0
                || matches!(input.script.pattern(), Pattern::SignKeyHashWithLockHeight { .. })
        });
    let counts = |coin: &Coin| {
        (coin.is_coinbase && params.coinbase_maturity > 0)
            || coin.output.script.pattern().kind() == PatternKind::PayKeyHashWithAttenuationModel
    };
    Sensitivity { names: touches_names(transaction), locks: waits || spent.iter().any(counts) }
}

/// Runs the scripts of every input.
pub(super) fn verify_scripts(
    transaction: &Transaction,
    spent: &[Coin],
    cache: CacheUse<'_>,
) -> Result<(), Reject> {
    for (index, coin) in spent.iter().enumerate() {
        let script = &coin.output.script;
        let Some(context) =
            InputContext::new(transaction, index, script, AttenuationModel::is_model)
        else {
            continue; // there is a coin for each input, and no more
        };
        verify_input(&context, cache).map_err(|error| Reject::Script { input: index, error })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::attachment::{Attachment, Cert, CertStatus, CertType, Payload};
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::text::{AddressText, DidName, Symbol};
    use mvs_primitives::transaction::Transaction;

    use super::{Reject, check_claims_once};

    #[test]
    fn a_certificate_is_touched_once() {
        let cert = |symbol: &str, status| {
            let (owner, address) = (DidName::new("o").unwrap(), AddressText::new("a").unwrap());
            let symbol = Symbol::new(symbol).unwrap();
            let cert = Cert::new(symbol, owner, address, CertType::WITNESS, status, None).unwrap();
            let attachment = Attachment::new(Payload::Cert(Box::new(cert)));
            Output { value: Amount::ZERO, script: Script::default(), attachment }
        };
        let with = |symbols: [&str; 2]| {
            let statuses = [CertStatus::ISSUE, CertStatus::NORMAL];
            let outputs = symbols.into_iter().zip(statuses).map(|(s, status)| cert(s, status));
            Transaction { version: 4, inputs: Vec::new(), outputs: outputs.collect(), locktime: 0 }
        };
        assert_eq!(check_claims_once(&with(["MVS.WITNESS.1.A", "MVS.WITNESS.1"])), Ok(()));
        let twice = check_claims_once(&with(["MVS.WITNESS.1", "MVS.WITNESS.1"]));
        assert_eq!(twice, Err(Reject::ClaimsTwice));
    }
}
