//! What a transaction spends and makes, before anybody signs.

use std::collections::HashSet;

use mvs_primitives::amount::Amount;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;

use super::{AssembleError, ProvenCoin};

/// Most inputs of a transaction: what existing wallets make (wallet.md 8), so every node takes it.
pub const MAX_INPUTS: usize = 600;

/// The frame that a transaction keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanRules {
    /// Version of the transaction.
    pub version: u32,
    /// The fee.
    pub fee: Amount,
    /// The least fee of the network.
    pub least_fee: Amount,
    /// The most that its owner wants to pay.
    pub most_fee: Amount,
    /// The most coin that can exist.
    pub max_money: Amount,
}

/// A transaction that is ready to be shown and signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The transaction; its inputs have no scripts.
    pub transaction: Transaction,
    /// What it spends, in the order of the inputs.
    pub spent: Vec<ProvenCoin>,
    /// What it leaves to the miner.
    pub fee: Amount,
    /// What comes back in the last output; zero when there is no such output.
    pub change: Amount,
}

/// Plans a transaction that spends plain coins of a key, makes outputs, and gives the rest back.
///
/// The fee is exactly that of the rules: all of `coins` is spent, and what is left over comes back
/// in one more output.
///
/// # Errors
/// [`AssembleError`]: coins that are not plain or too few, sums that are too large, a fee outside its
/// limits.
pub fn plan(
    rules: &PlanRules,
    owner: &[u8; 20],
    coins: Vec<ProvenCoin>,
    mut outputs: Vec<Output>,
) -> Result<Plan, AssembleError> {
    let (least, most, found) = (rules.least_fee, rules.most_fee, rules.fee);
    if found < least || found > most {
        return Err(AssembleError::Fee { found, least, most });
    }
    if coins.is_empty() {
        return Err(AssembleError::Nothing);
    }
    if coins.len() > MAX_INPUTS {
        return Err(AssembleError::Inputs { found: coins.len() });
    }
    let mut seen: HashSet<OutPoint> = HashSet::new();
    for coin in &coins {
        if !coin.is_plain(owner) {
            return Err(AssembleError::NotPlain { coin: coin.outpoint(), owner: *owner });
        }
        if !seen.insert(coin.outpoint()) {
            return Err(AssembleError::Twice { coin: coin.outpoint() });
        }
    }
    let found = sum(rules, coins.iter().map(ProvenCoin::value))?;
    let made = sum(rules, outputs.iter().map(|output| output.value))?;
    let needed = sum(rules, [made, rules.fee])?;
    let change = found.checked_sub(needed).ok_or(AssembleError::TooLittle { needed, found })?;
    if !change.is_zero() {
        outputs.push(Output::etp(change, Script::pay_key_hash(owner)));
    }
    if outputs.is_empty() {
        return Err(AssembleError::Nothing);
    }
    let inputs = coins.iter().map(|coin| Input::unsigned(coin.outpoint())).collect();
    let transaction = Transaction { version: rules.version, inputs, outputs, locktime: 0 };
    Ok(Plan { transaction, spent: coins, fee: rules.fee, change })
}

/// Chooses coins, the largest first, until they hold an amount and the fee.
///
/// # Errors
/// [`AssembleError::TooLittle`], [`AssembleError::Inputs`], [`AssembleError::Overflow`].
pub fn select<T: Clone>(
    rules: &PlanRules,
    coins: &[(Amount, T)],
    amount: Amount,
) -> Result<Vec<T>, AssembleError> {
    let needed = sum(rules, [amount, rules.fee])?;
    let mut sorted: Vec<&(Amount, T)> = coins.iter().collect();
    sorted.sort_by_key(|(value, _)| std::cmp::Reverse(*value));
    let (mut found, mut chosen) = (Amount::ZERO, Vec::new());
    for (value, coin) in sorted {
        if found >= needed {
            break;
        }
        found = sum(rules, [found, *value])?;
        chosen.push(coin.clone());
    }
    if found < needed {
        return Err(AssembleError::TooLittle { needed, found });
    }
    if chosen.len() > MAX_INPUTS {
        return Err(AssembleError::Inputs { found: chosen.len() });
    }
    Ok(chosen)
}

fn sum(
    rules: &PlanRules,
    amounts: impl IntoIterator<Item = Amount>,
) -> Result<Amount, AssembleError> {
    let sum = Amount::checked_sum(amounts).ok_or(AssembleError::Overflow)?;
    if sum > rules.max_money { Err(AssembleError::Overflow) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::attachment::{Attachment, Payload};
    use mvs_primitives::encode::Encode as _;
    use mvs_primitives::input::{Input, OutPoint};
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::text::Text;
    use mvs_primitives::transaction::Transaction;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::{MAX_INPUTS, PlanRules, plan, select};
    use crate::assemble::ProvenCoin;

    const OWNER: [u8; 20] = [7; 20];

    fn units(units: u64) -> Amount {
        Amount::from_units(units)
    }

    fn rules() -> PlanRules {
        PlanRules {
            version: 4,
            fee: units(10_000),
            least_fee: units(10_000),
            most_fee: units(1_000_000),
            max_money: units(1 << 60),
        }
    }

    fn coins(values: &[u64], script: &Script) -> Vec<ProvenCoin> {
        let transaction = Transaction {
            version: 4,
            inputs: vec![Input::unsigned(OutPoint::NULL)],
            outputs: values
                .iter()
                .map(|value| Output::etp(units(*value), script.clone()))
                .collect(),
            locktime: 0,
        };
        let (txid, bytes) = (transaction.txid(), transaction.to_bytes());
        (0..)
            .zip(values)
            .map(|(n, _)| ProvenCoin::prove(OutPoint::new(txid, n), &bytes).unwrap())
            .collect()
    }

    fn own(values: &[u64]) -> Vec<ProvenCoin> {
        coins(values, &Script::pay_key_hash(&OWNER))
    }

    fn code(coins: Vec<ProvenCoin>, outputs: Vec<Output>, rules: &PlanRules) -> &'static str {
        plan(rules, &OWNER, coins, outputs).unwrap_err().code()
    }

    #[test]
    fn each_reason_to_refuse() {
        let pay = |value| vec![Output::etp(units(value), Script::pay_key_hash(&[1; 20]))];
        let rules = rules();
        assert_eq!(code(own(&[100]), pay(1), &rules), "assemble.too_little");
        assert_eq!(code(Vec::new(), pay(1), &rules), "assemble.nothing");
        assert_eq!(code(own(&[10_000]), Vec::new(), &rules), "assemble.nothing");
        let twice = [own(&[50_000]), own(&[50_000])].concat();
        assert_eq!(code(twice, pay(1), &rules), "assemble.twice");
        assert_eq!(code(own(&vec![50_000; MAX_INPUTS + 1]), pay(1), &rules), "assemble.inputs");
        assert_eq!(code(own(&[1 << 60, 1 << 60]), pay(1), &rules), "assemble.overflow");
        assert_eq!(code(own(&[u64::MAX, 2]), pay(1), &rules), "assemble.overflow");
        assert_eq!(code(own(&[50_000]), pay(u64::MAX), &rules), "assemble.overflow");
        for fee in [9_999, 1_000_001] {
            let rules = PlanRules { fee: units(fee), ..rules };
            assert_eq!(code(own(&[50_000_000]), pay(1), &rules), "assemble.fee");
        }
        // Others' coins, locked ones, and those that carry something.
        for script in [
            Script::pay_key_hash(&[8; 20]),
            Script::pay_key_hash_with_sequence_lock(5, &OWNER),
            Script::pay_key_hash_with_lock_height(5, &OWNER),
            Script::pay_script_hash(&OWNER),
        ] {
            assert_eq!(code(coins(&[50_000], &script), pay(1), &rules), "assemble.not_plain");
        }
        let message = Output {
            attachment: Attachment::new(Payload::Message(Text::new(*b"hi").unwrap())),
            ..Output::etp(units(50_000), Script::pay_key_hash(&OWNER))
        };
        let transaction = Transaction {
            version: 4,
            inputs: vec![Input::unsigned(OutPoint::NULL)],
            outputs: vec![message],
            locktime: 0,
        };
        let place = OutPoint::new(transaction.txid(), 0);
        let coin = ProvenCoin::prove(place, &transaction.to_bytes()).unwrap();
        assert_eq!(code(vec![coin], pay(1), &rules), "assemble.not_plain");
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_the_fee_is_exact(
            values in proptest::collection::vec(1u64..1 << 40, 1..40),
            part in any::<u16>(),
        ) {
            let rules = rules();
            let total: u64 = values.iter().sum();
            let amount = units(total / 65_536 * u64::from(part));
            let all: Vec<(Amount, ProvenCoin)> =
                own(&values).into_iter().map(|coin| (coin.value(), coin)).collect();
            match select(&rules, &all, amount) {
                Err(error) => {
                    prop_assert_eq!(error.code(), "assemble.too_little");
                    prop_assert!(total < amount.units() + 10_000);
                }
                Ok(chosen) => {
                    let paid = Output::etp(amount, Script::pay_key_hash(&[1; 20]));
                    let plan = plan(&rules, &OWNER, chosen.clone(), vec![paid]).unwrap();
                    let spent: u64 = chosen.iter().map(|coin| coin.value().units()).sum();
                    let made = plan.transaction.output_value().unwrap().units();
                    prop_assert_eq!(spent - made, 10_000);
                    prop_assert_eq!(plan.transaction.inputs.len(), chosen.len());
                    // One coin less would not do.
                    let least = chosen.iter().map(|coin| coin.value().units()).min().unwrap();
                    prop_assert!(spent - least < amount.units() + 10_000);
                }
            }
        }
    }
}
