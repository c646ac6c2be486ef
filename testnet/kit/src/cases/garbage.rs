//! Bytes that are no block.

use mvs_primitives::attachment::DidStatus;
use mvs_primitives::encode::{Encode, MAX_PAYLOAD_BYTES};

use super::base::Bases;
use super::{Cases, Offer};
use crate::build::person::{ALICE, CAROL};
use crate::build::tx::TxDraft;
use crate::chain::FAR_FUTURE;

/// Header bytes of a block, before the count of its transactions.
const HEADER_BYTES: usize = 148;

pub(super) fn add(bases: &Bases, cases: &mut Cases) {
    let work = &bases.work;
    let mut block = |name: &str, code, bytes| {
        cases.add_at(name, code, work, FAR_FUTURE, Offer::Block(bytes));
    };
    let good = work.block(Vec::new()).to_bytes();
    block("plain-block", None, good.clone());
    let cut = good[..good.len() - 1].to_vec();
    block("cut-short", Some("decode.truncated"), cut);
    let longer = [good.as_slice(), &[0]].concat();
    block("byte-too-many", Some("decode.trailing"), longer);
    let huge = [good.as_slice(), &vec![0; MAX_PAYLOAD_BYTES + 1 - good.len()]].concat();
    block("larger-than-a-message", Some("decode.over_budget"), huge);
    let mut many = good;
    many[HEADER_BYTES] = 0xfc;
    block("more-transactions-than-bytes", Some("decode.count"), many);

    // A status is the first number after version and type of an attachment: 8 zero bytes of value,
    // then the script, then 1, type, status.
    for (name, code, output, kind) in [
        ("asset-status-3", "decode.asset_status", ALICE.asset("ALPHA", 1), 2u32),
        ("identity-status-3", "decode.did_status", CAROL.did("carol", DidStatus::Register), 4),
    ] {
        let tx = work.sign(TxDraft::new(1).spend(work.coin("carol.0")).pay(output).rest(CAROL));
        let mut bytes = tx.to_bytes();
        let head = [&1u32.to_le_bytes()[..], &kind.to_le_bytes()].concat();
        let at = bytes
            .windows(8)
            .position(|window| window == head)
            .expect("the transaction holds the attachment");
        bytes[at + 8] = 3;
        cases.add_at(name, Some(code), work, FAR_FUTURE, Offer::LooseTx(bytes.clone()));
        let mut block = work.block(Vec::new()).to_bytes();
        block[HEADER_BYTES] = 2; // one transaction more
        block.extend(bytes);
        let name = format!("{name}-in-block");
        cases.add_at(&name, Some(code), work, FAR_FUTURE, Offer::Block(block));
    }
}
