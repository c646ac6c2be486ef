//! Scripts run, attenuation models, chain specs: rules that need no state.

use mvs_consensus::attachment::attenuation::{AttenuationError, AttenuationModel, make_initial};
use mvs_consensus::params::chain_spec::ChainSpec;
use mvs_consensus::script::{
    CacheUse, InputContext, ScriptError, SigCache, collect_input, verify_checks, verify_input,
};
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::hash::TxId;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;

fn is_model(text: &[u8]) -> bool {
    AttenuationModel::parse(text).is_ok()
}

/// Input: transaction version, lock time and sequence (4 bytes each), length of the input script
/// (2 bytes), input script, previous script. Whatever the scripts are, verifying at once, later and
/// with a memory of signatures give the same verdict.
pub(crate) fn interpreter(data: &[u8]) {
    let Some((head, scripts)) = data.split_first_chunk::<14>() else { return };
    let [v0, v1, v2, v3, l0, l1, l2, l3, s0, s1, s2, s3, n0, n1] = *head;
    let split = usize::from(u16::from_le_bytes([n0, n1])).min(scripts.len());
    let (own, previous) = scripts.split_at(split);
    let input = |index| Input::unsigned(OutPoint::new(TxId::from_bytes([1; 32]), index));
    let mut transaction = Transaction {
        version: u32::from_le_bytes([v0, v1, v2, v3]),
        inputs: vec![input(0), input(1)],
        outputs: vec![Output::etp(Amount::from_units(1), Script::pay_key_hash(&[1; 20])); 2],
        locktime: u32::from_le_bytes([l0, l1, l2, l3]),
    };
    transaction.inputs[1].script = Script::from_bytes(own);
    transaction.inputs[1].sequence = u32::from_le_bytes([s0, s1, s2, s3]);
    let previous = Script::from_bytes(previous);
    let context =
        InputContext::new(&transaction, 1, &previous, is_model).expect("there are two inputs");

    let at_once = verify_input(&context, CacheUse::Off);
    if let Err(error) = &at_once {
        assert!(ScriptError::CODES.contains(&error.code()));
        assert!(error.to_string().len() < 300);
    }
    let mut checks = Vec::new();
    let later = match collect_input(&context, &mut checks, CacheUse::Off) {
        Err(error) => {
            assert!(checks.is_empty(), "an error appends nothing");
            Err(error)
        }
        Ok(()) if verify_checks(&checks, CacheUse::Off).is_none() => Ok(()),
        // Only running the scripts again tells; but it cannot be forgotten.
        Ok(()) => verify_input(&context, CacheUse::Off),
    };
    assert_eq!(at_once, later, "verified later");
    let memory = SigCache::new([7; 32], 512);
    for cache in [CacheUse::ReadWrite(&memory), CacheUse::Read(&memory)] {
        assert_eq!(at_once, verify_input(&context, cache), "with a memory of signatures");
    }
}

/// Input: quantity and blocks (8 bytes each), then one or two models with a line feed between.
pub(crate) fn attenuation(data: &[u8]) {
    let Some((head, text)) = data.split_first_chunk::<16>() else { return };
    let (amount, blocks) = head.split_at(8);
    let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("half of 16 bytes"));
    let (amount, blocks) = (AssetAmount::from_units(number(amount)), number(blocks));
    let mut texts = text.splitn(2, |byte| *byte == b'\n');
    let first = texts.next().unwrap_or_default();
    let second = texts.next().map(AttenuationModel::parse);

    match make_initial(first, amount) {
        Ok(made) => {
            let model = AttenuationModel::parse(&made).expect("what is made parses");
            assert_eq!(model.check_initial(amount), Ok(()));
        }
        Err(error) => known(&error),
    }
    let model = match AttenuationModel::parse(first) {
        Ok(model) => model,
        Err(error) => return known(&error),
    };
    for verdict in [model.check_initial(amount), model.check_running(amount)] {
        if let Err(error) = verdict {
            known(&error);
        }
    }
    if let Some(Ok(second)) = &second {
        let _ = model.distance(Some(second));
    }
    let until_end = model.distance(None);
    match model.available(amount, blocks) {
        Ok(release) => {
            check_release(&model, amount, blocks, until_end, release.parameter.as_deref(), {
                release.available
            })
        }
        Err(error) => known(&error),
    }
}

fn check_release(
    model: &AttenuationModel,
    amount: AssetAmount,
    blocks: u64,
    until_end: Option<u64>,
    rest: Option<&[u8]>,
    available: AssetAmount,
) {
    let Some(rest) = rest else {
        assert_eq!(available, amount, "nothing stays locked, so all is free");
        return;
    };
    let rest = AttenuationModel::parse(rest).expect("the model of what stays locked parses");
    assert_eq!(rest.constant_part(), model.constant_part());
    assert_eq!(rest.schedule(), model.schedule());
    assert_eq!(rest.locked(), model.locked());
    if model.check_running(amount).is_ok() && rest.check_running(amount).is_ok() {
        assert!(rest.position().0 >= model.position().0, "periods do not go back");
        assert_eq!(model.distance(Some(&rest)), Some(blocks), "the distance is what has passed");
        assert!(until_end.is_some_and(|end| end > blocks), "something is still locked");
    }
}

fn known(error: &AttenuationError) {
    assert!(AttenuationError::CODES.contains(&error.code()));
    assert!(error.to_string().len() < 200);
}

/// Input: a chain spec. One that is read is written and read to the same parameters.
pub(crate) fn chain_spec(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match ChainSpec::parse(text) {
        Ok(params) => {
            let written = ChainSpec::to_toml(&params).expect("what was read can be written");
            assert_eq!(ChainSpec::parse(&written).as_ref(), Ok(&params));
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
