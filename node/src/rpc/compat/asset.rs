//! Issued assets and certificates of the whole chain.

use mvs_consensus::state::{AssetState, CertKey};
use mvs_primitives::attachment::Cert;
use mvs_primitives::text::Symbol;
use mvs_store::registry::History;
use serde_json::{Value, json};

use super::error::RpcError;
use super::source::Source;
use super::{Context, shapes};

/// The name of the coin; an asset of that name is not shown.
const COIN: &[u8] = b"ETP";

/// Tells whether the first node hides an asset.
pub(super) fn is_hidden(symbol: &Symbol) -> bool {
    symbol.as_bytes().eq_ignore_ascii_case(COIN)
}

/// The records of an asset as rows, the latest first.
fn rows(history: &History<AssetState>) -> Vec<Value> {
    let row = |state: &AssetState| {
        let mut row = shapes::asset_detail(&state.detail);
        row.insert("status".to_owned(), json!("issued"));
        Value::Object(row)
    };
    let mut rows: Vec<Value> = history.iter().map(row).collect();
    rows.reverse();
    rows
}

impl<S: Source> Context<'_, S> {
    /// A name of an account makes the account's list of it, which is for the wallet.
    pub(super) fn demand_no_account(&self, command: &str) -> Result<(), RpcError> {
        match self.args.text("ACCOUNTNAME") {
            None => Ok(()),
            Some(_) => Err(RpcError::use_the_wallet(&format!("{command} of an account"))),
        }
    }

    pub(super) fn list_assets(&self) -> Result<Value, RpcError> {
        self.demand_no_account("listassets")?;
        if self.args.flag("cert") {
            let rows = self.certs(|_, _| true).map(|cert| Value::Object(shapes::cert_row(cert)));
            return Ok(self.version.wrap_list("assetcerts", rows.collect()));
        }
        let registry = self.snapshot.registry();
        let shown = registry.assets().iter().filter(|(symbol, _)| !is_hidden(symbol));
        let list = shown.flat_map(|(_, history)| rows(history)).collect();
        Ok(self.version.wrap_list("assets", list))
    }

    pub(super) fn get_asset(&self) -> Result<Value, RpcError> {
        let wanted = self.args.text("SYMBOL");
        if self.args.flag("cert") {
            let list = match wanted {
                None => {
                    let mut names: Vec<&Symbol> =
                        self.certs(|_, _| true).map(|cert| &cert.symbol).collect();
                    names.dedup(); // certificates are in the order of their symbols
                    names.into_iter().map(shapes::text).collect()
                }
                Some(wanted) => self
                    .certs(|key, _| key.symbol.as_bytes() == wanted.as_bytes())
                    .map(|cert| Value::Object(shapes::cert_row(cert)))
                    .collect(),
            };
            return Ok(self.version.wrap_list("assetcerts", list));
        }
        let assets = self.snapshot.registry().assets();
        let list = match wanted {
            None => {
                let shown = assets.iter().filter(|(symbol, _)| !is_hidden(symbol));
                shown.map(|(symbol, _)| shapes::text(symbol)).collect()
            }
            Some(wanted) => {
                let symbol = Symbol::new(wanted).ok().filter(|symbol| !is_hidden(symbol));
                symbol.and_then(|symbol| assets.get(&symbol)).map(rows).unwrap_or_default()
            }
        };
        Ok(self.version.wrap_list("assets", list))
    }

    /// Certificates in the order of their symbols: those that pass a test, and the options for type
    /// and issuer.
    fn certs(&self, is_wanted: impl Fn(&CertKey, &Cert) -> bool) -> impl Iterator<Item = &Cert> {
        let kind = self.args.text("type");
        let owner = self.args.text("issuer");
        self.snapshot.registry().certs().iter().filter_map(move |(key, history)| {
            let cert = &*history.last()?.cert;
            let has_kind = kind
                .is_none_or(|kind| shapes::cert_name(cert.cert_type()).eq_ignore_ascii_case(kind));
            let has_owner = owner.is_none_or(|owner| cert.owner.as_bytes() == owner.as_bytes());
            (has_kind && has_owner && is_wanted(key, cert)).then_some(cert)
        })
    }
}
