//! What a loose transaction claims, so that a pool holds no two that cannot both be mined
//! (chain.md 7.12).
//!
//! Spending the same output is the pool's own matter; this is about names.

use std::collections::HashMap;

use mvs_primitives::address::Address;
use mvs_primitives::attachment::Payload;
use mvs_primitives::hash::TxId;
use mvs_primitives::text::{DidName, MitSymbol, Symbol};
use mvs_primitives::transaction::Transaction;

use crate::attachment::owner_of;
use crate::state::CertKey;

/// One thing that at most one transaction of a pool may touch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Claim {
    /// The symbol of a new asset.
    Asset(Symbol),
    /// A certificate, whatever is done with it.
    Cert(CertKey),
    /// A unique item, whatever is done with it.
    Mit(MitSymbol),
    /// An identity that is registered or moves.
    Did(DidName),
    /// The address that such an identity goes to.
    DidAddress(Address),
}

/// Two loose transactions that cannot both be mined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PoolConflict {
    /// Both claim the same thing.
    #[error("transaction {holder} of the pool already claims {claim:?}")]
    Claimed {
        /// What both claim.
        claim: Claim,
        /// The transaction that came first.
        holder: TxId,
    },
    /// An attachment names an identity that a transaction of the pool registers or moves.
    #[error("identity {name} is named, and transaction {holder} of the pool registers or moves it")]
    DidInMotion {
        /// The identity.
        name: DidName,
        /// The transaction that registers or moves it.
        holder: TxId,
    },
    /// The transaction registers or moves an identity that an attachment in the pool names.
    #[error("identity {name} is registered or moves, and transactions of the pool name it")]
    DidInUse {
        /// The identity.
        name: DidName,
    },
}

impl PoolConflict {
    /// Every code that [`PoolConflict::code`] can give.
    pub const CODES: [&'static str; 3] = ["pool.claimed", "pool.did_in_motion", "pool.did_in_use"];

    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Claimed { .. } => "pool.claimed",
            Self::DidInMotion { .. } => "pool.did_in_motion",
            Self::DidInUse { .. } => "pool.did_in_use",
        }
    }
}

/// What the transactions of a pool claim.
#[derive(Debug, Clone, Default)]
pub struct PoolClaims {
    claims: HashMap<Claim, TxId>,
    /// How many transactions name an identity in attachments of version 207.
    named: HashMap<DidName, usize>,
}

impl PoolClaims {
    /// An empty pool.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells whether a transaction's claims could be added.
    ///
    /// # Errors
    /// The first conflict with what is there.
    pub fn check(&self, transaction: &Transaction) -> Result<(), PoolConflict> {
        for claim in claims_of(transaction) {
            if let Some(holder) = self.claims.get(&claim) {
                return Err(PoolConflict::Claimed { claim, holder: *holder });
            }
            if let Claim::Did(name) = claim
                && self.named.contains_key(&name)
            {
                return Err(PoolConflict::DidInUse { name });
            }
        }
        for name in named_dids(transaction) {
            if let Some(holder) = self.claims.get(&Claim::Did(name.clone())) {
                return Err(PoolConflict::DidInMotion { name: name.clone(), holder: *holder });
            }
        }
        Ok(())
    }

    /// Adds a transaction's claims.
    ///
    /// # Errors
    /// The first conflict with what is there; nothing is added then.
    pub fn add(&mut self, txid: TxId, transaction: &Transaction) -> Result<(), PoolConflict> {
        self.check(transaction)?;
        for name in named_dids(transaction) {
            *self.named.entry(name.clone()).or_default() += 1;
        }
        self.claims.extend(claims_of(transaction).into_iter().map(|claim| (claim, txid)));
        Ok(())
    }

    /// Takes back what [`PoolClaims::add`] added for a transaction; it must have been added.
    pub fn remove(&mut self, txid: TxId, transaction: &Transaction) {
        let claims = claims_of(transaction);
        for claim in claims {
            if self.claims.get(&claim) == Some(&txid) {
                self.claims.remove(&claim);
            }
        }
        for name in named_dids(transaction) {
            if let Some(count) = self.named.get_mut(name) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    self.named.remove(name);
                }
            }
        }
    }

    /// Tells whether nothing is claimed or named.
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty() && self.named.is_empty()
    }
}

fn claims_of(transaction: &Transaction) -> Vec<Claim> {
    let mut claims = Vec::new();
    for output in &transaction.outputs {
        match &output.attachment.payload {
            Payload::AssetDetail(detail) if !detail.threshold.is_secondary() => {
                claims.push(Claim::Asset(detail.symbol.clone()));
            }
            Payload::Cert(cert) => claims.push(Claim::Cert(CertKey::of(cert))),
            Payload::Mit(mit) => claims.push(Claim::Mit(mit.symbol.clone())),
            Payload::Did(did) => {
                claims.push(Claim::Did(did.symbol.clone()));
                claims.push(Claim::DidAddress(owner_of(output)));
            }
            _ => {}
        }
    }
    claims
}

/// The identities that a transaction's attachments of version 207 name, each once.
fn named_dids(transaction: &Transaction) -> Vec<&DidName> {
    let mut named: Vec<&DidName> = transaction
        .outputs
        .iter()
        .filter_map(|output| output.attachment.version.binding())
        .flat_map(|binding| [&binding.to_did, &binding.from_did])
        .filter(|name| !name.is_empty())
        .collect();
    named.sort_unstable();
    named.dedup();
    named
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::attachment::{
        Attachment, AttachmentVersion, Did, DidStatus, Mit, MitStatus, Payload,
    };
    use mvs_primitives::hash::TxId;
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::text::{AddressText, DidName, MitSymbol};
    use mvs_primitives::transaction::Transaction;

    use super::PoolClaims;

    fn with(payload: Payload, to: Option<&str>, owner: u8) -> Transaction {
        let mut attachment = Attachment::new(payload);
        if let Some(to) = to {
            attachment.version =
                AttachmentVersion::bound(DidName::new(to).unwrap(), DidName::default());
        }
        let script = Script::pay_key_hash(&[owner; 20]);
        let output = Output { value: Amount::ZERO, script, attachment };
        Transaction { version: 4, inputs: Vec::new(), outputs: vec![output], locktime: 0 }
    }

    fn did(name: &str, owner: u8) -> Transaction {
        let did = Did {
            status: DidStatus::Register,
            symbol: DidName::new(name).unwrap(),
            address: AddressText::default(),
        };
        with(Payload::Did(Box::new(did)), None, owner)
    }

    fn mit(name: &str) -> Transaction {
        let mit = Mit {
            status: MitStatus::Transfer,
            symbol: MitSymbol::new(name).unwrap(),
            address: AddressText::default(),
        };
        with(Payload::Mit(Box::new(mit)), None, 1)
    }

    fn id(byte: u8) -> TxId {
        TxId::from_bytes([byte; 32])
    }

    #[test]
    fn names_are_claimed_once_and_given_back() {
        let mut pool = PoolClaims::new();
        pool.add(id(1), &mit("X")).unwrap();
        assert_eq!(pool.add(id(2), &mit("X")).unwrap_err().code(), "pool.claimed");
        pool.add(id(3), &mit("Y")).unwrap();
        pool.remove(id(2), &mit("X")); // never came in: nothing changes
        assert_eq!(pool.add(id(2), &mit("X")).unwrap_err().code(), "pool.claimed");
        pool.remove(id(1), &mit("X"));
        pool.add(id(2), &mit("X")).unwrap();
        pool.remove(id(2), &mit("X"));
        pool.remove(id(3), &mit("Y"));
        assert!(pool.is_empty());
    }

    #[test]
    fn an_address_takes_one_identity() {
        let mut pool = PoolClaims::new();
        pool.add(id(1), &did("A", 1)).unwrap();
        assert_eq!(pool.add(id(2), &did("B", 1)).unwrap_err().code(), "pool.claimed");
        pool.add(id(2), &did("B", 2)).unwrap();
    }

    #[test]
    fn an_identity_is_not_named_while_it_moves() {
        let paying = with(Payload::Etp, Some("A"), 5);
        let mut pool = PoolClaims::new();
        pool.add(id(1), &did("A", 1)).unwrap();
        assert_eq!(pool.add(id(2), &paying).unwrap_err().code(), "pool.did_in_motion");
        pool.remove(id(1), &did("A", 1));
        pool.add(id(2), &paying).unwrap();
        pool.add(id(3), &paying).unwrap();
        assert_eq!(pool.add(id(1), &did("A", 1)).unwrap_err().code(), "pool.did_in_use");
        pool.remove(id(2), &paying);
        assert_eq!(pool.add(id(1), &did("A", 1)).unwrap_err().code(), "pool.did_in_use");
        pool.remove(id(3), &paying);
        pool.add(id(1), &did("A", 1)).unwrap();
    }
}
