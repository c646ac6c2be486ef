//! `stake deposit`, `stake split`, `stake combine`: ordinary transactions that prepare staking.

use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Encode as _;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_rpc_api::types::address::UnspentCoin;
use serde_json::json;

use crate::app::amount;
use crate::app::args::PayOrder;
use crate::app::exit::Usage;
use crate::app::home::Home;
use crate::app::tell;
use crate::assemble::{Plan, PlanRules, ProvenCoin, plan, select, sign_inputs};
use crate::keys::private_key::PrivateKey;
use crate::link::NodeLink;

/// Versions of ordinary transactions (chain.md 3.2).
const OLD_VERSION: u32 = 2;
const NEW_VERSION: u32 = 4;
/// Most blocks of a lock: it has 20 bits.
const MOST_BLOCKS: u32 = 0xf_ffff;

/// A key, its coins as the node says, and the frame of a transaction.
struct Purse {
    link: NodeLink,
    key: PrivateKey,
    owner: [u8; 20],
    height: u32,
    rules: PlanRules,
    /// Plain coins that can be spent in the next block: place, value, height.
    coins: Vec<(Amount, (OutPoint, u32))>,
}

impl Purse {
    async fn open(home: &Home, address: Option<&str>, order: &PayOrder) -> anyhow::Result<Self> {
        let least_fee = home.params.fees.min_fee;
        let fee = order.fee.as_deref().map_or(Ok(least_fee), amount::parse)?;
        let most_fee = amount::parse(&order.max_fee)?;
        let key = home.key(address)?;
        let owner = mvs_primitives::hash::hash160(&key.public_key_bytes());
        let link = home.link()?;
        let height = link.tip().await?.height;
        let is_new = home.params.version_4_allowed.is_active(Height::new(height));
        let rules = PlanRules {
            version: if is_new { NEW_VERSION } else { OLD_VERSION },
            fee,
            least_fee,
            most_fee,
            max_money: home.params.max_money,
        };
        let own = hex::encode(Script::pay_key_hash(&owner).as_bytes());
        let maturity = home.params.coinbase_maturity;
        let coins = link.unspent(&home.show(&key.address())).await?;
        let coins = coins.iter().filter(|coin| is_usable(coin, &own, height, maturity));
        let coins = coins.map(|coin| {
            let txid = coin.txid.parse();
            let txid = txid.map_err(|_| Usage("the node names a coin by no id".to_owned()))?;
            let place = OutPoint::new(txid, coin.index);
            let value = coin.output.value.units();
            let value = value.ok_or_else(|| Usage("the node writes no base units".to_owned()))?;
            Ok((Amount::from_units(value), (place, coin.height)))
        });
        let coins = coins.collect::<Result<Vec<_>, Usage>>()?;
        Ok(Self { link, key, owner, height, rules, coins })
    }

    /// Fetches the transactions that made coins, so that nobody can lie about their value.
    async fn prove(&self, chosen: &[(OutPoint, u32)]) -> anyhow::Result<Vec<ProvenCoin>> {
        let mut proven = Vec::with_capacity(chosen.len());
        for (coin, height) in chosen {
            proven.push(self.link.prove(*coin, *height).await??);
        }
        Ok(proven)
    }

    /// Shows a transaction, asks, signs, and hands it in.
    async fn finish(
        self,
        home: &Home,
        order: &PayOrder,
        what: &str,
        mut plan: Plan,
    ) -> anyhow::Result<()> {
        let outputs: Vec<_> = plan
            .transaction
            .outputs
            .iter()
            .map(|output| {
                json!({
                    "value": amount::show(output.value.units()),
                    "address": output.script.address().map(|address| home.show(&address)),
                    "script": output.script.to_string(),
                })
            })
            .collect();
        let spent = Amount::checked_sum(plan.spent.iter().map(ProvenCoin::value));
        let shown = json!({
            "does": what,
            "spends": amount::show(spent.map_or(0, Amount::units)),
            "inputs": plan.spent.len(),
            "outputs": outputs,
            "fee": amount::show(plan.fee.units()),
        });
        if order.dry_run {
            tell::answer(home.is_json, &shown);
            return Ok(());
        }
        if !order.yes {
            tell::answer(false, &shown);
            tell::confirm("Sign and send this?")?;
        }
        sign_inputs(&mut plan.transaction, &plan.spent, &self.key)?;
        let txid = self.link.submit(&plan.transaction).await?;
        let size = plan.transaction.to_bytes().len();
        let mut answer = shown;
        if let Some(members) = answer.as_object_mut() {
            members.insert("txid".to_owned(), json!(txid.to_string()));
            members.insert("size".to_owned(), json!(size));
        }
        if home.is_json {
            tell::answer(true, &answer);
        } else {
            tell::answer(false, &json!({"sent": txid.to_string(), "size": size}));
        }
        Ok(())
    }
}

/// Tells whether the node calls a coin plain, ours, and old enough. Proven values follow later.
fn is_usable(coin: &UnspentCoin, own: &str, height: u32, maturity: u32) -> bool {
    let is_plain = coin.output.script.hex == own
        && coin.output.value.units().is_some_and(|units| units > 0)
        && matches!(coin.output.attachment.payload, mvs_rpc_api::types::transaction::Payload::Etp)
        && coin.output.attachment.to_did.is_none();
    // The next block is the one that spends it.
    let age = height.saturating_add(1).saturating_sub(coin.height);
    is_plain && (!coin.is_coinbase || age >= maturity)
}

pub(super) async fn deposit(
    home: &Home,
    address: Option<&str>,
    amount: &str,
    blocks: Option<u32>,
    order: &PayOrder,
) -> anyhow::Result<()> {
    let value = amount::parse(amount)?;
    let stake = &home.params.stake;
    let blocks = blocks.unwrap_or(stake.deposit_min_lock);
    if value < stake.deposit_min_value {
        let least = amount::show(stake.deposit_min_value.units());
        return Err(Usage(format!("a deposit of less than {least} ETP entitles to nothing")).into());
    }
    if !(stake.deposit_min_lock..=MOST_BLOCKS).contains(&blocks) {
        let least = stake.deposit_min_lock;
        let text = format!("a deposit is for {least} to {MOST_BLOCKS} blocks, not {blocks}");
        return Err(Usage(text).into());
    }
    let purse = Purse::open(home, address, order).await?;
    if !home.params.sequence_locks_allowed.is_active(Height::new(purse.height)) {
        let text = format!("no deposit can be made yet at height {}", purse.height);
        return Err(Usage(text).into());
    }
    let chosen = select(&purse.rules, &purse.coins, value)?;
    let coins = purse.prove(&chosen).await?;
    let script = Script::pay_key_hash_with_sequence_lock(blocks, &purse.owner);
    let plan = plan(&purse.rules, &purse.owner, coins, vec![Output::etp(value, script)])?;
    let next = purse.height.saturating_add(1);
    let what = format!(
        "locks {} ETP for {blocks} blocks, to about height {}",
        amount::show(value.units()),
        next.saturating_add(blocks),
    );
    purse.finish(home, order, &what, plan).await
}

pub(super) async fn split(
    home: &Home,
    address: Option<&str>,
    into: u32,
    coin: Option<&str>,
    order: &PayOrder,
) -> anyhow::Result<()> {
    let purse = Purse::open(home, address, order).await?;
    let chosen = match coin {
        Some(text) => {
            let named =
                |(_, (place, _)): &&(Amount, (OutPoint, u32))| crate::assemble::show(place) == text;
            purse.coins.iter().find(named)
        }
        None => purse.coins.iter().max_by_key(|(value, _)| *value),
    };
    let none = || Usage("there is no such plain coin of the address that can be spent".to_owned());
    let (_, place) = *chosen.ok_or_else(none)?;
    let coins = purse.prove(&[place]).await?;
    let total = coins.first().map_or(Amount::ZERO, ProvenCoin::value);
    let outputs = parts(total, purse.rules.fee, into, &purse.owner)?;
    let least = home.params.stake.stake_min_value;
    if outputs.iter().any(|output| output.value < least) {
        let least = amount::show(least.units());
        tell::note(&format!("Parts of less than {least} ETP cannot be staked."));
    }
    let what = format!("splits {} ETP into {into} coins", amount::show(total.units()));
    let plan = plan(&purse.rules, &purse.owner, coins, outputs)?;
    purse.finish(home, order, &what, plan).await
}

/// Divides what a fee leaves; the first part gets what does not divide.
fn parts(total: Amount, fee: Amount, into: u32, owner: &[u8; 20]) -> Result<Vec<Output>, Usage> {
    let small = || Usage("the coin is too small for so many parts".to_owned());
    let rest = total.checked_sub(fee).ok_or_else(small)?.units();
    let part = rest.checked_div(u64::from(into)).filter(|part| *part > 0).ok_or_else(small)?;
    let others = part.checked_mul(u64::from(into) - 1).ok_or_else(small)?;
    let first = rest.checked_sub(others).ok_or_else(small)?;
    let make = |units| Output::etp(Amount::from_units(units), Script::pay_key_hash(owner));
    Ok((0..into).map(|number| make(if number == 0 { first } else { part })).collect())
}

pub(super) async fn combine(
    home: &Home,
    address: Option<&str>,
    most: u32,
    order: &PayOrder,
) -> anyhow::Result<()> {
    let mut purse = Purse::open(home, address, order).await?;
    purse.coins.sort_unstable();
    purse.coins.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    if purse.coins.len() < 2 {
        return Err(Usage("there are no two plain coins to join".to_owned()).into());
    }
    let chosen: Vec<(OutPoint, u32)> = purse.coins.iter().map(|(_, place)| *place).collect();
    let coins = purse.prove(&chosen).await?;
    let what = format!("joins {} coins into one", coins.len());
    // Nothing is paid: all of it comes back as change.
    let plan = plan(&purse.rules, &purse.owner, coins, Vec::new())?;
    purse.finish(home, order, &what, plan).await
}

#[cfg(test)]
mod tests {
    use super::parts;
    use mvs_primitives::amount::Amount;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    proptest! {
        #[test]
        fn parts_are_equal_and_complete(total in 0u64..1 << 60, into in 2u32..=100) {
            let fee = Amount::from_units(10_000);
            match parts(Amount::from_units(total), fee, into, &[0; 20]) {
                Err(_) => prop_assert!(total < 10_000 + u64::from(into)),
                Ok(outputs) => {
                    let values: Vec<u64> = outputs.iter().map(|one| one.value.units()).collect();
                    prop_assert_eq!(values.len() as u64, u64::from(into));
                    prop_assert_eq!(values.iter().sum::<u64>(), total - 10_000);
                    let (least, most) = (values.iter().min().unwrap(), values.iter().max().unwrap());
                    prop_assert!(*least > 0 && most - least < u64::from(into));
                }
            }
        }
    }
}
