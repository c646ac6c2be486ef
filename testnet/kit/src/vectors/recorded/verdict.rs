//! Verdicts on single blocks and transactions.

use mvs_primitives::encode::Decode;
use mvs_primitives::encode::Encode;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

use super::{Jobs, NAMED_DIFFERENCES, as_reference};
use crate::build::BlockDraft;
use crate::chain::{FAR_FUTURE, MemoryChain, Refusal};
use crate::vectors::fields::{NUMBER, TEXT, TRUTH, has_any};
use crate::vectors::report::{Case, Report};

/// Replies of the recording command that speak of validation: accepted, or a broken rule.
const VALIDATION_CODES: [u64; 2] = [0, 5304];

pub(super) fn collect<'v>(
    file: &str,
    document: &'v Value,
    jobs: &mut Jobs<'v>,
    report: &mut Report,
) {
    let list = document.get("verdicts").unwrap_or(document);
    if list.as_array().is_none_or(Vec::is_empty) {
        report.within(file.to_owned(), |report| report.error("verdicts is no list of verdicts"));
    }
    let shared_height = document.get("tip_height").and_then(Value::as_u64);
    for (index, verdict) in list.as_array().into_iter().flatten().enumerate() {
        let name = verdict.get("name").and_then(Value::as_str).unwrap_or_default();
        let label = format!("{file}[{index}] {name}");
        let height = verdict.get("parent_height").and_then(Value::as_u64).or(shared_height);
        let Some(height) = height else {
            report.case(&label, |case| case.fail("nothing says on which block to judge"));
            continue;
        };
        jobs.add(
            height,
            Box::new(move |chain, report| {
                report.case(&label, |case| check(chain, verdict, case));
            }),
        );
    }
}

fn check(chain: &MemoryChain, verdict: &Value, case: &mut Case) {
    case.demand(verdict, &["accepted", "block_accepted"], TRUTH);
    case.demand(verdict, &["code", "clock", "wall_clock", "parent_height"], NUMBER);
    case.demand(verdict, &["txid", "block_hash", "hash"], TEXT);
    // Text that is no hex must not pass for bytes that were rightly refused.
    let keys = ["raw_hex", "block_hex", "block"];
    let Some(key) = keys.into_iter().find(|key| has_any(verdict, &[key])) else {
        return case.fail("neither a block nor a transaction");
    };
    let Some(bytes) = case.bytes(verdict, key) else { return };
    if key == "raw_hex" {
        check_tx(chain, verdict, &bytes, case);
    } else {
        check_block(chain, verdict, &bytes, case);
    }
}

/// Compares our answer with the recorded one.
fn compare(
    what: &str,
    accepted: bool,
    strict: &Result<(), Refusal>,
    as_reference: impl FnOnce() -> Result<(), Refusal>,
    case: &mut Case,
) {
    let refusal = match strict {
        Ok(()) => {
            return case.that(accepted, || format!("{what}: accepted, recorded as refused"));
        }
        Err(refusal) => refusal,
    };
    // Our own failure is no verdict, whatever was recorded.
    if refusal.code() == "fault" {
        return case.fail(format!("{what}: {refusal}"));
    }
    let is_named = NAMED_DIFFERENCES.iter().any(|(code, _)| *code == refusal.code());
    if !accepted {
        return case.that(true, String::new);
    }
    if !is_named {
        return case.fail(format!(
            "{what}: refused ({}: {refusal}), recorded as accepted",
            refusal.code()
        ));
    }
    // A difference on purpose: without it, the recorded verdict must come out.
    let loose = as_reference();
    case.that(loose.is_ok(), || {
        format!("{what}: refused even without our strictness: {:?}", loose.err())
    });
}

fn check_block(chain: &MemoryChain, verdict: &Value, bytes: &[u8], case: &mut Case) {
    let Some(accepted) = verdict.get("accepted").and_then(Value::as_bool) else {
        return case.fail("it says neither accepted nor refused");
    };
    let clock = ["clock", "wall_clock"].iter().find_map(|key| verdict.get(key)?.as_u64());
    let now = clock.unwrap_or(FAR_FUTURE);
    let strict = chain.judge(bytes, now).map(drop);
    compare(
        "block",
        accepted,
        &strict,
        || as_reference(chain).judge(without_trailing_bytes(bytes), now).map(drop),
        case,
    );
    if let Ok(body) = mvs_consensus::block::BlockBody::decode(without_trailing_bytes(bytes)) {
        let hash = body.block().header.hash().to_string();
        for key in ["block_hash", "hash"] {
            if let Some(expected) = verdict.get(key).and_then(Value::as_str) {
                case.that(expected == hash, || format!("{key} is {hash}"));
            }
        }
    }
}

/// The reference processes a block and then drops the sender of the bytes behind it.
fn without_trailing_bytes(bytes: &[u8]) -> &[u8] {
    match mvs_primitives::block::Block::decode_prefix(bytes) {
        Ok((_, len)) => &bytes[..len],
        Err(_) => bytes,
    }
}

fn check_tx(chain: &MemoryChain, verdict: &Value, bytes: &[u8], case: &mut Case) {
    let transaction = Transaction::decode(bytes).map_err(Refusal::from);
    let code = verdict.get("code").and_then(Value::as_u64);
    if let Some(accepted) = verdict.get("accepted").and_then(Value::as_bool)
        && code.is_none_or(|code| VALIDATION_CODES.contains(&code))
    {
        let judge = |chain: &MemoryChain, transaction: &Transaction| {
            chain.judge_loose(transaction).map(drop)
        };
        let strict = match &transaction {
            Ok(transaction) => judge(chain, transaction),
            Err(_) => Transaction::decode(bytes).map(drop).map_err(Refusal::from),
        };
        compare(
            "pool",
            accepted,
            &strict,
            || {
                // What the recording command reads is put into canonical form first.
                let (transaction, _) = Transaction::decode_prefix(bytes)?;
                judge(&as_reference(chain), &transaction)
            },
            case,
        );
        if let (Ok(transaction), Some(txid)) =
            (&transaction, verdict.get("txid").and_then(Value::as_str))
        {
            let found = transaction.txid().to_string();
            case.that(found == txid, || format!("txid is {found}"));
        }
    }
    if let Some(accepted) = verdict.get("block_accepted").and_then(Value::as_bool) {
        check_tx_in_block(chain, accepted, bytes, case);
    }
}

/// Puts the bytes, as they are, into an otherwise valid block: the merkle root is over the bytes as
/// given, so a form that is not canonical does not match it.
fn check_tx_in_block(chain: &MemoryChain, accepted: bool, bytes: &[u8], case: &mut Case) {
    let draft = BlockDraft::on(chain, Script::default(), Vec::new());
    let coinbase = draft.transactions[0].to_bytes();
    let given = mvs_primitives::hash::sha256d(bytes);
    let leaves = [draft.transactions[0].txid(), mvs_primitives::hash::TxId::from_bytes(given)];
    let mut header = draft.header;
    header.merkle = mvs_primitives::merkle::compute_root(&leaves).root;
    crate::build::seal_header(&mut header, chain.caches());
    let block = [&header.to_bytes()[..], &[2], &coinbase, bytes].concat();
    let strict = chain.judge(&block, FAR_FUTURE).map(drop);
    compare(
        "in a block",
        accepted,
        &strict,
        || as_reference(chain).judge(&block, FAR_FUTURE).map(drop),
        case,
    );
}
