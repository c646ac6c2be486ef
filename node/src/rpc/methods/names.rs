//! Assets, certificates, identities, unique items.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Instant;

use mvs_consensus::state::{AssetState, CertKey, DidState, MitState, StateView as _};
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::AssetAmount;
use mvs_primitives::attachment::CertType;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::names::{
    AddressParams, Asset, AssetHolder, AssetHolders, AssetHoldersParams, AssetIssue, AssetIssues,
    AssetList, AssetListParams, AssetParams, Certificate, Certificates, Did, DidHistory, DidList,
    DidParams, ListParams, Mit, MitList, MitParams, MitTrace, SymbolParams,
};
use mvs_rpc_api::types::{AmountForm, Quantity};

use super::address::{MOST_TIME, check_index};
use super::limit;
use crate::chain::events::TipView;
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};
use crate::rpc::show;

/// Unspent outputs that are read at a time.
const PAGE: usize = 10_000;

fn count(names: usize) -> u64 {
    u64::try_from(names).unwrap_or(u64::MAX)
}

fn name<T, E: std::fmt::Display>(
    make: impl Fn(&str) -> Result<T, E>,
    what: &str,
    text: &str,
) -> RpcResult<T> {
    make(text).map_err(|error| fault::bad(format!("{what}: {error}")))
}

fn symbol(text: &str) -> RpcResult<Symbol> {
    name(|text| Symbol::new(text), "symbol", text)
}

/// Cuts a page that was read with one name too many; tells whether there was one.
fn cut<T>(mut page: Vec<T>, limit: usize) -> (Vec<T>, bool) {
    let has_more = page.len() > limit;
    page.truncate(limit);
    (page, has_more)
}

fn asset(state: &AssetState, amounts: Option<AmountForm>) -> Asset {
    let detail = &state.detail;
    Asset {
        symbol: show::text(&detail.symbol),
        supply: Quantity::new(state.supply.units(), detail.decimal_number, amounts),
        decimal_number: detail.decimal_number,
        secondaryissue_threshold: detail.threshold.percent(),
        issuer: show::text(&detail.issuer),
        address: show::text(&detail.address),
        description: show::text(detail.description.as_bytes()),
        issue_height: state.issue_height.value(),
        height: state.height.value(),
    }
}

pub(in crate::rpc) fn asset_list(view: &TipView, params: &AssetListParams) -> RpcResult<AssetList> {
    let after = params.after.as_deref().map(symbol).transpose()?;
    let limit = limit(params.limit, 100, 1_000)?;
    let all = view.snapshot.registry().assets();
    let (page, has_more) = cut(all.page(after.as_ref(), limit.saturating_add(1)), limit);
    Ok(AssetList {
        count: count(all.len()),
        assets: page.iter().map(|(_, state)| asset(state, params.amounts)).collect(),
        next: page.last().filter(|_| has_more).map(|(symbol, _)| symbol.to_string()),
    })
}

pub(in crate::rpc) fn asset_show(view: &TipView, params: &AssetParams) -> RpcResult<Asset> {
    let symbol = symbol(&params.symbol)?;
    let found = view.snapshot.registry().assets().last(&symbol);
    found
        .map(|state| asset(state, params.amounts))
        .ok_or_else(|| RpcError::of(ErrorCode::AssetNotFound))
}

pub(in crate::rpc) fn asset_issues(view: &TipView, params: &AssetParams) -> RpcResult<AssetIssues> {
    let symbol = symbol(&params.symbol)?;
    let found = view.snapshot.registry().assets().get(&symbol);
    let history = found.ok_or_else(|| RpcError::of(ErrorCode::AssetNotFound))?;
    let issue = |state: &AssetState| {
        let detail = &state.detail;
        let quantity = |units| Quantity::new(units, detail.decimal_number, params.amounts);
        AssetIssue {
            height: state.height.value(),
            is_secondary: detail.threshold.is_secondary(),
            quantity: quantity(detail.maximum_supply.units()),
            supply: quantity(state.supply.units()),
            issuer: show::text(&detail.issuer),
            address: show::text(&detail.address),
            description: show::text(detail.description.as_bytes()),
        }
    };
    Ok(AssetIssues { issues: history.iter().map(issue).collect() })
}

pub(in crate::rpc) fn asset_holders(
    context: &Context,
    view: &TipView,
    params: &AssetHoldersParams,
) -> RpcResult<AssetHolders> {
    let symbol = symbol(&params.symbol)?;
    let limit = limit(params.limit, 100, 10_000)?;
    let found = view.snapshot.registry().assets().last(&symbol);
    let decimals =
        found.ok_or_else(|| RpcError::of(ErrorCode::AssetNotFound))?.detail.decimal_number;
    check_index(view)?;
    let mut sums: BTreeMap<Option<Address>, (AssetAmount, u64)> = BTreeMap::new();
    let mut after = None;
    let start = Instant::now();
    while start.elapsed() < MOST_TIME {
        let page = view.snapshot.asset_unspent(symbol.as_bytes(), after, PAGE);
        let page = page.map_err(|error| fault::of_store(&error))?;
        for (_, coin) in &page.coins {
            let Some((_, quantity)) = coin.output.attachment.asset() else { continue };
            let (sum, outputs) = sums.entry(coin.output.script.address()).or_default();
            let together = sum.checked_add(quantity);
            *sum = together.ok_or_else(|| fault::internal("overflow", &"more than can be"))?;
            *outputs = outputs.saturating_add(1);
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if after.is_some() {
        return Err(RpcError::new(ErrorCode::TooMuch, "too many outputs ever held it"));
    }
    let mut holders: Vec<_> = sums.into_iter().collect();
    // Addresses of equal holdings stay in their order.
    holders.sort_by(|(_, (one, _)), (_, (other, _))| other.cmp(one));
    let count = count(holders.len());
    let show = |(address, (sum, outputs)): (Option<Address>, (AssetAmount, u64))| AssetHolder {
        address: address.map(|address| address.to_text(context.format())),
        quantity: Quantity::new(sum.units(), decimals, params.amounts),
        outputs,
    };
    Ok(AssetHolders { count, holders: holders.into_iter().take(limit).map(show).collect() })
}

pub(in crate::rpc) fn certificates(
    view: &TipView,
    params: &SymbolParams,
) -> RpcResult<Certificates> {
    let symbol = symbol(&params.symbol)?;
    let first = CertKey { symbol: symbol.clone(), cert_type: CertType::NONE };
    let certs = view.snapshot.registry().certs().iter_from(Bound::Included(first));
    let certificates = certs
        .take_while(|(key, _)| key.symbol == symbol)
        .filter_map(|(_, history)| history.last())
        .map(|state| Certificate {
            symbol: show::text(&state.cert.symbol),
            cert_type: state.cert.cert_type().number(),
            cert: state.cert.cert_type().name().to_owned(),
            owner: show::text(&state.cert.owner),
            address: show::text(&state.cert.address),
            content: state.cert.content().map(|content| show::text(content.as_bytes())),
            height: state.height.value(),
        })
        .collect();
    Ok(Certificates { certificates })
}

fn did(name: &DidName, state: &DidState, format: &AddressFormat) -> Did {
    Did {
        name: show::text(name),
        address: state.address.to_text(format),
        height: state.height.map(mvs_primitives::height::Height::value),
        is_transferred: state.is_transferred,
    }
}

fn did_name(text: &str) -> RpcResult<DidName> {
    name(|text| DidName::new(text), "name", text)
}

fn no_did() -> RpcError {
    RpcError::of(ErrorCode::DidNotFound)
}

pub(in crate::rpc) fn did_show(
    context: &Context,
    view: &TipView,
    params: &DidParams,
) -> RpcResult<Did> {
    let name = did_name(&params.name)?;
    let state = view.snapshot.registry().dids().last(&name).ok_or_else(no_did)?;
    Ok(did(&name, state, context.format()))
}

pub(in crate::rpc) fn did_list(
    context: &Context,
    view: &TipView,
    params: &ListParams,
) -> RpcResult<DidList> {
    let after = params.after.as_deref().map(did_name).transpose()?;
    let limit = limit(params.limit, 100, 1_000)?;
    let all = view.snapshot.registry().dids();
    let (page, has_more) = cut(all.page(after.as_ref(), limit.saturating_add(1)), limit);
    Ok(DidList {
        count: count(all.len()),
        dids: page.iter().map(|(name, state)| did(name, state, context.format())).collect(),
        next: page.last().filter(|_| has_more).map(|(name, _)| name.to_string()),
    })
}

pub(in crate::rpc) fn did_of_address(
    context: &Context,
    view: &TipView,
    params: &AddressParams,
) -> RpcResult<Did> {
    let address = context.address(&params.address)?;
    let name = view.snapshot.did_of(&address).map_err(|error| fault::of_fault(&error))?;
    let name = name.ok_or_else(no_did)?;
    let state = view.snapshot.registry().dids().last(&name).ok_or_else(no_did)?;
    Ok(did(&name, state, context.format()))
}

pub(in crate::rpc) fn did_history(
    context: &Context,
    view: &TipView,
    params: &DidParams,
) -> RpcResult<DidHistory> {
    let name = did_name(&params.name)?;
    let history = view.snapshot.registry().dids().get(&name).ok_or_else(no_did)?;
    let records = history.iter().map(|state| did(&name, state, context.format())).collect();
    Ok(DidHistory { records })
}

fn mit(symbol: &MitSymbol, state: &MitState, format: &AddressFormat) -> Mit {
    Mit {
        symbol: show::text(symbol),
        address: state.address.to_text(format),
        height: state.height.value(),
        is_transferred: state.is_transferred,
        content: show::text(state.content.as_bytes()),
    }
}

fn mit_symbol(text: &str) -> RpcResult<MitSymbol> {
    name(|text| MitSymbol::new(text), "symbol", text)
}

fn no_mit() -> RpcError {
    RpcError::of(ErrorCode::MitNotFound)
}

pub(in crate::rpc) fn mit_show(
    context: &Context,
    view: &TipView,
    params: &MitParams,
) -> RpcResult<Mit> {
    let symbol = mit_symbol(&params.symbol)?;
    let state = view.snapshot.registry().mits().last(&symbol).ok_or_else(no_mit)?;
    Ok(mit(&symbol, state, context.format()))
}

pub(in crate::rpc) fn mit_list(
    context: &Context,
    view: &TipView,
    params: &ListParams,
) -> RpcResult<MitList> {
    let after = params.after.as_deref().map(mit_symbol).transpose()?;
    let limit = limit(params.limit, 100, 1_000)?;
    let all = view.snapshot.registry().mits();
    let (page, has_more) = cut(all.page(after.as_ref(), limit.saturating_add(1)), limit);
    Ok(MitList {
        count: count(all.len()),
        mits: page.iter().map(|(symbol, state)| mit(symbol, state, context.format())).collect(),
        next: page.last().filter(|_| has_more).map(|(symbol, _)| symbol.to_string()),
    })
}

pub(in crate::rpc) fn mit_trace(
    context: &Context,
    view: &TipView,
    params: &MitParams,
) -> RpcResult<MitTrace> {
    let symbol = mit_symbol(&params.symbol)?;
    let history = view.snapshot.registry().mits().get(&symbol).ok_or_else(no_mit)?;
    let records = history.iter().map(|state| mit(&symbol, state, context.format())).collect();
    Ok(MitTrace { records })
}
