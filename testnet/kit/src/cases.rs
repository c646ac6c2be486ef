//! A case for every rule: something that breaks exactly that rule, and nearly always the same thing
//! with the fault mended, which is accepted.
//!
//! A case is data: a base chain (parameters and raw blocks), raw bytes that are offered on its tip,
//! a clock, and the code of the rule that must speak. So a case can be judged in this process
//! ([`Case::judge`]) and be sent to a node. `Offer::Narrow` is the exception, for the few rules that
//! no bytes from outside can reach; each says why.
//!
//! Start reading in `cases/base.rs`, then in any family.

use std::sync::Arc;

use mvs_consensus::params::Params;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::transaction::Transaction;

use crate::chain::{FAR_FUTURE, MemoryChain, Refusal};

mod asset;
mod attenuation;
pub mod base;
mod block;
mod body;
mod cert;
mod did;
mod garbage;
mod header;
mod mit;
mod names;
pub mod rules;
mod script;
mod stake;
mod tx;

use base::Base;

/// What is offered.
#[derive(Debug, Clone)]
pub enum Offer {
    /// A block, on the tip.
    Block(Vec<u8>),
    /// A loose transaction.
    LooseTx(Vec<u8>),
    /// Nothing that comes from outside: a function that breaks the rule through the narrowest
    /// public one.
    Narrow {
        /// Why bytes cannot reach the rule.
        why: &'static str,
        /// Breaks it; the code of what speaks.
        judge: fn(&Base) -> Option<&'static str>,
    },
}

impl Offer {
    /// Returns the kind as a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Block(_) => "block",
            Self::LooseTx(_) => "loose transaction",
            Self::Narrow { .. } => "function",
        }
    }
}

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// Unique name.
    pub name: String,
    /// Code of the one rule that speaks; `None` when all are kept.
    pub code: Option<&'static str>,
    /// The chain on whose tip it is offered.
    pub base: Arc<Base>,
    /// The clock as Unix time.
    pub now_secs: u64,
    /// What is offered.
    pub offer: Offer,
}

impl Case {
    /// Judges the case in this process: the code of the rule that speaks, `None` for "accepted".
    pub fn judge(&self) -> Option<&'static str> {
        let chain = self.base.chain();
        match &self.offer {
            Offer::Block(bytes) => {
                chain.judge(bytes, self.now_secs).err().map(|refusal| refusal.code())
            }
            Offer::LooseTx(bytes) => judge_loose(chain, bytes).err().map(|refusal| refusal.code()),
            Offer::Narrow { judge, .. } => judge(&self.base),
        }
    }
}

fn judge_loose(chain: &MemoryChain, bytes: &[u8]) -> Result<(), Refusal> {
    chain.judge_loose(&Transaction::decode(bytes)?)?;
    Ok(())
}

/// Makes every case. The same ones each time.
pub fn all() -> Vec<Case> {
    let bases = base::Bases::build();
    let mut cases = Cases::default();
    garbage::add(&bases, &mut cases);
    header::add(&bases, &mut cases);
    body::add(&bases, &mut cases);
    block::add(&bases, &mut cases);
    stake::add(&bases, &mut cases);
    tx::add(&bases, &mut cases);
    names::add(&bases, &mut cases);
    asset::add(&bases, &mut cases);
    attenuation::add(&bases, &mut cases);
    cert::add(&bases, &mut cases);
    mit::add(&bases, &mut cases);
    did::add(&bases, &mut cases);
    script::add(&bases, &mut cases);
    cases.list
}

/// Collects cases.
#[derive(Debug, Default)]
struct Cases {
    list: Vec<Case>,
}

impl Cases {
    fn add_at(
        &mut self,
        name: &str,
        code: Option<&'static str>,
        base: &Arc<Base>,
        now_secs: u64,
        offer: Offer,
    ) {
        let (name, base) = (name.to_owned(), Arc::clone(base));
        self.list.push(Case { name, code, base, now_secs, offer });
    }

    /// A block that breaks a rule.
    fn bad(&mut self, name: &str, code: &'static str, base: &Arc<Base>, block: &impl Encode) {
        let offer = Offer::Block(block.to_bytes());
        self.add_at(name, Some(code), base, FAR_FUTURE, offer);
    }

    /// A block that breaks none.
    fn good(&mut self, name: &str, base: &Arc<Base>, block: &impl Encode) {
        self.add_at(name, None, base, FAR_FUTURE, Offer::Block(block.to_bytes()));
    }

    /// A transaction that breaks a rule, in a block and loose.
    fn bad_tx(&mut self, name: &str, code: &'static str, base: &Arc<Base>, tx: &Transaction) {
        self.bad(name, code, base, &base.block(vec![tx.clone()]));
        self.bad_loose(&format!("{name}-loose"), code, base, tx);
    }

    /// A loose transaction that breaks a rule.
    fn bad_loose(&mut self, name: &str, code: &'static str, base: &Arc<Base>, tx: &Transaction) {
        self.add_at(name, Some(code), base, FAR_FUTURE, Offer::LooseTx(tx.to_bytes()));
    }

    /// A transaction that breaks no rule, in a block and loose.
    fn good_tx(&mut self, name: &str, base: &Arc<Base>, tx: &Transaction) {
        self.good(name, base, &base.block(vec![tx.clone()]));
        self.good_loose(&format!("{name}-loose"), base, tx);
    }

    /// A loose transaction that breaks no rule.
    fn good_loose(&mut self, name: &str, base: &Arc<Base>, tx: &Transaction) {
        self.add_at(name, None, base, FAR_FUTURE, Offer::LooseTx(tx.to_bytes()));
    }

    /// A function that breaks a rule that no bytes can reach.
    fn narrow(
        &mut self,
        name: &str,
        code: &'static str,
        base: &Arc<Base>,
        why: &'static str,
        judge: fn(&Base) -> Option<&'static str>,
    ) {
        self.add_at(name, Some(code), base, FAR_FUTURE, Offer::Narrow { why, judge });
    }
}

/// The same chain on a network that differs in one number.
fn changed(base: &Arc<Base>, change: impl FnOnce(&mut Params)) -> Arc<Base> {
    let mut params = base.params().clone();
    change(&mut params);
    Arc::new(base.with_params(params))
}
