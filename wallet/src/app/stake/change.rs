//! `stake deposit`, `stake split`, `stake combine`: ordinary transactions that prepare staking.

use anyhow::Context as _;
use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Encode as _;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_rpc_api::error::ErrorCode;
use mvs_rpc_api::types::address::UnspentCoin;
use mvs_rpc_api::types::transaction::Payload;
use serde_json::json;

use crate::app::amount;
use crate::app::args::PayOrder;
use crate::app::exit::{Unsure, Usage};
use crate::app::home::Home;
use crate::app::tell;
use crate::assemble::{Plan, PlanRules, ProvenCoin, plan, select, sign_inputs};
use crate::keys::private_key::PrivateKey;
use crate::link::{LinkError, NodeLink};

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
            tell::answer(home.is_json, &shown)?;
            return Ok(());
        }
        if !order.yes {
            tell::answer(false, &shown)?;
            tell::confirm("Sign and send this?")?;
        }
        sign_inputs(&mut plan.transaction, &plan.spent, &self.key)?;
        let txid = plan.transaction.txid();
        self.link.submit(&plan.transaction).await.map_err(|error| unsure(&txid, error))?;
        let size = plan.transaction.to_bytes().len();
        let sent = || format!("{txid} was sent: do not send it again");
        let mut answer = shown;
        if let Some(members) = answer.as_object_mut() {
            members.insert("txid".to_owned(), json!(txid.to_string()));
            members.insert("size".to_owned(), json!(size));
        }
        if home.is_json {
            tell::answer(true, &answer).with_context(sent)
        } else {
            tell::answer(false, &json!({"sent": txid.to_string(), "size": size})).with_context(sent)
        }
    }
}

/// Says what is known of a transaction whose answer did not come: it may be on its way, and a second
/// one would pay twice.
fn unsure(txid: &TxId, error: LinkError) -> anyhow::Error {
    let is_refused = match &error {
        LinkError::Refused(refused) => [
            ErrorCode::TransactionRefused,
            ErrorCode::Rights,
            ErrorCode::InvalidParams,
            ErrorCode::MethodNotFound,
        ]
        .into_iter()
        .any(|code| refused.is(code)),
        LinkError::Credentials { .. } => true,
        LinkError::Unreachable { .. } | LinkError::Strange { .. } => false,
    };
    if is_refused {
        return error.into();
    }
    Unsure { txid: *txid, source: error }.into()
}

/// Tells whether the node calls a coin plain, ours, and old enough. Proven values follow later.
fn is_usable(coin: &UnspentCoin, own: &str, height: u32, maturity: u32) -> bool {
    let is_plain = coin.output.script.hex == own
        && coin.output.value.units().is_some_and(|units| units > 0)
        && matches!(coin.output.attachment.payload, Payload::Etp)
        && matches!(coin.output.attachment.version, 0 | 1);
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
    all: bool,
    order: &PayOrder,
) -> anyhow::Result<()> {
    let purse = Purse::open(home, address, order).await?;
    let below = (!all).then_some(home.params.stake.stake_min_value);
    let chosen = smallest(&purse.coins, most, below)?;
    let coins = purse.prove(&chosen).await?;
    let what = format!("joins {} coins into one", coins.len());
    // Nothing is paid: all of it comes back as change.
    let plan = plan(&purse.rules, &purse.owner, coins, Vec::new())?;
    purse.finish(home, order, &what, plan).await
}

/// Chooses what is joined: the smallest coins, of those below an amount.
fn smallest(
    coins: &[(Amount, (OutPoint, u32))],
    most: u32,
    below: Option<Amount>,
) -> Result<Vec<(OutPoint, u32)>, Usage> {
    let is_meant = |value: Amount| below.is_none_or(|below| value < below);
    let mut coins: Vec<_> = coins.iter().filter(|(value, _)| is_meant(*value)).collect();
    coins.sort_unstable();
    coins.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    if coins.len() >= 2 {
        return Ok(coins.into_iter().map(|(_, place)| *place).collect());
    }
    Err(Usage(below.map_or_else(
        || "there are no two plain coins to join".to_owned(),
        |below| {
            let below = amount::show(below.units());
            format!(
                "there are no two plain coins of less than {below} ETP to join; --all takes those \
                 that can be staked as well"
            )
        },
    )))
}

#[cfg(test)]
mod tests {
    use super::{is_usable, parts, smallest, unsure};
    use crate::app::exit::Exit;
    use crate::link::LinkError;
    use mvs_primitives::amount::Amount;
    use mvs_primitives::hash::TxId;
    use mvs_primitives::input::OutPoint;
    use mvs_rpc_api::error::{ErrorCode, RpcError};
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};
    use serde_json::{Value, json};

    #[test]
    fn which_coins_are_usable() {
        let usable = |attachment: Value, height: u32| {
            let coin = json!({
                "txid": "", "index": 0, "height": height, "is_coinbase": true,
                "output": {
                    "value": 7, "script": {"hex": "aa", "text": "", "pattern": "pay_key_hash"},
                    "attachment": attachment,
                },
            });
            is_usable(&serde_json::from_value(coin).unwrap(), "aa", 100, 10)
        };
        for (version, expected) in [(0, true), (1, true), (2, false), (207, false)] {
            let attachment = json!({"version": version, "type": "etp"});
            assert_eq!(usable(attachment.clone(), 50), expected, "{version}");
            assert!(!usable(attachment, 92), "{version}: young");
        }
        assert!(!usable(json!({"version": 1, "type": "message", "content": "hi"}), 50));
    }

    #[test]
    fn coins_that_can_be_staked_are_joined_when_asked_for_only() {
        let units = |units| Amount::from_units(units);
        let place = |index| (OutPoint::new(TxId::ZERO, index), 1);
        let coins: Vec<_> =
            [50, 3, 99, 7, 100].into_iter().zip(0..).map(|(v, n)| (units(v), place(n))).collect();
        let below = Some(units(99));
        assert_eq!(smallest(&coins, 10, below).unwrap(), [place(1), place(3), place(0)]);
        assert_eq!(smallest(&coins, 2, below).unwrap(), [place(1), place(3)]);
        assert_eq!(smallest(&coins, 10, None).unwrap().len(), 5);
        assert!(smallest(&coins, 10, Some(units(7))).unwrap_err().0.contains("--all"));
        assert!(!smallest(&coins[..1], 10, None).unwrap_err().0.contains("--all"));
    }

    #[test]
    fn an_answer_that_is_lost_names_the_transaction() {
        let txid = TxId::from_bytes([0xab; 32]);
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        let refused = |code| LinkError::Refused(RpcError::of(code));
        let lost = LinkError::Unreachable { address, text: "no answer in time".to_owned() };
        let strange = LinkError::Strange { method: "mempool_submit", text: String::new() };
        for (error, exit, is_unsure) in [
            (lost, Exit::Failed, true),
            (strange, Exit::Failed, true),
            (refused(ErrorCode::Timeout), Exit::Failed, true),
            (refused(ErrorCode::Internal), Exit::Failed, true),
            (refused(ErrorCode::TransactionRefused), Exit::Refused, false),
        ] {
            let error = unsure(&txid, error);
            let said = format!("{error:#}");
            assert_eq!(said.contains(&txid.to_string()), is_unsure, "{said}");
            assert_eq!(said.contains("before you try again"), is_unsure, "{said}");
            assert_eq!(Exit::of(&error), exit, "{said}");
        }
    }

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
