//! What an output shows by itself (chain.md 7.2.1, 7.2.4, 7.11.1).

use mvs_primitives::attachment::Payload;
use mvs_primitives::output::Output;
use mvs_primitives::script::PatternKind;
use mvs_primitives::text::AddressText;

use super::demand;
use crate::check::Network;
use crate::clause::{Broken, Rule};

/// The most coin that can exist, in units. Source: chain.md 6.1.
pub(super) const MAX_MONEY: u64 = 10_000_000_000_000_000;

/// The first transaction version that demands standard scripts.
const STANDARD_SCRIPTS_VERSION: u32 = 2;

/// Longer scripts are not repeated in messages.
const SHOWN_SCRIPT_BYTES: usize = 200;

pub(super) fn check_script(output: &Output, tx_version: u32) -> Result<(), Broken> {
    let asked = tx_version >= STANDARD_SCRIPTS_VERSION;
    demand(!asked || output.script.pattern().kind() != PatternKind::NonStandard, || {
        let script = &output.script;
        Rule::OutputScript.broken(if script.len() <= SHOWN_SCRIPT_BYTES {
            format!("no standard pattern matches `{script}`")
        } else {
            format!("no standard pattern matches the script of {} bytes", script.len())
        })
    })
}

pub(super) fn check_value(output: &Output) -> Result<(), Broken> {
    demand(output.value.units() <= MAX_MONEY, || {
        Rule::OutputValue.broken(format!("the value is {}, at most {MAX_MONEY}", output.value))
    })
}

/// Compares the address field, where there is one, with the script's address as text. A script
/// without an address has the text of the blackhole address.
pub(super) fn check_address(output: &Output, network: Network) -> Result<(), Broken> {
    let Some(field) = address_field(&output.attachment.payload) else { return Ok(()) };
    let of_script = output.script.address_text(network.address_format());
    demand(*field == of_script, || {
        Rule::OutputAddress
            .broken(format!("the field says {field}, the script's address is {of_script}"))
    })
}

fn address_field(payload: &Payload) -> Option<&AddressText> {
    match payload {
        Payload::AssetDetail(detail) => Some(&detail.address),
        Payload::Did(did) => Some(&did.address),
        Payload::Cert(cert) => Some(&cert.address),
        Payload::Mit(mit) => Some(&mit.address),
        _ => None,
    }
}
