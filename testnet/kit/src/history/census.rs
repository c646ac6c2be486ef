//! Counts what a chain holds, from its blocks alone.

use std::collections::BTreeMap;

use mvs_primitives::attachment::{CertStatus, MitStatus, Payload};
use mvs_primitives::block::Block;
use mvs_primitives::output::Output;
use mvs_primitives::script::{Pattern, parse_script_number};
use mvs_primitives::transaction::Transaction;

/// Counts transactions and outputs by kind. Keys are words such as `version 4`, `cert domain issue`
/// or `script pay_multisig`.
pub fn census(blocks: &[Block]) -> BTreeMap<String, u32> {
    let mut counts = BTreeMap::new();
    for block in blocks {
        for (index, transaction) in block.transactions.iter().enumerate() {
            if transaction.is_coinbase() {
                if index > 0 {
                    count(&mut counts, "deposit reward");
                } else if transaction.outputs.len() > 1 {
                    count(&mut counts, "minted asset");
                }
            } else {
                count_transaction(&mut counts, transaction);
            }
        }
    }
    counts
}

fn count(counts: &mut BTreeMap<String, u32>, key: impl Into<String>) {
    *counts.entry(key.into()).or_default() += 1;
}

fn count_transaction(counts: &mut BTreeMap<String, u32>, transaction: &Transaction) {
    count(counts, "transactions");
    count(counts, format!("version {}", transaction.version));
    for input in &transaction.inputs {
        count(counts, "inputs");
        count(counts, format!("spend {}", input.script.pattern().kind().name()));
        if transaction.version >= 2 && input.sequence >> 31 == 0 {
            let unit = if input.sequence & (1 << 22) == 0 { "blocks" } else { "time" };
            count(counts, format!("relative lock in {unit}"));
        }
    }
    for output in &transaction.outputs {
        count_output(counts, output);
    }
}

fn count_output(counts: &mut BTreeMap<String, u32>, output: &Output) {
    count(counts, format!("script {}", output.script.pattern().kind().name()));
    count(counts, output.attachment.type_name());
    if output.attachment.version.binding().is_some() {
        count(counts, "binding");
    }
    match &output.attachment.payload {
        Payload::AssetDetail(detail) => {
            let what = if detail.threshold.is_secondary() { "more" } else { "issue" };
            count(counts, format!("{what} with threshold {}", detail.threshold.percent()));
        }
        Payload::AssetTransfer(_) if output.script.address().is_some_and(is_blackhole) => {
            count(counts, "asset burnt");
        }
        Payload::Cert(cert) => {
            let status = match cert.status {
                CertStatus::NORMAL => "kept",
                CertStatus::ISSUE => "issued",
                CertStatus::TRANSFER => "transferred",
                _ => "issued along",
            };
            count(counts, format!("cert {} {status}", cert.cert_type().name()));
        }
        Payload::Mit(mit) => {
            let is_new = matches!(mit.status, MitStatus::Register { .. });
            count(counts, if is_new { "mit registered" } else { "mit transferred" });
        }
        _ => {}
    }
    match output.script.pattern() {
        Pattern::PayKeyHashWithLockHeight { lock_height, .. } => {
            let lock = parse_script_number(lock_height, 4, true).unwrap_or_default();
            count(counts, format!("deposit for {lock}"));
        }
        Pattern::PayKeyHashWithAttenuationModel { model, point, .. } => {
            let kind = model.split(|byte| *byte == b';').find(|pair| pair.starts_with(b"TYPE="));
            let kind = String::from_utf8_lossy(kind.unwrap_or_default()).into_owned();
            let is_new = point.starts_with(&[0; 32]);
            count(counts, format!("{} lock {kind}", if is_new { "new" } else { "carried" }));
        }
        _ => {}
    }
}

fn is_blackhole(address: mvs_primitives::address::Address) -> bool {
    address == mvs_primitives::address::Address::Blackhole
}
