//! Asset issue and secondary issue (chain.md 7.5, 7.6).

use mvs_primitives::attachment::{AssetDetail, Cert, CertType, IssueThreshold, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::symbol::domain;
use mvs_primitives::text::{AddressText, Symbol};
use mvs_primitives::transaction::Transaction;

use super::{STRICT_VERSION, demand};
use crate::check::Network;
use crate::clause::{Broken, Rule};

pub(super) fn check_threshold(detail: &AssetDetail) -> Result<(), Broken> {
    let threshold = detail.threshold;
    demand(threshold.is_known(), || {
        Rule::IssueThreshold.broken(format!("the threshold is {}", threshold.percent()))
    })?;
    let forbidden =
        threshold.is_secondary() && threshold.percent() == IssueThreshold::FORBIDDEN.percent();
    demand(!forbidden, || {
        Rule::IssueSecondaryForbidden.broken("a secondary issue with threshold 0")
    })
}

/// A value that is set by the first who names it and must be the same for all others.
#[derive(Default)]
struct Agreed<T>(Option<T>);

impl<T: PartialEq + Clone> Agreed<T> {
    fn agrees(&mut self, value: &T) -> bool {
        self.0.get_or_insert_with(|| value.clone()) == value
    }
}

/// The outputs of an asset issue, walked in their order.
#[derive(Default)]
struct IssueWalk {
    symbol: Agreed<Symbol>,
    address: Agreed<AddressText>,
    has_issue: bool,
    has_issue_cert: bool,
    has_domain_or_naming: bool,
    has_mining: bool,
    has_owner: bool,
    threshold: IssueThreshold,
}

pub(super) fn check_issue(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    let is_issue = |output: &Output| {
        matches!(&output.attachment.payload, Payload::AssetDetail(detail)
            if !detail.threshold.is_secondary())
    };
    if !transaction.outputs.iter().any(is_issue) {
        return Ok(());
    }
    let mut walk = IssueWalk::default();
    for (index, output) in transaction.outputs.iter().enumerate() {
        walk.step(output, network).map_err(|broken| broken.at(index))?;
    }
    if transaction.version < STRICT_VERSION {
        return Ok(());
    }
    demand(walk.has_issue_cert || !walk.threshold.allows_secondary_issue(), || {
        Rule::IssueCertMissing
            .broken(format!("threshold {} without an issue certificate", walk.threshold.percent()))
    })?;
    let has_domain = walk.symbol.0.is_some_and(|symbol| !domain(symbol.as_bytes()).is_empty());
    demand(!has_domain || walk.has_owner, || {
        Rule::IssueDomainMissing.broken("no domain or naming certificate with an owner")
    })
}

impl IssueWalk {
    fn step(&mut self, output: &Output, network: Network) -> Result<(), Broken> {
        match &output.attachment.payload {
            Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => self.issue(detail),
            Payload::Cert(cert) => {
                let address = output.script.address_text(network.address_format());
                self.cert(cert, &address)
            }
            Payload::Etp | Payload::Message(_) => Ok(()),
            _ => Err(Rule::IssueCompanion
                .broken(format!("{} beside an asset issue", output.attachment.type_name()))),
        }
    }

    fn issue(&mut self, detail: &AssetDetail) -> Result<(), Broken> {
        demand(!self.has_issue, || Rule::IssueCount.broken("a second asset issue"))?;
        self.has_issue = true;
        self.threshold = detail.threshold;
        check_threshold(detail)?;
        // Disagreement is blamed on the certificate that came first; no rule lets it pass.
        demand(self.symbol.agrees(&detail.symbol) && self.address.agrees(&detail.address), || {
            Rule::IssueCert.broken("an earlier certificate has another symbol or address")
        })
    }

    fn cert(&mut self, cert: &Cert, address: &AddressText) -> Result<(), Broken> {
        match cert.cert_type() {
            CertType::ISSUE => {
                let first = !std::mem::replace(&mut self.has_issue_cert, true);
                self.sole_cert(Rule::IssueCert, first, cert, address)
            }
            CertType::MINING => {
                let first = !std::mem::replace(&mut self.has_mining, true);
                self.sole_cert(Rule::IssueMining, first, cert, address)
            }
            CertType::DOMAIN => {
                self.domain_or_naming(cert)?;
                let fits = match &self.symbol.0 {
                    None => true,
                    Some(symbol) => domain(symbol.as_bytes()) == cert.symbol.as_bytes(),
                };
                demand(fits, || {
                    Rule::IssueDomain.broken(format!(
                        "domain certificate {} is not of the asset's domain",
                        cert.symbol
                    ))
                })
            }
            CertType::NAMING => {
                self.domain_or_naming(cert)?;
                demand(self.symbol.agrees(&cert.symbol), || {
                    Rule::IssueNaming
                        .broken(format!("naming certificate {} is for another symbol", cert.symbol))
                })
            }
            other => Err(Rule::IssueCompanion
                .broken(format!("a certificate of type {} beside an asset issue", other.name()))),
        }
    }

    fn sole_cert(
        &mut self,
        rule: Rule,
        first: bool,
        cert: &Cert,
        address: &AddressText,
    ) -> Result<(), Broken> {
        let name = cert.cert_type().name();
        demand(first, || rule.broken(format!("a second {name} certificate")))?;
        demand(self.symbol.agrees(&cert.symbol), || {
            rule.broken(format!("{name} certificate {} is for another symbol", cert.symbol))
        })?;
        demand(self.address.agrees(address), || {
            rule.broken(format!("the {name} certificate goes to {address}, the asset elsewhere"))
        })
    }

    fn domain_or_naming(&mut self, cert: &Cert) -> Result<(), Broken> {
        self.has_owner |= !cert.owner.is_empty();
        let first = !std::mem::replace(&mut self.has_domain_or_naming, true);
        demand(first, || Rule::IssueDomain.broken("a second domain or naming certificate"))
    }
}

pub(super) fn check_secondary(transaction: &Transaction, network: Network) -> Result<(), Broken> {
    let mut details = transaction.outputs.iter().enumerate().filter_map(|(index, output)| {
        match &output.attachment.payload {
            Payload::AssetDetail(detail) if detail.threshold.is_secondary() => {
                Some((index, detail))
            }
            _ => None,
        }
    });
    let Some((at, detail)) = details.next() else { return Ok(()) };
    if let Some((index, _)) = details.next() {
        return Err(Rule::SecondaryCount.broken("a second secondary issue").at(index));
    }
    check_threshold(detail).map_err(|broken| broken.at(at))?;
    let mut has_cert = false;
    for (index, output) in transaction.outputs.iter().enumerate() {
        beside_secondary(output, index == at, detail, &mut has_cert, network)
            .map_err(|broken| broken.at(index))?;
    }
    demand(has_cert || transaction.version < STRICT_VERSION, || {
        Rule::SecondaryCertMissing.broken("no issue certificate").at(at)
    })
}

fn beside_secondary(
    output: &Output,
    is_detail: bool,
    detail: &AssetDetail,
    has_cert: &mut bool,
    network: Network,
) -> Result<(), Broken> {
    match &output.attachment.payload {
        Payload::Etp | Payload::Message(_) => Ok(()),
        Payload::AssetDetail(_) if is_detail => Ok(()),
        Payload::AssetTransfer(transfer) => {
            let address = output.script.address_text(network.address_format());
            demand(transfer.symbol == detail.symbol && address == detail.address, || {
                Rule::SecondaryTransfer
                    .broken(format!("a transfer of {} to {address}", transfer.symbol))
            })
        }
        Payload::Cert(cert) => {
            let first = !std::mem::replace(has_cert, true);
            let fits = cert.cert_type() == CertType::ISSUE && cert.symbol == detail.symbol;
            demand(first && fits, || {
                let name = cert.cert_type().name();
                Rule::SecondaryCert.broken(format!("a certificate {} of type {name}", cert.symbol))
            })
        }
        _ => Err(Rule::SecondaryCompanion
            .broken(format!("{} beside a secondary issue", output.attachment.type_name()))),
    }
}
