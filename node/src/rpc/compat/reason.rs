//! Why a transaction is refused, in the words of the first node.
//!
//! Its words are few, and clients have been seen to compare them. Each is learnt from recorded
//! replies; a reason without a recorded word is told in ours, with its code.

use mvs_consensus::error::TxRuleError;
use mvs_primitives::attachment::Payload;
use mvs_primitives::script::Pattern;
use mvs_primitives::transaction::Transaction;

use crate::mempool::Reject;

/// Codes and the words for them. A code that ends in `*` stands for all that begin like it.
const WORDS: &[(&str, &str)] = &[
    ("attachment.*", "attachment is invalid"),
    ("script.*", SCRIPTS),
    ("tx.award_output", SCRIPTS),
    ("tx.coinbase_immature", SCRIPTS),
    ("tx.input_symbols", SCRIPTS),
    ("tx.mit.inputs", SCRIPTS),
    ("tx.mit.not_in_inputs", SCRIPTS),
    ("tx.asset.issue_cert_missing", ISSUE),
    ("tx.asset.issue_outputs", ISSUE),
    ("tx.asset.issue_form", "asset secondaryissue assetshare threshold value invalid"),
    ("tx.asset.lock_model", MODEL),
    ("tx.attenuation.*", MODEL),
    ("tx.asset.not_conserved", "asset amount not equal"),
    ("tx.asset.secondary_form", SECONDARY),
    ("tx.asset.secondary_outputs", SECONDARY),
    ("tx.asset.share_too_small", "user asset share is not enought to secondary issue asset "),
    ("tx.asset.symbol_mismatch", "asset symbol not match"),
    ("tx.asset.transfer_outputs", "asset symbol not match"),
    ("tx.cert.auto_issue_alone", CERT),
    ("tx.cert.not_in_inputs", CERT),
    ("tx.cert.single", CERT),
    ("tx.cert.symbol_mismatch", CERT),
    ("tx.cert.exists", "asset cert already exists"),
    ("tx.cert.naming_domain", CERT_ISSUE),
    ("tx.cert.outputs", CERT_ISSUE),
    ("tx.cert.witness_primary", CERT_ISSUE),
    ("tx.deposit_period", "get coinage reward transaction output script lock heigh value error"),
    ("tx.did.address_mismatch", "asset attachment address must be equal with output address"),
    ("tx.did.address_taken", "address already registered did"),
    ("tx.did.from_unbound", DID_ADDRESS),
    ("tx.did.to_unbound", DID_ADDRESS),
    ("tx.did.inputs", "did input error"),
    ("tx.did.name_taken", "did exist"),
    ("tx.did.owner_mismatch", "attach todid must equal with asset issuer or cert owner"),
    ("tx.did.single", "did attchment type can not be with some others"),
    ("tx.duplicate_input", "double spend of input"),
    ("tx.empty", "transaction inputs or outputs are empty"),
    ("tx.loose_coinstake", "fees are out of range"),
    ("tx.mit.address", "MIT token register error"),
    ("tx.mit.exists", "MIT token already exists"),
    ("tx.mit.form", MIT),
    ("tx.mit.outputs", MIT),
    ("tx.output_value", "output value outside valid range"),
    ("tx.script_not_standard", "script not standard"),
    (
        "tx.sequence_lock_early",
        "pos feature is not activated, it will be activated when block height is larger than \
         1924000",
    ),
    ("tx.sequence_locked", "transaction currently locked"),
    ("tx.version_unknown", "transaction version error"),
];

const SCRIPTS: &str = "validation of inputs failed";
const ISSUE: &str = "issue asset error";
const SECONDARY: &str = "secondary issue asset error";
const MODEL: &str = "attenuation model parameter is wrong";
const CERT: &str = "asset cert error";
const CERT_ISSUE: &str = "asset cert issue error";
const DID_ADDRESS: &str = "attach did address must equal with output address";
const MIT: &str = "MIT token error";

/// Returns the message of error 5304.
pub(super) fn of(reject: &Reject, tx: &Transaction) -> String {
    let code = reject.code();
    let by_kind = match reject {
        Reject::Rule(TxRuleError::Symbol { output, .. }) => Some(symbol(tx, *output)),
        Reject::Rule(TxRuleError::AddressMismatch { output, .. })
            if matches!(payload(tx, *output), Some(Payload::Did(_))) =>
        {
            Some(DID_ADDRESS)
        }
        _ => None,
    };
    let Some(words) = by_kind.or_else(|| words(code)) else {
        return format!("validate transaction failure: {reject} ({code})");
    };
    if code.starts_with("script.") && has_multisig_input(tx) {
        // The first node puts the signatures in order and tries again before it says so.
        return format!("validate multi-sig transaction failure:{words}");
    }
    format!("validate transaction failure: {words}")
}

fn words(code: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => code.starts_with(start),
        None => code == pattern,
    };
    WORDS.iter().find(|(pattern, _)| fits(pattern)).map(|(_, words)| *words)
}

/// A bad name is told by the kind of thing that it names.
fn symbol(tx: &Transaction, output: usize) -> &'static str {
    match payload(tx, output) {
        Some(Payload::Did(_)) => "did symbol invalid",
        Some(Payload::Mit(_)) => "MIT symbol invalid",
        _ => "asset symbol invalid",
    }
}

fn payload(tx: &Transaction, output: usize) -> Option<&Payload> {
    tx.outputs.get(output).map(|output| &output.attachment.payload)
}

fn has_multisig_input(tx: &Transaction) -> bool {
    tx.inputs.iter().any(|input| {
        let pattern = Pattern::of(input.script.as_bytes());
        matches!(&pattern, Pattern::SignMultisig { .. }) && pattern.address().is_some()
    })
}

#[cfg(test)]
mod tests {
    use mvs_consensus::error::{RULES, Rule};

    use super::WORDS;

    #[test]
    fn every_word_belongs_to_a_code_that_exists() {
        let rules: Vec<&Rule> = RULES.iter().flat_map(|rules| rules.iter()).collect();
        for (code, _) in WORDS {
            // Codes of scripts and attachments have lists of their own.
            let own = matches!(*code, "script.*" | "attachment.*");
            let start = code.trim_end_matches('*');
            assert!(own || rules.iter().any(|rule| rule.code.starts_with(start)), "{code}");
        }
    }
}
