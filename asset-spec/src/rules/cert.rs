//! Certificates (chain.md 7.7). What needs the inputs' outputs or the register of certificates is
//! not here.

use std::collections::HashSet;

use mvs_primitives::attachment::{Cert, CertStatus, CertType, Payload};
use mvs_primitives::symbol::domain;
use mvs_primitives::transaction::Transaction;

use super::demand;
use crate::clause::{Broken, Rule};

fn certs(transaction: &Transaction) -> impl Iterator<Item = (usize, &Cert)> {
    transaction.outputs.iter().enumerate().filter_map(|(index, output)| {
        match &output.attachment.payload {
            Payload::Cert(cert) => Some((index, &**cert)),
            _ => None,
        }
    })
}

/// Chain.md 7.7 A: a certificate that is issued or transferred by itself.
pub(super) fn check_alone(transaction: &Transaction) -> Result<(), Broken> {
    let mut moved = certs(transaction).filter(|(_, cert)| matches!(cert.status.byte(), 1 | 2));
    let Some((at, main)) = moved.next() else { return Ok(()) };
    if let Some((index, _)) = moved.next() {
        return Err(Rule::CertCount
            .broken("a second certificate that is issued or transferred")
            .at(index));
    }
    let issued = (main.status == CertStatus::ISSUE).then_some(main.cert_type());
    let mut attendant: Option<&Cert> = None;
    for (index, output) in transaction.outputs.iter().enumerate() {
        match &output.attachment.payload {
            Payload::Etp | Payload::Message(_) => {}
            Payload::Cert(_) if index == at => {}
            Payload::Cert(cert) => {
                let cert_type = cert.cert_type();
                let fits = attendant.is_none()
                    && match issued {
                        Some(CertType::NAMING) => cert_type == CertType::DOMAIN,
                        Some(CertType::WITNESS) => cert_type == CertType::WITNESS,
                        _ => false,
                    };
                demand(fits, || {
                    let name = cert_type.name();
                    Rule::CertAttendant
                        .broken(format!("a certificate {} of type {name}", cert.symbol))
                        .at(index)
                })?;
                attendant = Some(cert);
            }
            _ => {
                let name = output.attachment.type_name();
                return Err(Rule::CertCompanion
                    .broken(format!("{name} beside an issued or transferred certificate"))
                    .at(index));
            }
        }
    }
    match issued {
        Some(CertType::NONE) => Err(Rule::CertTypeNone.broken("issued with type 0").at(at)),
        Some(CertType::NAMING) => {
            let wanted = domain(main.symbol.as_bytes());
            demand(attendant.is_some_and(|cert| cert.symbol.as_bytes() == wanted), || {
                Rule::CertNamingDomain
                    .broken(format!("{} without its domain certificate", main.symbol))
                    .at(at)
            })
        }
        Some(CertType::WITNESS) => demand(attendant.is_some(), || {
            Rule::CertWitness.broken("issued without another witness certificate").at(at)
        }),
        _ => Ok(()),
    }
}

/// Chain.md 7.7 B, as far as outputs show it, and the uniqueness inside a block (3.6).
pub(super) fn check_together(transaction: &Transaction) -> Result<(), Broken> {
    let has_issue = transaction.outputs.iter().any(|output| {
        matches!(&output.attachment.payload, Payload::AssetDetail(detail)
            if !detail.threshold.is_secondary())
    });
    let mut types = HashSet::new();
    let mut witnesses = HashSet::new();
    for (index, cert) in certs(transaction) {
        let is_new = if cert.cert_type() == CertType::WITNESS {
            witnesses.insert(&cert.symbol)
        } else {
            types.insert(cert.cert_type())
        };
        demand(is_new, || {
            let name = cert.cert_type().name();
            Rule::CertTypeTwice.broken(format!("a second {name} certificate")).at(index)
        })?;
        demand(cert.status != CertStatus::AUTO_ISSUE || has_issue, || {
            Rule::CertAutoIssue
                .broken(format!("certificate {} without an asset issue", cert.symbol))
                .at(index)
        })?;
    }
    if certs(transaction).next().is_none() {
        return Ok(());
    }
    for (index, output) in transaction.outputs.iter().enumerate() {
        let fits = matches!(
            output.attachment.payload,
            Payload::Cert(_)
                | Payload::AssetDetail(_)
                | Payload::AssetTransfer(_)
                | Payload::Etp
                | Payload::Message(_)
        );
        demand(fits, || {
            let name = output.attachment.type_name();
            Rule::CertCompanion.broken(format!("{name} beside a certificate")).at(index)
        })?;
    }
    Ok(())
}
