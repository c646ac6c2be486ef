//! Which network a vector speaks of.

use mvs_consensus::params::Params;
use mvs_primitives::address::{Address, AddressFormat};
use serde_json::Value;

use super::fields::text;
use super::report::Case;

/// Both address formats; private chains use the main network's.
pub(super) const ALL: [AddressFormat; 2] = [AddressFormat::MAINNET, AddressFormat::TESTNET];

/// Returns the formats that a vector's `network` field names; all of them if it names none.
pub(super) fn formats(vector: &Value) -> Vec<AddressFormat> {
    let network = text(vector, "network").unwrap_or_default();
    let named: Vec<AddressFormat> = [
        (network.contains("main") || network.contains("private"), AddressFormat::MAINNET),
        (network.contains("test"), AddressFormat::TESTNET),
    ]
    .into_iter()
    .filter_map(|(is_named, format)| is_named.then_some(format))
    .collect();
    if named.is_empty() { ALL.to_vec() } else { named }
}

/// Returns the text of an address in the first of the formats that gives `wanted`, else in the
/// first format.
pub(super) fn text_like(address: &Address, formats: &[AddressFormat], wanted: &str) -> String {
    let mut texts = formats.iter().map(|format| address.to_text(format));
    let first = texts.next().unwrap_or_default();
    if first == wanted { first } else { texts.find(|text| text == wanted).unwrap_or(first) }
}

/// Returns the parameters of the network that a vector names.
pub(super) fn params(vector: &Value, case: &mut Case) -> Option<Params> {
    let name = match text(vector, "network") {
        Some("private") => "devnet",
        Some(name) => name,
        None => {
            case.fail("it names no network");
            return None;
        }
    };
    let params = Params::builtin(name);
    if params.is_none() {
        case.fail(format!("unknown network {name}"));
    }
    params
}
