//! What the fuzz targets check, as plain functions over bytes.
//!
//! One place for two users: the one-line targets in `fuzz/fuzz_targets/` that libFuzzer drives, and
//! the stable test that replays `fuzz/corpus/` (`cargo test -p fuzz-harness`).
//!
//! A function here panics when a promise of the code under test is broken. That is all it may do.
//!
//! To add a target: write its function, name it in [`TARGETS`], add a file of the same name to
//! `fuzz/fuzz_targets/` with a `[[bin]]` entry in `fuzz/Cargo.toml`, and put at least one seed into
//! `fuzz/corpus/NAME/`. A test fails when one of them is missing.

use std::fmt::Debug;

use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode, MAX_PAYLOAD_BYTES};

mod attachment;
mod chain;
mod consensus;
mod json;
mod p2p;
mod pow;
mod rpc;
mod rules;
mod script;
mod store;
mod text;
mod wallet;

/// A fuzz target.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: of the file in `fuzz/fuzz_targets/` and of the folder in `fuzz/corpus/`.
    pub name: &'static str,
    /// What is run on each input.
    pub run: fn(&[u8]),
    /// The longest input worth trying, in bytes.
    pub max_len: usize,
}

const fn target(name: &'static str, run: fn(&[u8]), max_len: usize) -> Target {
    Target { name, run, max_len }
}

/// Every target.
pub const TARGETS: &[Target] = &[
    target("header", chain::header, 160),
    target("block", chain::block, 8192),
    target("transaction", chain::transaction, 4096),
    target("attachment_any", attachment::any, 1024),
    target("attachment_etp", attachment::etp, 128),
    target("attachment_asset", attachment::asset, 512),
    target("attachment_message", attachment::message, 512),
    target("attachment_did", attachment::did, 512),
    target("attachment_cert", attachment::cert, 512),
    target("attachment_mit", attachment::mit, 512),
    target("script", script::script, 2048),
    target("address", text::address, 256),
    target("compact_size", chain::compact_size, 32),
    target("merkle_branch", chain::merkle_branch, 1536),
    target("json", json::json, 4096),
    target("interpreter", consensus::interpreter, 4096),
    target("attenuation", consensus::attenuation, 1024),
    target("chain_spec", consensus::chain_spec, 4096),
    target("ethash", pow::ethash, 160),
    target("store_bytes", store::bytes, 1024),
    target("store_ops", store::ops, 512),
    target("tx_rules", rules::transaction, 1024),
    target("block_rules", rules::block, 8192),
    target("mnemonic", wallet::mnemonic, 2100),
    target("keyfile", wallet::keyfile, 4096),
    target("keystore_header", wallet::keystore_header, 2048),
    target("p2p_frames", p2p::frames, 4096),
    target("p2p_session", p2p::session, 4096),
    target("rpc_envelope", rpc::envelope, 4096),
];

/// Runs the target of that name.
///
/// # Panics
/// When there is none, or when the target finds a broken promise.
pub fn run(name: &str, data: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("the target is in TARGETS").run)(data);
}

/// What holds for the decoding of every type.
///
/// - A failure has one of the stable codes.
/// - The canonical form is never longer than the input, and equal to it exactly when the decoder
///   counted no departures.
/// - Decoding the canonical form departs nowhere, leaves nothing, and encodes to itself.
/// - `encoded_len`, `decode` and `decode_prefix` agree with all that.
fn round_trip<T: Encode + Decode + Debug>(data: &[u8]) -> Option<T> {
    let mut decoder = match Decoder::new(data, MAX_PAYLOAD_BYTES) {
        Ok(decoder) => decoder,
        Err(error) => return refused(&error),
    };
    let value = match T::decode_from(&mut decoder) {
        Ok(value) => value,
        Err(error) => {
            assert_eq!(T::decode(data).err(), Some(error.clone()));
            return refused(&error);
        }
    };
    let used = &data[..decoder.position()];
    assert!(used.len() >= T::MIN_BYTES, "shorter than MIN_BYTES");
    let canonical = value.to_bytes();
    assert_eq!(canonical.len(), value.encoded_len());
    if decoder.departures() == 0 {
        assert_eq!(canonical, used, "no departures, yet other bytes");
    } else {
        assert!(canonical.len() < used.len(), "departures, yet no shorter");
    }

    let mut again = Decoder::new(&canonical, MAX_PAYLOAD_BYTES).expect("no longer than the input");
    let second = T::decode_from(&mut again).expect("the canonical form decodes");
    assert_eq!(again.departures(), 0, "the canonical form departs from itself");
    assert_eq!(again.finish(), Ok(()));
    assert_eq!(second.to_bytes(), canonical);

    let (_, len) = T::decode_prefix(data).expect("it decoded before");
    assert_eq!(len, used.len());
    match T::decode(data) {
        Ok(_) => assert_eq!(len, data.len()),
        Err(error) => {
            assert_eq!(error, DecodeError::Trailing { remaining: data.len() - len });
        }
    }
    Some(value)
}

fn refused<T>(error: &DecodeError) -> Option<T> {
    assert!(DecodeError::CODES.contains(&error.code()));
    assert!(error.to_string().len() < 200);
    None
}
