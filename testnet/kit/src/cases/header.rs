//! Headers (chain.md 8.1, 8.2), offered in whole blocks.

use std::sync::Arc;

use mvs_consensus::params::KnownBlock;
use mvs_pow::{Attempt, Work, hashimoto_light, quick_check};
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{BlockHash, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

use super::base::{Base, Bases};
use super::{Cases, Offer, changed};
use crate::build::BlockDraft;
use crate::build::person::MINER;
use crate::build::stake::{Kernel, StakeDraft};

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    seals(work, cases);
    let edited = |edit: fn(&mut BlockDraft)| {
        let mut draft = work.draft(Vec::new());
        edit(&mut draft);
        work.seal(draft)
    };
    cases.bad(
        "number-skips-one",
        "header.number",
        work,
        &edited(|draft| {
            draft.header.number = Height::new(draft.header.number.value() + 1);
        }),
    );
    cases.bad(
        "difficulty-too-high",
        "header.bits",
        work,
        &edited(|draft| {
            draft.header.bits = Difficulty::from_u64(3);
        }),
    );
    cases.bad(
        "unknown-parent",
        "not_yet.no_parent",
        work,
        &edited(|draft| {
            draft.header.previous = BlockHash::from_bytes([7; 32]);
        }),
    );
    let spacing = work.params().target_spacing_secs;
    let shifted = |back: u32| {
        let mut draft = work.draft(Vec::new());
        let secs = draft.header.timestamp.unix_secs() - back;
        draft.header.timestamp = Timestamp::from_unix_secs(secs);
        work.seal(draft)
    };
    cases.bad("before-its-parent", "header.time_backwards", work, &shifted(spacing + 1));
    cases.good("same-second-as-its-parent", work, &shifted(spacing));

    let block = work.block(Vec::new());
    let limit = u64::from(work.params().strict_future_secs);
    let now = u64::from(block.header.timestamp.unix_secs()) - limit;
    let offer = || Offer::Block(block.to_bytes());
    cases.add_at("ahead-of-the-clock", Some("not_yet.too_early"), work, now - 1, offer());
    cases.add_at("as-far-ahead-as-allowed", None, work, now, offer());

    checkpoints(work, &block, cases);
    versions(bases, cases);
    runs(bases, cases);
}

fn work_of(header: &Header) -> Work {
    Work::of_header(
        u64::from(header.number.value()),
        *header.seal_hash().as_bytes(),
        header.nonce,
        *header.mix_hash.as_bytes(),
        header.bits.value(),
    )
    .expect("the epoch exists")
}

fn seals(work: &Arc<Base>, cases: &mut Cases) {
    // A mix that nobody computed, with a final hash that happens to be low enough.
    let mut block = work.block(Vec::new());
    let right = block.header.mix_hash;
    let wrong = (0..=u8::MAX).map(|byte| MixHash::from_bytes([byte; 32])).find(|mix| {
        block.header.mix_hash = *mix;
        *mix != right && quick_check(&work_of(&block.header)).is_ok()
    });
    block.header.mix_hash = wrong.expect("about half of all mixes will do");
    cases.bad("made-up-mix", "header.seal_mix", work, &block);

    // The right mix of a nonce whose final hash is too high.
    let claimed = work_of(&block.header);
    let cache = work.chain().caches().get(claimed.epoch).expect("there is memory for a cache");
    let weak = (0u64..).find(|nonce| {
        let attempt = Attempt { seal_hash: claimed.seal_hash, nonce: *nonce };
        let seal = hashimoto_light(&cache, &attempt);
        block.header.nonce = *nonce;
        block.header.mix_hash = MixHash::from_bytes(seal.mix_hash);
        quick_check(&work_of(&block.header)).is_err()
    });
    block.header.nonce = weak.expect("about half of all nonces will do");
    cases.bad("seal-too-weak", "header.seal_boundary", work, &block);

    let mut block = work.block(Vec::new());
    block.header.number = Height::new(u32::MAX);
    cases.bad("epoch-beyond-ethash", "header.seal_epoch", work, &block);
}

fn checkpoints(work: &Arc<Base>, block: &Block, cases: &mut Cases) {
    let at = |hash| {
        let known = KnownBlock { height: block.header.number, hash };
        changed(work, |params| params.checkpoints.push(known))
    };
    let other = at(BlockHash::from_bytes([7; 32]));
    cases.bad("not-the-known-block", "header.checkpoint", &other, block);
    cases.good("the-known-block", &at(block.header.hash()), block);
}

fn versions(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut block = work.block(Vec::new());
    block.header.version = BlockVersion::DPOS;
    block.proof = BlockProof::Delegate(BlockSig::from_bytes([1; 64]), MINER.key());
    cases.bad("delegated-block", "header.version", work, &block);
    for number in [0, 4] {
        block.header.version = BlockVersion::new(number);
        block.proof = BlockProof::None;
        cases.bad(&format!("version-{number}-block"), "header.version", work, &block);
    }
    let staked = work.coin("alice.20");
    let mut draft =
        StakeDraft::on(work.chain(), crate::build::person::ALICE, staked, 0, Vec::new());
    draft.kernel = Kernel::Any;
    let block = draft.finish(work.chain());
    cases.bad("stake-block-in-the-work-era", "header.stake_too_early", work, &block);
    let public = changed(work, |params| params.pos_allowed = false);
    cases.bad("stake-block-without-a-stake-era", "header.version", &public, &block);
}

/// chain.md 8.1.3: runs of one kind of block, counted from the last block of another kind.
fn runs(bases: &Bases, cases: &mut Cases) {
    // Two stake blocks at the tip; the next one makes three.
    let base = &bases.on_stake;
    let third = super::stake::plain(base, Vec::new());
    let limited = |max| changed(base, |params| params.stake.max_pos_run = max);
    cases.bad("stake-run-too-long", "header.pos_run", &limited(2), &third);
    cases.good("stake-run-at-its-limit", &limited(3), &third);
    // Three work blocks since; the next one makes four.
    let base = &bases.after_stake;
    let fourth = base.block(Vec::new());
    let limited = |max| changed(base, |params| params.stake.max_pow_run = max);
    cases.bad("work-run-too-long", "header.pow_run", &limited(3), &fourth);
    cases.good("work-run-at-its-limit", &limited(4), &fourth);
}
