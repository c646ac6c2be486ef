//! Identities and unique items.

use std::collections::BTreeMap;

use mvs_consensus::state::{DidState, MitState, StateView};
use mvs_primitives::address::Address;
use mvs_primitives::attachment::Payload;
use mvs_primitives::height::Height;
use mvs_primitives::text::{DidName, MitSymbol};
use mvs_store::StoreError;
use mvs_store::registry::History;
use serde_json::{Map, Value, json};

use super::chain::read_block;
use super::error::RpcError;
use super::source::Source;
use super::{Context, Version, or_null, shapes};

/// The most rows of a page.
const PAGE_MAX: u64 = 100;

/// What a block adds to an item's record: its time, and for whom the outputs of the item are, in
/// their order.
struct BlockFacts {
    time: u32,
    receivers: BTreeMap<MitSymbol, Vec<Vec<u8>>>,
}

/// Which page is wanted: `--limit` and `--index`, which counts from 1.
fn page_of(limit: u64, index: u64) -> Result<(usize, usize), RpcError> {
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(RpcError::not_legal(format!("limit {limit} is not in range [1, {PAGE_MAX}]")));
    }
    let skip = index.checked_sub(1).and_then(|pages| pages.checked_mul(limit));
    let skip = skip.ok_or_else(|| RpcError::not_legal(format!("index {index} is not legal")))?;
    let wide = |number| usize::try_from(number).unwrap_or(usize::MAX);
    Ok((wide(skip), wide(limit)))
}

impl<S: Source> Context<'_, S> {
    fn shown(&self, address: &Address) -> Value {
        json!(address.to_text(&self.params().addresses))
    }

    pub(super) fn list_dids(&self) -> Result<Value, RpcError> {
        self.demand_no_account("listdids")?;
        let (limit, index) =
            (self.args.u64("limit")?.unwrap_or(PAGE_MAX), self.args.u64("index")?.unwrap_or(1));
        let (skip, take) = page_of(limit, index)?;
        let dids = self.snapshot.registry().dids();
        let total = dids.len();
        if skip >= total {
            return Err(RpcError::not_legal(format!("there is no page {index}")));
        }
        let page = dids.iter().skip(skip).take(take);
        let rows = page.filter_map(|(name, history)| {
            Some(json!({
                "address": self.shown(&history.last()?.address),
                "status": "registered",
                "symbol": shapes::text(name),
            }))
        });
        Ok(json!({
            "current_page": index,
            "dids": rows.collect::<Value>(),
            "total_count": total,
            "total_page": total.div_ceil(take),
        }))
    }

    pub(super) fn get_did(&self) -> Result<Value, RpcError> {
        let dids = self.snapshot.registry().dids();
        let Some(wanted) = self.args.text("DidOrAddress") else {
            let names: Vec<Value> = dids.iter().map(|(name, _)| shapes::text(name)).collect();
            return Ok(self.version.wrap("dids", or_null(names)));
        };
        let name = match Address::parse(wanted, &self.params().addresses) {
            Ok(address) => {
                self.snapshot.did_of(&address)?.ok_or_else(|| RpcError::unbound_address(wanted))?
            }
            Err(_) => DidName::new(wanted).map_err(|_| RpcError::no_did())?,
        };
        let history = dids.get(&name).ok_or_else(RpcError::no_did)?;
        let rows = self.homes(&name, history);
        Ok(match self.version {
            Version::V2 => json!({ "addresses": rows, "did": shapes::text(&name) }),
            Version::V3 => Value::Array(rows),
        })
    }

    /// Where an identity lives and has lived, the latest first.
    fn homes(&self, name: &DidName, history: &History<DidState>) -> Vec<Value> {
        let mut homes: Vec<&DidState> = history.iter().collect();
        homes.reverse();
        let row = |(number, home): (usize, &&DidState)| {
            let status = if number == 0 { "current" } else { "history" };
            let mut row = json!({ "address": self.shown(&home.address), "status": status });
            if let (Version::V3, Some(fields)) = (self.version, row.as_object_mut()) {
                fields.insert("symbol".to_owned(), shapes::text(name));
            }
            row
        };
        homes.iter().enumerate().map(row).collect()
    }

    pub(super) fn list_mits(&self) -> Result<Value, RpcError> {
        self.demand_no_account("listmits")?;
        let mits = self.snapshot.registry().mits();
        // A block is read once for all items that it registers.
        let mut by_height: BTreeMap<Height, Vec<(&MitSymbol, &History<MitState>)>> =
            BTreeMap::new();
        for (name, history) in mits.iter() {
            if let Some(first) = history.get(0) {
                by_height.entry(first.height).or_default().push((name, history));
            }
        }
        let mut rows = Vec::with_capacity(mits.len());
        for (height, items) in by_height {
            let facts = self.block_facts(height)?;
            for (name, history) in items {
                rows.extend(self.mit_row(name, history, 0, &facts, true)?);
            }
        }
        Ok(self.version.wrap_list("mits", rows))
    }

    pub(super) fn get_mit(&self) -> Result<Value, RpcError> {
        let mits = self.snapshot.registry().mits();
        let (trace, current) = (self.args.flag("trace"), self.args.flag("current"));
        let Some(wanted) = self.args.text("SYMBOL") else {
            if trace || current {
                return Err(RpcError::not_legal("a symbol is needed to trace it"));
            }
            let names: Vec<Value> = mits.iter().map(|(name, _)| shapes::text(name)).collect();
            return Ok(self.version.wrap("mits", or_null(names)));
        };
        let limit = u64::from(self.args.u32("limit")?.unwrap_or(100));
        let (skip, take) = page_of(limit, u64::from(self.args.u32("index")?.unwrap_or(1)))?;
        let found = MitSymbol::new(wanted).ok();
        let found = found.and_then(|name| Some((mits.get(&name)?, name)));
        let Some((history, name)) = found else { return Ok(Value::Null) };
        if trace {
            let mut rows = Vec::new();
            for number in (0..history.len()).rev().skip(skip).take(take) {
                rows.extend(self.mit_record(&name, history, number, false)?);
            }
            return Ok(self.version.wrap("mits", or_null(rows)));
        }
        let number = if current { history.len().saturating_sub(1) } else { 0 };
        Ok(self.mit_record(&name, history, number, true)?.unwrap_or_default())
    }

    fn mit_record(
        &self,
        name: &MitSymbol,
        history: &History<MitState>,
        number: usize,
        with_content: bool,
    ) -> Result<Option<Value>, RpcError> {
        let Some(state) = history.get(number) else { return Ok(None) };
        let facts = self.block_facts(state.height)?;
        self.mit_row(name, history, number, &facts, with_content)
    }

    /// Reads what the registry does not keep: the registry knows where an item is, the block for
    /// which identity it was sent there.
    fn block_facts(&self, height: Height) -> Result<BlockFacts, RpcError> {
        let what = "the registry names a block above the tip";
        let (block, _) =
            read_block(&self.snapshot, height)?.ok_or(StoreError::Disagree { height, what })?;
        let mut receivers: BTreeMap<MitSymbol, Vec<Vec<u8>>> = BTreeMap::new();
        for output in block.transactions.iter().flat_map(|tx| &tx.outputs) {
            if let Payload::Mit(mit) = &output.attachment.payload {
                let binding = output.attachment.version.binding();
                let receiver = binding.map(|binding| binding.to_did.as_bytes().to_vec());
                receivers.entry(mit.symbol.clone()).or_default().push(receiver.unwrap_or_default());
            }
        }
        Ok(BlockFacts { time: block.header.timestamp.unix_secs(), receivers })
    }

    /// One record of an item (rpc.md 3.5).
    fn mit_row(
        &self,
        name: &MitSymbol,
        history: &History<MitState>,
        number: usize,
        facts: &BlockFacts,
        with_content: bool,
    ) -> Result<Option<Value>, RpcError> {
        let Some(state) = history.get(number) else { return Ok(None) };
        let in_block_before =
            history.iter().take(number).filter(|earlier| earlier.height == state.height).count();
        let receivers = facts.receivers.get(name);
        let receiver = receivers.and_then(|list| list.get(in_block_before));
        let receiver = receiver.ok_or(StoreError::Disagree {
            height: state.height,
            what: "the registry names an item that the block does not touch",
        })?;
        let mut row = Map::new();
        let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
        put("address", self.shown(&state.address));
        if with_content {
            put("content", shapes::text(&state.content));
        }
        put("height", json!(state.height.value()));
        put("status", json!(shapes::mit_status(if state.is_transferred { 2 } else { 1 })));
        put("symbol", shapes::text(name));
        put(self.version.key("time_stamp", "timestamp"), json!(facts.time));
        put("to_did", shapes::text(receiver));
        Ok(Some(Value::Object(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::page_of;

    #[test]
    fn pages_count_from_one_and_are_bounded() {
        assert_eq!(page_of(100, 1).unwrap(), (0, 100));
        assert_eq!(page_of(3, 5).unwrap(), (12, 3));
        for (limit, index) in [(0, 1), (101, 1), (1, 0), (100, u64::MAX)] {
            assert_eq!(page_of(limit, index).unwrap_err().code, 2_003, "{limit} {index}");
        }
    }
}
