//! What an attachment shows by itself (chain.md 3.5, 3.6, 7.11.6).

use mvs_primitives::attachment::{Attachment, DidStatus, MitStatus, Payload};
use mvs_primitives::symbol::{check_asset_symbol, check_did_name, check_mit_symbol};

use super::{STRICT_VERSION, demand};
use crate::check::Network;
use crate::clause::{Broken, Rule};

/// Checks a name that is new with this attachment, and that of any certificate.
pub(super) fn check_symbol(
    attachment: &Attachment,
    tx_version: u32,
    network: Network,
) -> Result<(), Broken> {
    let strict = tx_version >= STRICT_VERSION;
    match &attachment.payload {
        Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => {
            check_asset_symbol(detail.symbol.as_bytes(), strict)?;
        }
        Payload::Cert(cert) => check_asset_symbol(cert.symbol.as_bytes(), strict)?,
        Payload::Did(did) if did.status == DidStatus::Register => {
            let words = network == Network::Mainnet;
            check_did_name(did.symbol.as_bytes(), words, network.address_format())?;
        }
        Payload::Mit(mit) if matches!(mit.status, MitStatus::Register { .. }) => {
            check_mit_symbol(mit.symbol.as_bytes())?;
        }
        _ => {}
    }
    Ok(())
}

/// Checks the validity of the body, which only strict transactions ask for.
pub(super) fn check_body(attachment: &Attachment, tx_version: u32) -> Result<(), Broken> {
    if tx_version >= STRICT_VERSION {
        attachment.check_valid()?;
    }
    Ok(())
}

/// Checks that version 207 names the issuer or owner as the receiver.
pub(super) fn check_binding(attachment: &Attachment) -> Result<(), Broken> {
    let Some(binding) = attachment.version.binding() else { return Ok(()) };
    let (rule, role, name) = match &attachment.payload {
        Payload::AssetDetail(detail) => (Rule::BindingIssuer, "issuer", &detail.issuer),
        Payload::Cert(cert) => (Rule::BindingOwner, "owner", &cert.owner),
        _ => return Ok(()),
    };
    demand(*name == binding.to_did, || {
        rule.broken(format!("the {role} is {name}, to_did is {}", binding.to_did))
    })
}
