//! Signs inputs that belong to one key.

use mvs_primitives::script::{Pattern, Script, ScriptBuilder};
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::transaction::Transaction;

use super::{AssembleError, ProvenCoin};
use crate::keys::private_key::PrivateKey;

/// Signs every input. `spent` are the coins that they spend, in order.
///
/// # Errors
/// [`AssembleError::NotPlain`] for a coin that is not the key's, [`AssembleError::NotThere`] when the
/// coins are not those of the inputs.
pub fn sign_inputs(
    transaction: &mut Transaction,
    spent: &[ProvenCoin],
    key: &PrivateKey,
) -> Result<(), AssembleError> {
    if spent.len() != transaction.inputs.len() {
        return Err(AssembleError::Nothing);
    }
    let public = key.public_key_bytes();
    let owner = mvs_primitives::hash::hash160(&public);
    let mut scripts = Vec::with_capacity(spent.len());
    for (index, (input, coin)) in transaction.inputs.iter().zip(spent).enumerate() {
        if input.previous != coin.outpoint() {
            return Err(AssembleError::NotThere { coin: input.previous });
        }
        let code = coin.output().script.as_bytes();
        let digest = signature_hash(transaction, index, code, SighashType::ALL);
        let mut signature = key.sign_digest(digest);
        signature.push(SighashType::ALL.byte());
        let script = unlock(&coin.output().script, &owner, &signature, &public);
        scripts.push(script.ok_or(AssembleError::NotPlain { coin: input.previous, owner })?);
    }
    for (input, script) in transaction.inputs.iter_mut().zip(scripts) {
        input.script = script;
    }
    Ok(())
}

/// Unlocks a script of the key; `None` for another one (wallet.md 9).
fn unlock(script: &Script, owner: &[u8; 20], signature: &[u8], public: &[u8]) -> Option<Script> {
    let signed = ScriptBuilder::new().push(signature).push(public);
    match script.pattern() {
        Pattern::PayKeyHash(hash) if hash == owner => Some(signed.build()),
        Pattern::PayKeyHashWithLockHeight { lock_height, key_hash } if key_hash == owner => {
            Some(signed.push(lock_height).build())
        }
        Pattern::PayKeyHashWithSequenceLock { key_hash, .. } if key_hash == owner => {
            Some(signed.build())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::encode::Encode as _;
    use mvs_primitives::input::{Input, OutPoint};
    use mvs_primitives::output::Output;
    use mvs_primitives::script::{Pattern, Script};
    use mvs_primitives::sighash::{SighashType, signature_hash};
    use mvs_primitives::transaction::Transaction;
    use secp256k1::{Message, PublicKey, ecdsa};

    use super::sign_inputs;
    use crate::assemble::ProvenCoin;
    use crate::keys::private_key::PrivateKey;
    use crate::keys::secret::Secret;

    #[test]
    fn signatures_hold_and_strangers_coins_are_refused() {
        let key = PrivateKey::from_secret(Secret::copy_of(&[9; 32]), true).unwrap();
        let owner = mvs_primitives::hash::hash160(&key.public_key_bytes());
        let scripts = [
            Script::pay_key_hash(&owner),
            Script::pay_key_hash_with_lock_height(5, &owner),
            Script::pay_key_hash_with_sequence_lock(5, &owner),
            Script::pay_key_hash(&[1; 20]),
        ];
        let source = Transaction {
            version: 4,
            inputs: vec![Input::unsigned(OutPoint::NULL)],
            outputs: scripts.map(|script| Output::etp(Amount::from_units(9), script)).to_vec(),
            locktime: 0,
        };
        let coins: Vec<ProvenCoin> = (0..4)
            .map(|n| {
                ProvenCoin::prove(OutPoint::new(source.txid(), n), &source.to_bytes()).unwrap()
            })
            .collect();
        let spend = |coins: &[ProvenCoin]| Transaction {
            version: 4,
            inputs: coins.iter().map(|coin| Input::unsigned(coin.outpoint())).collect(),
            outputs: vec![Output::etp(Amount::from_units(1), Script::pay_key_hash(&owner))],
            locktime: 0,
        };
        let mut transaction = spend(&coins[..3]);
        sign_inputs(&mut transaction, &coins[..3], &key).unwrap();
        for (index, coin) in coins[..3].iter().enumerate() {
            let script = &transaction.inputs[index].script;
            let pushes: Vec<Vec<u8>> =
                script.instructions().map(|push| push.unwrap().data().to_vec()).collect();
            let (hash_type, der) = pushes[0].split_last().unwrap();
            assert_eq!(*hash_type, 1);
            let code = coin.output().script.as_bytes();
            let digest = signature_hash(&transaction, index, code, SighashType::ALL);
            let signature = ecdsa::Signature::from_der(der).unwrap();
            let public = PublicKey::from_slice(&pushes[1]).unwrap();
            ecdsa::verify(&signature, Message::from_digest(digest), &public).unwrap();
        }
        let locked = transaction.inputs[1].script.pattern();
        assert!(matches!(locked, Pattern::SignKeyHashWithLockHeight { .. }));
        let mut transaction = spend(&coins);
        let error = sign_inputs(&mut transaction, &coins, &key).unwrap_err();
        assert_eq!(error.code(), "assemble.not_plain");
        assert!(transaction.inputs.iter().all(|input| input.script.is_empty()));
        let mut other = spend(&coins[..2]);
        other.inputs.swap(0, 1);
        let error = sign_inputs(&mut other, &coins[..2], &key).unwrap_err();
        assert_eq!(error.code(), "assemble.not_there");
    }
}
