//! Which names a transaction registers, moves or relies on, so that a block puts only those entries
//! in doubt that have to do with its own names.

use std::collections::HashSet;

use mvs_primitives::address::Address;
use mvs_primitives::attachment::{CertType, Payload};
use mvs_primitives::output::Output;
use mvs_primitives::transaction::Transaction;

/// Names as bytes. Those of assets, certificates, identities and items are not told apart: two of
/// the same text put each other in doubt without need, which costs a look.
#[derive(Debug, Default)]
pub(super) struct Names {
    texts: HashSet<Box<[u8]>>,
    /// Where identities were recorded.
    homes: HashSet<Address>,
    /// Witness certificates are counted by prefix (chain.md 7.7 A 4), so all go together.
    has_witness: bool,
}

impl Names {
    /// Adds what a transaction registers or moves.
    pub(super) fn add(&mut self, transaction: &Transaction) {
        for output in &transaction.outputs {
            let name = match &output.attachment.payload {
                Payload::AssetDetail(detail) => detail.symbol.as_bytes(),
                Payload::Cert(cert) => {
                    self.has_witness |= cert.cert_type() == CertType::WITNESS;
                    cert.symbol.as_bytes()
                }
                Payload::Did(did) => {
                    self.homes.insert(owner_of(output));
                    did.symbol.as_bytes()
                }
                Payload::Mit(mit) => mit.symbol.as_bytes(),
                _ => continue,
            };
            if !self.texts.contains(name) {
                self.texts.insert(name.into());
            }
        }
    }

    /// Tells whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Tells whether the rules look at one of these names for a transaction (chain.md 7.5 to 7.9,
    /// 7.11).
    pub(super) fn concern(&self, transaction: &Transaction) -> bool {
        !self.is_empty() && transaction.outputs.iter().any(|output| self.concern_output(output))
    }

    fn concern_output(&self, output: &Output) -> bool {
        let known = |name: &[u8]| self.texts.contains(name);
        let bound = output.attachment.version.binding().is_some_and(|binding| {
            known(binding.to_did.as_bytes()) || known(binding.from_did.as_bytes())
        });
        bound
            || match &output.attachment.payload {
                Payload::AssetDetail(detail) => known(detail.symbol.as_bytes()),
                Payload::Cert(cert) => {
                    let counted = cert.cert_type() == CertType::WITNESS && self.has_witness;
                    counted || known(cert.symbol.as_bytes()) || known(cert.owner.as_bytes())
                }
                Payload::Did(did) => {
                    known(did.symbol.as_bytes()) || self.homes.contains(&owner_of(output))
                }
                Payload::Mit(mit) => known(mit.symbol.as_bytes()),
                _ => false,
            }
    }
}

/// Whom an output belongs to where the rules compare addresses: a script without one counts as the
/// blackhole (QUIRK, chain.md 5.4).
fn owner_of(output: &Output) -> Address {
    output.script.address().unwrap_or(Address::Blackhole)
}
