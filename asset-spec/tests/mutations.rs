//! Damaged items: never a panic, and what still decodes encodes to something stable.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking, its helpers too

#[path = "common/mod.rs"]
mod common;

use asset_spec::check::{Context, Kind, check};
use common::{FILES, cases, text};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

fn assert_stable(bytes: &[u8], kind: Option<Kind>) {
    let context = Context::default();
    let verdict = check(bytes, kind, &context);
    if let (Some(broken), None) = (&verdict.broken, &verdict.value) {
        assert!(broken.code.starts_with("decode."), "{}", broken.code);
    }
    if let Some(canonical) = &verdict.canonical {
        // Canonical bytes may break another clause (a script that lost an opcode has a pattern
        // again), but they are their own canonical form.
        let again = check(canonical, verdict.kind, &context);
        assert!(again.value.is_some(), "{}", hex::encode(bytes));
        assert_eq!(again.canonical, None, "{}", hex::encode(bytes));
    }
}

/// Vectors that are not too long to be damaged byte by byte.
fn short_items() -> Vec<(Vec<u8>, Kind)> {
    let mut items = Vec::new();
    for file in FILES {
        for case in cases(file) {
            let bytes = hex::decode(text(&case, "hex").unwrap()).unwrap();
            let kind = match text(&case, "kind") {
                Some("attachment") => Kind::Attachment,
                Some("output") => Kind::Output,
                _ => Kind::Transaction,
            };
            if bytes.len() <= 700 {
                items.push((bytes, kind));
            }
        }
    }
    items
}

#[test]
fn every_byte_flipped() {
    for (bytes, kind) in short_items() {
        for position in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[position] ^= flip;
                assert_stable(&damaged, Some(kind));
            }
        }
    }
}

#[test]
fn every_truncation() {
    for (bytes, kind) in short_items() {
        for len in 0..bytes.len() {
            assert_stable(&bytes[..len], Some(kind));
            let verdict = check(&bytes[..len], Some(kind), &Context::default());
            assert!(!verdict.is_good() || verdict.value.is_some());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert_stable(&longer, None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        assert_stable(&bytes, None);
        for kind in Kind::ORDER {
            assert_stable(&bytes, Some(kind));
        }
    }

    #[test]
    fn random_attachment_bodies(
        version in prop::sample::select(vec![0u32, 1, 2, 207]),
        kind in 0u32..9,
        status in 0u32..4,
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let bytes =
            [&version.to_le_bytes()[..], &kind.to_le_bytes(), &status.to_le_bytes(), &body].concat();
        assert_stable(&bytes, Some(Kind::Attachment));
        assert_stable(&bytes, None);
    }
}
