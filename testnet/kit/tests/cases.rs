//! Every rule has a case that breaks exactly it, and every mended case is accepted.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use mvs_pow::CacheSet;
use mvs_primitives::encode::Decode;
use mvs_primitives::header::Header;
use testkit::cases::{Case, Offer, rules};
use testkit::chain::{FAR_FUTURE, MemoryChain};

static CASES: LazyLock<Vec<Case>> = LazyLock::new(testkit::cases::all);

#[test]
fn each_case_breaks_exactly_its_rule() {
    let wrong: Vec<String> = CASES
        .iter()
        .filter_map(|case| {
            let found = case.judge();
            let (name, kind) = (&case.name, case.offer.kind());
            (found != case.code)
                .then(|| format!("{name} ({kind}): {found:?} instead of {:?}", case.code))
        })
        .collect();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

#[test]
fn each_rule_has_a_case() {
    let covered: BTreeSet<_> = CASES.iter().filter_map(|case| case.code).collect();
    let known: BTreeSet<_> = rules::leaf_codes().into_iter().collect();
    let missing: Vec<_> = known.difference(&covered).collect();
    assert!(missing.is_empty(), "no case breaks {missing:?}");
    let unknown: Vec<_> = covered.difference(&known).collect();
    assert!(unknown.is_empty(), "cases break what is no rule: {unknown:?}");
}

#[test]
fn the_table_lists_each_rule_once_with_a_text() {
    let mut texts = BTreeMap::new();
    for stage in rules::stages() {
        for rule in stage.rules {
            let is_sentence = rule.text.starts_with(|first: char| !first.is_whitespace())
                && rule.text.ends_with('.')
                && !rule.text.contains("  ");
            assert!(is_sentence, "{}: {:?}", rule.code, rule.text);
            assert!(texts.insert(rule.code, rule.text).is_none(), "{} twice", rule.code);
        }
    }
    let leaves = texts.keys().filter(|code| !code.ends_with('*')).copied();
    assert!(leaves.eq(rules::leaf_codes().into_iter().collect::<BTreeSet<_>>()));
}

#[test]
fn names_are_unique() {
    let mut names = BTreeSet::new();
    let twice: Vec<_> = CASES.iter().filter(|case| !names.insert(&case.name)).collect();
    assert!(twice.is_empty(), "{:?}", twice.iter().map(|case| &case.name).collect::<Vec<_>>());
}

/// A case is data: whoever has parameters, blocks and bytes comes to the same answer.
#[test]
fn a_base_chain_can_be_rebuilt_from_its_bytes() {
    let mut seen: Vec<Arc<testkit::cases::base::Base>> = Vec::new();
    for case in CASES.iter() {
        if seen.iter().any(|base| base.name() == case.base.name()) {
            continue;
        }
        seen.push(Arc::clone(&case.base));
        let base = &case.base;
        let mut chain = MemoryChain::new(base.params().clone(), Arc::new(CacheSet::new(1)));
        chain.append_all(&base.blocks(), FAR_FUTURE).unwrap();
        assert_eq!(chain.tip(), base.chain().tip(), "{}", base.name());
        assert!(chain.state() == base.chain().state(), "{}", base.name());
    }
    assert_eq!(seen.len(), 4);
}

/// A node that is shown only the header comes to the same answer.
#[test]
fn header_rules_speak_on_the_header_alone() {
    use mvs_consensus::header::{accept_header, check_headers};
    let mut count = 0;
    for case in CASES.iter() {
        let Some(code) = case.code else { continue };
        let Offer::Block(bytes) = &case.offer else { continue };
        if !code.starts_with("header.") && !code.starts_with("not_yet.") {
            continue;
        }
        let (header, _) = Header::decode_prefix(bytes).unwrap();
        let chain = case.base.chain();
        let checked = check_headers(chain.params(), chain.caches(), vec![header]).remove(0);
        let found = match checked {
            Err(mvs_consensus::error::Rejection::Rule(rule)) => rule.code(),
            Err(fault) => panic!("{}: {fault}", case.name),
            Ok(checked) => {
                accept_header(chain.params(), chain.headers(), chain.tip(), checked, case.now_secs)
                    .unwrap_err()
                    .code()
            }
        };
        assert_eq!(found, code, "{}", case.name);
        count += 1;
    }
    assert!(count >= 13, "{count}");
}
