//! What the index knows of addresses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mvs_consensus::params::Params;
use mvs_consensus::state::{Coin, StateView as _};
use mvs_primitives::address::Address;
use mvs_primitives::amount::AssetAmount;
use mvs_primitives::height::Height;
use mvs_primitives::script::{Pattern, parse_script_number};
use mvs_primitives::text::Symbol;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::address::{
    AddressBalance, AddressBalanceParams, AddressEntry, AddressHistory, AddressHistoryParams,
    AddressUnspent, AddressUnspentParams, AssetBalance, UnspentCoin,
};
use mvs_rpc_api::types::transaction::{ETP_DECIMALS, Output};
use mvs_rpc_api::types::{AmountForm, Order, Quantity};
use mvs_store::EntryCursor;

use super::limit;
use crate::chain::events::TipView;
use crate::rpc::context::Context;
use crate::rpc::cursor::{entry_text, parse_entry};
use crate::rpc::fault::{self, RpcResult};
use crate::rpc::show;

/// The longest that one question looks through outputs.
pub(super) const MOST_TIME: Duration = Duration::from_secs(15);
/// Most unspent outputs that a balance sums.
const MOST_COINS: usize = 200_000;

/// Asks whether the index is there, and complete.
pub(in crate::rpc) fn check_index(view: &TipView) -> RpcResult<()> {
    match view.snapshot.index_height() {
        None => Err(fault::of_store(&mvs_store::StoreError::NoIndex)),
        Some(next) if next <= view.tip.height => {
            let text = format!("the index has come to height {}", next.value());
            Err(RpcError::new(ErrorCode::IndexIncomplete, text))
        }
        Some(_) => Ok(()),
    }
}

fn cursor(text: Option<&String>) -> RpcResult<Option<EntryCursor>> {
    let read = |text: &String| parse_entry(text).ok_or_else(|| fault::bad("after: no such place"));
    text.map(read).transpose()
}

/// Shows a line of a history.
pub(in crate::rpc) fn entry(
    view: &TipView,
    entry: &mvs_store::AddressEntry,
    amounts: Option<AmountForm>,
) -> AddressEntry {
    let place = entry.cursor.place;
    let has_symbol = !entry.symbol.is_empty();
    let has_quantity = entry.quantity != AssetAmount::ZERO;
    AddressEntry {
        height: place.height.value(),
        number: place.number,
        txid: entry.txid.to_string(),
        is_output: entry.cursor.is_output,
        index: entry.cursor.index,
        spends_txid: entry.spends.map(|spent| spent.txid.to_string()),
        spends_index: entry.spends.map(|spent| spent.index),
        value: Quantity::new(entry.value.units(), ETP_DECIMALS, amounts),
        attachment_type: entry.attachment_type,
        symbol: has_symbol.then(|| show::text(&entry.symbol)),
        quantity: has_quantity.then(|| {
            let decimals = show::decimals_of(view, &show::text(&entry.symbol));
            Quantity::new(entry.quantity.units(), decimals, amounts)
        }),
    }
}

pub(in crate::rpc) fn history(
    context: &Context,
    view: &TipView,
    params: &AddressHistoryParams,
) -> RpcResult<AddressHistory> {
    let address = context.address(&params.address)?;
    check_index(view)?;
    let limit = limit(params.limit, 100, 1_000)?;
    let after = cursor(params.after.as_ref())?;
    let order = match params.order {
        Some(Order::NewestFirst) => mvs_store::Order::NewestFirst,
        Some(Order::OldestFirst) | None => mvs_store::Order::OldestFirst,
    };
    let lines = view
        .snapshot
        .address_history(&address, order, after, limit.saturating_add(1))
        .map_err(|error| fault::of_store(&error))?;
    let shown = lines.get(..limit.min(lines.len())).unwrap_or_default();
    let has_more = lines.len() > shown.len();
    Ok(AddressHistory {
        tip: view.tip.hash.to_string(),
        height: view.tip.height.value(),
        entries: shown.iter().map(|line| entry(view, line, params.amounts)).collect(),
        next: shown.last().filter(|_| has_more).map(|line| entry_text(&line.cursor)),
    })
}

pub(in crate::rpc) fn unspent(
    context: &Context,
    view: &TipView,
    params: &AddressUnspentParams,
) -> RpcResult<AddressUnspent> {
    let address = context.address(&params.address)?;
    check_index(view)?;
    let limit = limit(params.limit, 100, 1_000)?;
    let after = cursor(params.after.as_ref())?;
    let page = view
        .snapshot
        .address_unspent(&address, after, limit)
        .map_err(|error| fault::of_store(&error))?;
    let show = |(outpoint, coin): &(mvs_primitives::input::OutPoint, Coin)| UnspentCoin {
        txid: outpoint.txid.to_string(),
        index: outpoint.index,
        height: coin.height.value(),
        is_coinbase: coin.is_coinbase,
        output: show::in_form(
            show::output(&coin.output, context.format()),
            view,
            params.amounts,
            Output::into_decimal,
        ),
    };
    Ok(AddressUnspent {
        tip: view.tip.hash.to_string(),
        height: view.tip.height.value(),
        coins: page.coins.iter().map(show).collect(),
        next: page.next.as_ref().map(entry_text),
    })
}

/// Tells whether a coin cannot be spent in the next block: a deposit that runs, or a young coinbase.
fn is_locked(params: &Params, coin: &Coin, tip: Height) -> bool {
    let age = tip.blocks_since(coin.height);
    if coin.is_coinbase && age < params.coinbase_maturity {
        return true;
    }
    match coin.output.script.pattern() {
        Pattern::PayKeyHashWithLockHeight { lock_height, .. } => {
            parse_script_number(lock_height, 4, true).is_ok_and(|lock| lock > i64::from(age))
        }
        _ => false,
    }
}

pub(in crate::rpc) fn balance(
    context: &Context,
    view: &TipView,
    params: &AddressBalanceParams,
) -> RpcResult<AddressBalance> {
    let address: Address = context.address(&params.address)?;
    check_index(view)?;
    let (mut count, mut total, mut locked) = (0usize, 0u64, 0u64);
    let mut assets: BTreeMap<Symbol, u64> = BTreeMap::new();
    let (start, mut after) = (Instant::now(), None);
    let too_large = || RpcError::new(ErrorCode::TooMuch, "a sum exceeds 64 bits");
    loop {
        let page = view
            .snapshot
            .address_unspent(&address, after, 10_000)
            .map_err(|error| fault::of_store(&error))?;
        for (_, coin) in &page.coins {
            count = count.saturating_add(1);
            let value = coin.output.value.units();
            total = total.checked_add(value).ok_or_else(too_large)?;
            if is_locked(&context.params, coin, view.tip.height) {
                locked = locked.checked_add(value).ok_or_else(too_large)?;
            }
            if let Some((symbol, quantity)) = coin.output.attachment.asset() {
                let sum = assets.entry(symbol.clone()).or_default();
                *sum = sum.checked_add(quantity.units()).ok_or_else(too_large)?;
            }
        }
        if count > MOST_COINS || start.elapsed() > MOST_TIME {
            let text = "so much belongs to it that address_unspent must be read, page by page";
            return Err(RpcError::new(ErrorCode::TooMuch, text));
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let mut shown = Vec::with_capacity(assets.len());
    for (symbol, quantity) in assets {
        let asset = view.snapshot.asset(&symbol).map_err(|error| fault::of_fault(&error))?;
        let decimal_number = asset.map_or(0, |asset| asset.detail.decimal_number);
        shown.push(AssetBalance {
            symbol: show::text(&symbol),
            quantity: Quantity::new(quantity, decimal_number, params.amounts),
            decimal_number,
        });
    }
    let etp = |units| Quantity::new(units, ETP_DECIMALS, params.amounts);
    Ok(AddressBalance {
        tip: view.tip.hash.to_string(),
        height: view.tip.height.value(),
        coins: u64::try_from(count).unwrap_or(u64::MAX),
        total: etp(total),
        locked: etp(locked),
        available: etp(total.saturating_sub(locked)),
        assets: shown,
    })
}
