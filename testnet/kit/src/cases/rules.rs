//! The list of rules, as a table for people.
//!
//! The texts of the header, block and transaction rules stand at their variants in `mvs-consensus`;
//! those of the lists below it only has codes for.

use std::collections::BTreeMap;
use std::fmt::Write;

use mvs_consensus::error::{
    BlockRuleError, BodyMismatch, HeaderRuleError, NotYet, Rule, StakeRuleError, TxRuleError,
};
use mvs_consensus::script::ScriptError;
use mvs_primitives::attachment::AttachmentError;
use mvs_primitives::encode::DecodeError;
use mvs_primitives::symbol::SymbolError;

use super::{Case, Offer};

/// A stage, and the rules that it asks.
#[derive(Debug)]
pub struct Stage {
    /// Heading.
    pub title: &'static str,
    /// What a broken rule means.
    pub meaning: &'static str,
    /// The rules; codes that end in `*` stand for another stage's.
    pub rules: Vec<Rule>,
}

const fn rule(code: &'static str, text: &'static str, source: &'static str) -> Rule {
    Rule { code, text, source, since: "genesis" }
}

const DECODE: [Rule; 6] = [
    rule("decode.truncated", "The bytes do not end inside a field.", "chain.md 2.1, 3.1"),
    rule("decode.trailing", "Nothing follows the value.", "docs/decisions/0002"),
    rule("decode.over_budget", "The bytes are at most those of a message.", "p2p.md"),
    rule(
        "decode.count",
        "A count of items is at most what the rest can hold.",
        "chain.md 2.1, 3.1",
    ),
    rule("decode.asset_status", "The status of an asset is 1 or 2.", "chain.md 3.3"),
    rule("decode.did_status", "The status of an identity is 1 or 2.", "chain.md 3.3"),
];

const NOT_YET: [Rule; 2] = [
    rule("not_yet.no_parent", "The parent is known.", "chain.md 8.4"),
    rule("not_yet.too_early", "The timestamp is not too far ahead of the clock.", "chain.md 8.1.5"),
];

const SYMBOL: [Rule; 6] = [
    rule("symbol.empty", "A name has at least one byte.", "chain.md 3.6"),
    rule("symbol.too_long", "A name has at most 64 bytes.", "chain.md 3.6"),
    rule("symbol.character", "A name has only the characters of its kind.", "chain.md 3.6"),
    Rule {
        since: "version 4",
        ..rule(
            "symbol.lower_case",
            "An asset or certificate has no lower-case letters.",
            "chain.md 3.6",
        )
    },
    rule("symbol.sensitive_word", "A name holds none of the reserved words.", "chain.md 3.6"),
    rule("symbol.is_address", "An identity is not called like an address.", "chain.md 3.6"),
];

const fn attachment(code: &'static str, text: &'static str) -> Rule {
    Rule { code, text, source: "chain.md 3.5", since: "version 4" }
}

const ATTACHMENT: [Rule; 10] = [
    attachment("attachment.type", "The type is a known one."),
    attachment("attachment.symbol_empty", "There is a symbol."),
    attachment("attachment.supply_zero", "An issue creates something."),
    attachment("attachment.quantity_zero", "A transfer moves something."),
    attachment("attachment.message_empty", "A message says something."),
    attachment("attachment.owner_empty", "A certificate has an owner."),
    attachment("attachment.cert_type_none", "A certificate has a type."),
    attachment("attachment.address_empty", "A unique item has an address."),
    attachment("attachment.mit_status", "The status of a unique item is 1 or 2."),
    attachment("attachment.too_long", "The texts are no longer than the kind allows."),
];

const fn script(code: &'static str, text: &'static str) -> Rule {
    rule(code, text, "chain.md 4.1")
}

const SCRIPT: [Rule; 27] = [
    script("script.eval_false", "The scripts leave a true value."),
    script("script.script_size", "A script has at most 10,000 bytes."),
    script("script.push_size", "A push has at most 520 bytes."),
    script("script.truncated_push", "A script does not end inside a push."),
    script("script.op_count", "A script has at most 201 operations."),
    script("script.stack_size", "There are at most 1,000 items on the stacks."),
    script("script.disabled_opcode", "No operation is one that is switched off."),
    script("script.bad_opcode", "Each operation exists."),
    script("script.stack_underflow", "Each operation finds the items that it needs."),
    script("script.alt_stack_underflow", "`FROMALTSTACK` finds an item."),
    script("script.unbalanced_conditional", "Each `IF` has its `ENDIF`."),
    script("script.op_return", "`RETURN` is not executed."),
    script("script.verify", "`VERIFY` finds a true value."),
    script("script.equal_verify", "`EQUALVERIFY` finds equal values."),
    script("script.num_equal_verify", "`NUMEQUALVERIFY` finds equal numbers."),
    script("script.check_sig_verify", "`CHECKSIGVERIFY` finds a signature that holds."),
    script("script.check_multisig_verify", "`CHECKMULTISIGVERIFY` finds signatures that hold."),
    script("script.number_size", "A number has at most 4 bytes, that of a lock 5."),
    script("script.key_count", "A multisig has at most 20 keys."),
    script("script.sig_count", "A multisig has at most as many signatures as keys."),
    rule(
        "script.sig_der",
        "A signature that is not empty is strict DER.",
        "chain.md 4.1, BIP-0066",
    ),
    rule(
        "script.input_not_push_only",
        "An input script that spends a script hash only pushes.",
        "chain.md 4.1, BIP-0016",
    ),
    rule("script.locktime_negative", "A lock time is not negative.", "chain.md 4.1, BIP-0065"),
    rule("script.locktime_unsatisfied", "A demanded lock time is met.", "chain.md 4.1, BIP-0065"),
    rule("script.sequence_negative", "A relative lock is not negative.", "chain.md 4.1, BIP-0112"),
    rule(
        "script.sequence_unsatisfied",
        "A demanded relative lock is met.",
        "chain.md 4.1, BIP-0112",
    ),
    rule("script.attenuation_model", "What locks an asset is a model.", "chain.md 4.1, 7.8"),
];

/// Lists every stage with its rules, in the order in which a block meets them.
pub fn stages() -> Vec<Stage> {
    let stage = |title, meaning, rules: &[Rule]| Stage { title, meaning, rules: rules.to_vec() };
    vec![
        stage("Bytes", "The bytes are no block or transaction: drop the peer.", &DECODE),
        stage("Headers", "The header is invalid, and so is its block.", HeaderRuleError::RULES),
        stage("Not yet", "Nothing is wrong; keep it and ask again later.", &NOT_YET),
        stage(
            "Bodies",
            "The transactions are not those that the header means. The header may be honest: drop the \
             body and ask somebody else.",
            BodyMismatch::RULES,
        ),
        stage("Blocks", "The block is invalid.", BlockRuleError::RULES),
        stage("Stakes", "The stake block is invalid.", StakeRuleError::RULES),
        stage(
            "Transactions",
            "The transaction is invalid, and so is its block.",
            TxRuleError::RULES,
        ),
        stage("Names", "A name in the transaction is refused.", &SYMBOL),
        stage("Attachments", "An attachment is invalid by itself.", &ATTACHMENT),
        stage("Scripts", "The scripts of an input do not allow the spend.", &SCRIPT),
    ]
}

/// Lists the codes of every enum of errors that a block or transaction can meet, without those that
/// stand for an inner list.
pub fn leaf_codes() -> Vec<&'static str> {
    let rules = mvs_consensus::error::RULES.iter().flat_map(|part| part.iter());
    rules
        .map(|rule| rule.code)
        .filter(|code| !code.ends_with('*'))
        .chain(DecodeError::CODES)
        .chain(NotYet::CODES)
        .chain(SymbolError::CODES)
        .chain(AttachmentError::CODES)
        .chain(ScriptError::CODES.iter().copied())
        .collect()
}

/// Writes the table.
pub fn markdown(cases: &[Case]) -> String {
    let mut by_code: BTreeMap<&str, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        by_code.entry(case.code.unwrap_or_default()).or_default().push(case);
    }
    let mut text = String::from(HEAD);
    let total = leaf_codes().len();
    let accepted = by_code.get("").map_or(0, Vec::len);
    let broken = cases.len() - accepted;
    let _ = writeln!(
        text,
        "There are {total} rules, {broken} cases that break exactly one, and {accepted} that break none."
    );
    for stage in stages() {
        let _ = write!(text, "\n## {}\n\n{}\n\n", stage.title, stage.meaning);
        text.push_str("| code | rule | source | since | cases |\n|---|---|---|---|---|\n");
        for rule in stage.rules {
            let Rule { code, text: demand, source, since } = rule;
            let found = by_code.get(code).map(Vec::as_slice).unwrap_or_default();
            let names = if code.ends_with('*') { "see below".to_owned() } else { names(found) };
            let _ = writeln!(text, "| `{code}` | {demand} | {source} | {since} | {names} |");
        }
    }
    let narrow: Vec<_> = cases
        .iter()
        .filter_map(|case| match &case.offer {
            Offer::Narrow { why, .. } => Some((case, why)),
            _ => None,
        })
        .collect();
    text.push_str("\n## Cases that are functions\n\nNo bytes from outside break these rules:\n\n");
    for (case, why) in narrow {
        let code = case.code.unwrap_or_default();
        let _ = writeln!(text, "* `{}` (`{code}`): {why}.", case.name);
    }
    text
}

/// Names of cases; the loose twin of a case goes without saying.
fn names(cases: &[&Case]) -> String {
    let all: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let is_twin =
        |name: &str| name.strip_suffix("-loose").is_some_and(|block| all.contains(&block));
    all.iter().filter(|name| !is_twin(name)).copied().collect::<Vec<_>>().join(", ")
}

const HEAD: &str = "\
# Rules of the chain

Every rule that a block or transaction can break. The code is stable: RPC, logs and peers show it.
Generated by `cargo xtask rules` from the error types and from the cases in `testnet/kit/src/cases`;
do not edit.

* *source*: section of the protocol reference, BIP, or decision record.
* *since*: height on the main network, or the transaction version, from which the rule holds.
* *cases*: names of the generated cases that break this rule and no other. Most transaction cases
  exist twice, in a block and loose (`NAME-loose`).

";
