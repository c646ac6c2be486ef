//! What belongs to an address.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use mvs_consensus::state::Coin;
use mvs_consensus::subsidy::deposit_reward;
use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::amount::AssetAmount;
use mvs_primitives::attachment::Payload;
use mvs_primitives::input::OutPoint;
use mvs_primitives::script::Pattern;
use mvs_primitives::text::{DidName, Symbol};
use mvs_store::Order;
use mvs_store::backing::Disk;
use serde_json::{Value, json};

use super::error::RpcError;
use super::source::Source;
use super::spendable::{CONFIRMATIONS, Now};
use super::{Context, asset, or_null, shapes};

/// Lines of history or coins that are read at once.
const PAGE: usize = 10_000;
/// The longest that one command looks through outputs.
const MAX_TIME: Duration = Duration::from_secs(15);
/// Pages that one answer reads: longer histories are for the node's own interface.
const MAX_PAGES: usize = 100;
/// The most rows of one answer.
const MAX_ROWS: usize = 100_000;

/// A row of an unspent output, to be put in order.
struct Row {
    balance: u64,
    frozen: u64,
    outpoint: OutPoint,
    height: u32,
    symbol: Option<Symbol>,
}

impl Row {
    fn show(&self) -> Value {
        let mut out = json!({
            "available": self.balance.saturating_sub(self.frozen),
            "balance": self.balance,
            "frozen": self.frozen,
            "utxo_block": self.height,
            "utxo_hash": self.outpoint.txid.to_string(),
            "utxo_index": self.outpoint.index,
        });
        if let (Some(symbol), Some(fields)) = (&self.symbol, out.as_object_mut()) {
            fields.insert("symbol".to_owned(), shapes::text(symbol));
        }
        out
    }
}

/// The greatest first, and those within a range only.
fn show_rows(mut rows: Vec<Row>, range: Option<&Range<u64>>) -> Vec<Value> {
    rows.retain(|row| range.is_none_or(|range| range.contains(&row.balance)));
    // Rows of the same amount: the youngest first.
    rows.sort_by_key(|row| std::cmp::Reverse((row.balance, row.height, row.outpoint.index)));
    rows.iter().map(Row::show).collect()
}

/// A sum that JSON can hold. Only sums over the whole history can be greater.
fn clamp(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}

impl<S: Source> Context<'_, S> {
    pub(super) fn validate_address(&self) -> Value {
        let text = self.args.text("PAYMENT_ADDRESS").unwrap_or_default();
        let kinds = |key_hash: &'static str| {
            move |address: Address| match address {
                Address::KeyHash(_) => key_hash,
                Address::ScriptHash(_) => "p2sh(multi-signature)",
                Address::Blackhole => "p2blackhole",
            }
        };
        let main = Address::parse(text, &AddressFormat::MAINNET).map(kinds("p2kh(main-net)"));
        let test = Address::parse(text, &AddressFormat::TESTNET).map(kinds("p2kh(test-net)"));
        // Script hashes and the blackhole look the same on both.
        let kind = main.or(test).unwrap_or("none");
        let is_valid = Address::parse(text, &self.params().addresses).is_ok();
        let message = match (is_valid, kind) {
            (true, _) => "valid address",
            (false, "none") => "invalid address",
            (false, _) => "the address is one of another network",
        };
        json!({
            self.version.key("address-type", "address_type"): kind,
            self.version.key("test-net", "testnet"): self.is_testnet(),
            self.version.key("is-valid", "is_valid"): is_valid,
            "message": message,
        })
    }

    /// Reads an address, or the name of an identity that lives at one.
    fn address(&self) -> Result<Address, RpcError> {
        let text = self.args.needed("ADDRESS");
        if let Ok(address) = Address::parse(text, &self.params().addresses) {
            return Ok(address);
        }
        let name = DidName::new(text).ok();
        let did = name.and_then(|name| self.snapshot.registry().dids().last(&name).copied());
        did.map(|did| did.address).ok_or_else(|| RpcError::no_such_did(text))
    }

    /// Looks at all unspent outputs of an address, oldest first.
    fn visit_unspent(
        &self,
        address: &Address,
        mut visit: impl FnMut(&OutPoint, &Coin) -> Result<(), RpcError>,
    ) -> Result<(), RpcError> {
        let (start, mut after) = (Instant::now(), None);
        for _ in 0..MAX_PAGES {
            if start.elapsed() > MAX_TIME {
                return Err(too_long());
            }
            let page = self.snapshot.address_unspent(address, after, PAGE)?;
            page.coins.iter().try_for_each(|(outpoint, coin)| visit(outpoint, coin))?;
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
        Err(too_long())
    }

    /// Makes a row of each unspent output for which there is one.
    fn rows<T>(
        &self,
        address: &Address,
        mut row: impl FnMut(&OutPoint, &Coin) -> Result<Option<T>, RpcError>,
    ) -> Result<Vec<T>, RpcError> {
        let mut rows = Vec::new();
        self.visit_unspent(address, |outpoint, coin| {
            rows.extend(row(outpoint, coin)?);
            if rows.len() > MAX_ROWS { Err(too_long()) } else { Ok(()) }
        })?;
        Ok(rows)
    }

    /// Sums up all that an address ever received.
    fn received(&self, address: &Address) -> Result<u128, RpcError> {
        let (start, mut sum, mut after) = (Instant::now(), 0u128, None);
        for _ in 0..MAX_PAGES {
            if start.elapsed() > MAX_TIME {
                return Err(too_long());
            }
            let lines = self.snapshot.address_history(address, Order::OldestFirst, after, PAGE)?;
            let paid = lines.iter().filter(|line| line.cursor.is_output);
            // At most a million numbers of 64 bits.
            sum += paid.map(|line| u128::from(line.value.units())).sum::<u128>();
            if lines.len() < PAGE {
                return Ok(sum);
            }
            after = lines.last().map(|line| line.cursor);
        }
        Err(too_long())
    }

    pub(super) fn get_address_etp(&self) -> Result<Value, RpcError> {
        let address = self.address()?;
        let range = self.args.range("range")?;
        self.check_index()?;
        let now = Now::new(&self.snapshot, self.params(), u64::from(CONFIRMATIONS))?;
        let shown = if self.args.flag("deposited") {
            or_null(self.deposits(&address)?)
        } else if self.args.flag("utxo") {
            let rows = self.rows(&address, |outpoint, coin| etp_row(&now, outpoint, coin))?;
            or_null(show_rows(rows, range.as_ref()))
        } else {
            self.etp_balance(&now, &address)?
        };
        Ok(self.version.wrap("balance", shown))
    }

    fn etp_balance(&self, now: &Now<'_, S::Disk>, address: &Address) -> Result<Value, RpcError> {
        let (mut unspent, mut frozen) = (0u128, 0u128);
        self.visit_unspent(address, |outpoint, coin| {
            if let Some(row) = etp_row(now, outpoint, coin)? {
                unspent += u128::from(row.balance);
                frozen += u128::from(row.frozen);
            }
            Ok(())
        })?;
        Ok(json!({
            "address": address.to_text(&self.params().addresses),
            "available": clamp(unspent.saturating_sub(frozen)),
            "confirmed": clamp(unspent),
            "frozen": clamp(frozen),
            "received": clamp(self.received(address)?),
            "unspent": clamp(unspent),
        }))
    }

    /// Deposits whose lock has not run out.
    fn deposits(&self, address: &Address) -> Result<Vec<Value>, RpcError> {
        let tip = self.snapshot.tip().height;
        let shown = address.to_text(&self.params().addresses);
        let row = |outpoint: &OutPoint, coin: &Coin| {
            let lock = shapes::deposit_lock(&coin.output.script.pattern())?;
            (tip.blocks_since(coin.height) < lock).then_some(())?;
            let value = coin.output.value;
            let bonus = deposit_reward(self.params(), lock, value).map_or(0, |bonus| bonus.units());
            let expiration = u64::from(coin.height.value()) + u64::from(lock); // both have 32 bits
            Some(json!({
                "address": shown,
                "bonus_balance": bonus,
                "deposited_balance": value.units(),
                "deposited_height": coin.height.value(),
                "expiration_height": expiration,
                "tx_hash": outpoint.txid.to_string(),
            }))
        };
        self.rows(address, |outpoint, coin| Ok(row(outpoint, coin)))
    }

    pub(super) fn get_address_asset(&self) -> Result<Value, RpcError> {
        let address = self.address()?;
        let range = self.args.range("range")?;
        let confirmations = self.args.u64("utxominimumconfirmations")?;
        self.check_index()?;
        let wanted = self.args.text("symbol");
        if self.args.flag("cert") {
            let list = self.rows(&address, |_, coin| Ok(cert_of(coin, wanted)))?;
            return Ok(self.version.wrap_list("assetcerts", list));
        }
        let confirmations = confirmations.unwrap_or(u64::from(CONFIRMATIONS));
        let now = Now::new(&self.snapshot, self.params(), confirmations)?;
        let list = if self.args.flag("deposited") {
            let shown = address.to_text(&self.params().addresses);
            self.rows(&address, |outpoint, coin| {
                self.locked_asset(&now, &shown, outpoint, coin, wanted)
            })?
        } else if self.args.flag("utxo") {
            let rows =
                self.rows(&address, |outpoint, coin| asset_row(&now, outpoint, coin, wanted))?;
            show_rows(rows, range.as_ref())
        } else {
            self.asset_balances(&now, &address, wanted)?
        };
        Ok(self.version.wrap_list("assets", list))
    }

    fn asset_balances(
        &self,
        now: &Now<'_, S::Disk>,
        address: &Address,
        wanted: Option<&str>,
    ) -> Result<Vec<Value>, RpcError> {
        let mut sums: BTreeMap<Symbol, (u128, u128)> = BTreeMap::new();
        self.visit_unspent(address, |_, coin| {
            if let Some((symbol, quantity)) = asset_of(coin, wanted) {
                let locked = now.locked_quantity(coin, quantity)?;
                let sum = sums.entry(symbol.clone()).or_default();
                sum.0 += u128::from(quantity.units());
                sum.1 += u128::from(locked);
            }
            Ok(())
        })?;
        let shown = address.to_text(&self.params().addresses);
        let mut rows = Vec::new();
        for (symbol, (quantity, locked)) in sums {
            let Some(mut row) = self.asset_facts(&symbol) else { continue };
            let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
            put("address", json!(shown));
            put("locked_quantity", json!(clamp(locked)));
            put("quantity", json!(clamp(quantity)));
            put("status", json!("unspent"));
            rows.push(Value::Object(row));
        }
        Ok(rows)
    }

    /// What is registered of an asset, without what belongs to one record.
    fn asset_facts(&self, symbol: &Symbol) -> Option<serde_json::Map<String, Value>> {
        // Issuer and texts are those of the first issue, whoever issued more later.
        let state = self.snapshot.registry().assets().get(symbol)?.get(0)?;
        let mut row = shapes::asset_detail(&state.detail);
        for key in ["address", "is_secondaryissue", "maximum_supply"] {
            row.remove(key);
        }
        Some(row)
    }

    /// An output of which a model locks a part.
    fn locked_asset(
        &self,
        now: &Now<'_, S::Disk>,
        address: &str,
        outpoint: &OutPoint,
        coin: &Coin,
        wanted: Option<&str>,
    ) -> Result<Option<Value>, RpcError> {
        let Some((symbol, quantity)) = asset_of(coin, wanted) else { return Ok(None) };
        let pattern = coin.output.script.pattern();
        let Pattern::PayKeyHashWithAttenuationModel { model, .. } = &pattern else {
            return Ok(None);
        };
        let Some(model) = shapes::attenuation(model) else { return Ok(None) };
        let locked = now.locked_quantity(coin, quantity)?;
        let state = self.snapshot.registry().assets().last(symbol);
        let row = json!({
            "address": address,
            "attenuation_model_param": model,
            "decimal_number": state.map_or(0, |state| state.detail.decimal_number),
            "locked_quantity": locked,
            "quantity": quantity.units(),
            "status": "unspent",
            "symbol": shapes::text(symbol),
            "tx_hash": outpoint.txid.to_string(),
            "tx_height": coin.height.value(),
        });
        Ok((locked > 0).then_some(row))
    }
}

fn too_long() -> RpcError {
    let text = "the history of this address is too long for this interface";
    RpcError::untyped(format!("{text}: use the node's own, which answers in pages"))
}

fn is_wanted(wanted: Option<&str>, symbol: &Symbol) -> bool {
    wanted.is_none_or(|wanted| wanted.as_bytes() == symbol.as_bytes())
}

/// The asset in a coin, if it is shown.
fn asset_of<'a>(coin: &'a Coin, wanted: Option<&str>) -> Option<(&'a Symbol, AssetAmount)> {
    let (symbol, quantity) = coin.output.attachment.asset()?;
    (!asset::is_hidden(symbol) && is_wanted(wanted, symbol)).then_some((symbol, quantity))
}

/// The certificate in a coin, as a row.
fn cert_of(coin: &Coin, wanted: Option<&str>) -> Option<Value> {
    match &coin.output.attachment.payload {
        Payload::Cert(cert) if is_wanted(wanted, &cert.symbol) => {
            Some(Value::Object(shapes::cert_row(cert)))
        }
        _ => None,
    }
}

/// A coin that holds ETP, as a row.
fn etp_row<D: Disk>(
    now: &Now<'_, D>,
    outpoint: &OutPoint,
    coin: &Coin,
) -> Result<Option<Row>, RpcError> {
    let balance = coin.output.value.units();
    if balance == 0 {
        return Ok(None);
    }
    let frozen = if now.is_frozen(coin)? { balance } else { 0 };
    let height = coin.height.value();
    Ok(Some(Row { balance, frozen, outpoint: *outpoint, height, symbol: None }))
}

/// A coin that holds an asset, as a row.
fn asset_row<D: Disk>(
    now: &Now<'_, D>,
    outpoint: &OutPoint,
    coin: &Coin,
    wanted: Option<&str>,
) -> Result<Option<Row>, RpcError> {
    let Some((symbol, quantity)) = asset_of(coin, wanted) else { return Ok(None) };
    let balance = quantity.units();
    let locked = now.locked_quantity(coin, quantity)?;
    let frozen = if now.is_frozen(coin)? { balance } else { locked };
    let (height, symbol) = (coin.height.value(), Some(symbol.clone()));
    Ok(Some(Row { balance, frozen, outpoint: *outpoint, height, symbol }))
}

#[cfg(test)]
mod tests {
    use mvs_primitives::hash::TxId;
    use mvs_primitives::input::OutPoint;

    use super::{Row, clamp, show_rows};

    #[test]
    fn rows_are_sorted_by_amount_and_cut_by_a_range() {
        let row = |balance, height| Row {
            balance,
            frozen: 0,
            outpoint: OutPoint::new(TxId::ZERO, 0),
            height,
            symbol: None,
        };
        let rows = || vec![row(1, 1), row(5, 2), row(5, 3), row(9, 4)];
        let heights = |rows: Vec<serde_json::Value>| -> Vec<u64> {
            rows.iter().map(|row| row["utxo_block"].as_u64().unwrap()).collect()
        };
        assert_eq!(heights(show_rows(rows(), None)), [4, 3, 2, 1]);
        assert_eq!(heights(show_rows(rows(), Some(&(1..9)))), [3, 2, 1]);
        assert_eq!(clamp(u128::from(u64::MAX) + 1), u64::MAX);
    }
}
