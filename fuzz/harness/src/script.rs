//! Scripts.

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::encode::{CompactSize, Decode, Encode};
use mvs_primitives::script::{Instruction, Pattern, Script};

use crate::round_trip;

/// The input is the script itself, without a length.
pub(crate) fn script(data: &[u8]) {
    check(&Script::from_bytes(data));
    let mut wire = CompactSize::new(data.len() as u64).to_bytes();
    wire.extend_from_slice(data);
    let decoded = round_trip::<Script>(&wire).expect("every script decodes");
    assert_eq!(decoded.wire_len(), decoded.encoded_len());
    check(&decoded);
    round_trip::<Script>(data);

    // Either a cut-short script, which stays, or one without opcode 0xbb as an operation.
    let truncated = Script::from_bytes(data).instructions().any(|step| step.is_err());
    if truncated {
        assert_eq!(decoded.as_bytes(), data);
    } else {
        assert!(decoded.instructions().all(|step| step.is_ok_and(|s| s.opcode().byte() != 0xbb)));
    }
    let once = decoded.without_marker_memory();
    assert_eq!(Script::decode(&once.to_bytes()), Ok(once));
}

fn check(script: &Script) {
    let main = &AddressFormat::MAINNET;
    // The words are at most "checkattenuationverify" and a space for a byte.
    assert!(script.to_string().len() <= 24 * script.len());
    let text = script.address_text(main);
    let shown = std::str::from_utf8(text.as_bytes()).expect("Base58 is ASCII");
    assert_eq!(Address::parse(shown, main), Ok(script.address().unwrap_or(Address::Blackhole)));

    let mut position = 0;
    let mut steps = script.instructions();
    while let Some(step) = steps.next() {
        assert!(steps.position() > position);
        position = steps.position();
        if let Ok(Instruction::Push { data, .. }) = step {
            assert_eq!(Some(data), script.as_bytes()[..position].get(position - data.len()..));
        }
    }
    assert_eq!(position, script.len());

    // What has been taken apart goes together again.
    let pattern = script.pattern();
    assert_eq!(pattern.kind(), script.pattern().kind());
    let rebuilt = match &pattern {
        Pattern::NullData(data) => Script::null_data(data),
        Pattern::PayMultisig { required, keys } => Script::pay_multisig(*required, keys),
        Pattern::PayPublicKey(key) => Some(Script::pay_public_key(key)),
        Pattern::PayKeyHash(hash) => Some(Script::pay_key_hash(hash)),
        Pattern::PayScriptHash(hash) => Some(Script::pay_script_hash(hash)),
        Pattern::PayBlackholeAddress => Some(Script::pay_blackhole()),
        Pattern::PayKeyHashWithAttenuationModel { model, point, key_hash } => {
            match <&[u8; 36]>::try_from(*point) {
                Ok(point) => Some(Script::pay_key_hash_with_attenuation(model, point, key_hash)),
                Err(_) => return,
            }
        }
        _ => return,
    };
    assert_eq!(rebuilt.as_ref().map(Script::as_bytes), Some(script.as_bytes()));
}
