//! Bodies that are not those that their headers mean (chain.md 2.1, 2.3).

use mvs_consensus::block::{BlockBody, check_block};
use mvs_consensus::header::{PlacedHeader, accept_header, check_headers};
use mvs_primitives::block::{Block, BlockProof, BlockSig};

use super::Cases;
use super::base::{Base, Bases};
use crate::build::person::ALICE;
use crate::build::tx::TxDraft;
use crate::chain::FAR_FUTURE;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let spend = |name: &str| {
        work.sign(TxDraft::new(1).spend(work.coin(name)).pay(ALICE.etp(1)).rest(ALICE))
    };
    let mut block = work.block(vec![spend("alice.20"), spend("alice.21")]);
    cases.good("three-transactions", work, &block);
    block.transactions.push(block.transactions[2].clone());
    cases.bad("last-transaction-repeated", "body.malleated", work, &block);
    block.transactions.truncate(2);
    cases.bad("transaction-left-out", "body.merkle_root", work, &block);

    let base = &bases.on_stake;
    let mut block = super::stake::plain(base, Vec::new());
    block.proof = BlockProof::Stake(BlockSig::from_bytes([1; 64]));
    cases.bad("block-signature-spoilt", "body.signature", base, &block);

    cases.narrow(
        "proof-of-another-version",
        "body.proof_form",
        work,
        "a decoded block has the signature fields of its header's version; one that is put together \
         from parts need not",
        |base| {
            let block = base.block(Vec::new());
            let proof = BlockProof::Stake(BlockSig::from_bytes([1; 64]));
            check(base, &block, Block { proof, ..block.clone() })
        },
    );
    cases.narrow(
        "body-of-another-header",
        "body.header",
        work,
        "a block brings its own header; a body that is asked for by header need not fit it",
        |base| {
            let block = base.block(Vec::new());
            let mut other = block.clone();
            other.header.nonce ^= 1;
            check(base, &block, other)
        },
    );
}

/// Checks a body against the header of a block.
fn check(base: &Base, block: &Block, body: Block) -> Option<&'static str> {
    let placed = place(base, block);
    check_block(base.params(), placed, BlockBody::from(body)).err().map(|error| error.code())
}

fn place(base: &Base, block: &Block) -> PlacedHeader {
    let chain = base.chain();
    let header = check_headers(chain.params(), chain.caches(), vec![block.header.clone()])
        .remove(0)
        .expect("the block is sealed");
    accept_header(chain.params(), chain.headers(), chain.tip(), header, FAR_FUTURE)
        .expect("the header keeps every rule")
}
