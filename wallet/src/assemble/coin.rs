//! Unspent outputs whose value is proven.

use mvs_primitives::amount::Amount;
use mvs_primitives::encode::Decode as _;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Pattern;
use mvs_primitives::transaction::Transaction;

use super::AssembleError;

/// An output that exists in a transaction of that id. Whether it is unspent, and at which height it
/// came, is the node's word; if that is wrong the transaction is merely refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenCoin {
    outpoint: OutPoint,
    output: Output,
}

impl ProvenCoin {
    /// Takes an output out of the transaction that made it.
    ///
    /// # Errors
    /// [`AssembleError::Proof`] and [`AssembleError::NotThere`]: the node lies.
    pub fn prove(coin: OutPoint, transaction: &[u8]) -> Result<Self, AssembleError> {
        let transaction = Transaction::decode(transaction)
            .map_err(|error| AssembleError::Proof { coin, error })?;
        if transaction.txid() != coin.txid {
            return Err(AssembleError::NotThere { coin });
        }
        let place = usize::try_from(coin.index).ok();
        let output = place.and_then(|place| transaction.outputs.get(place)).cloned();
        let output = output.ok_or(AssembleError::NotThere { coin })?;
        Ok(Self { outpoint: coin, output })
    }

    /// Returns where it is.
    pub const fn outpoint(&self) -> OutPoint {
        self.outpoint
    }

    /// Returns the output.
    pub const fn output(&self) -> &Output {
        &self.output
    }

    /// Returns its value.
    pub const fn value(&self) -> Amount {
        self.output.value
    }

    /// Tells whether it is coin of a key without any lock, and carries nothing else.
    pub fn is_plain(&self, owner: &[u8; 20]) -> bool {
        self.carries_only_etp()
            && matches!(self.output.script.pattern(), Pattern::PayKeyHash(hash) if hash == owner)
    }

    /// Tells whether it carries nothing but coin, and is for no identity: version 207 binds some, and
    /// version 0 is that of old coinbases.
    pub const fn carries_only_etp(&self) -> bool {
        self.output.is_etp() && matches!(self.output.attachment.version.number(), 0 | 1)
    }
}

#[cfg(test)]
mod tests {
    use mvs_primitives::amount::Amount;
    use mvs_primitives::encode::Encode as _;
    use mvs_primitives::input::{Input, OutPoint};
    use mvs_primitives::output::Output;
    use mvs_primitives::script::Script;
    use mvs_primitives::transaction::Transaction;

    use super::ProvenCoin;
    use mvs_primitives::attachment::{Attachment, AttachmentVersion, Payload};
    use mvs_primitives::text::{DidName, Text};

    #[test]
    fn coin_of_old_coinbases_is_plain_and_that_of_identities_is_not() {
        let etp = |version| Attachment { version, payload: Payload::Etp };
        let name = DidName::new(b"somebody").unwrap();
        let message = Payload::Message(Text::new(*b"hi").unwrap());
        for (attachment, is_plain) in [
            (Attachment::ETP, true),
            (etp(AttachmentVersion::ZERO), true),
            (etp(AttachmentVersion::plain(2).unwrap()), false),
            (etp(AttachmentVersion::bound(name, DidName::default())), false),
            (etp(AttachmentVersion::bound(DidName::default(), DidName::default())), false),
            (Attachment::new(message.clone()), false),
            (Attachment { version: AttachmentVersion::ZERO, payload: message }, false),
        ] {
            let script = Script::pay_key_hash(&[1; 20]);
            let transaction = Transaction {
                version: 4,
                inputs: vec![Input::unsigned(OutPoint::NULL)],
                outputs: vec![Output { value: Amount::from_units(5), script, attachment }],
                locktime: 0,
            };
            let coin = OutPoint::new(transaction.txid(), 0);
            let proven = ProvenCoin::prove(coin, &transaction.to_bytes()).unwrap();
            let attachment = &proven.output().attachment;
            assert_eq!(proven.carries_only_etp(), is_plain, "{attachment:?}");
            assert_eq!(proven.is_plain(&[1; 20]), is_plain, "{attachment:?}");
        }
    }

    #[test]
    fn a_coin_is_what_its_transaction_says() {
        let output = Output::etp(Amount::from_units(5), Script::pay_key_hash(&[1; 20]));
        let transaction = Transaction {
            version: 4,
            inputs: vec![Input::unsigned(OutPoint::NULL)],
            outputs: vec![output.clone()],
            locktime: 0,
        };
        let bytes = transaction.to_bytes();
        let coin = OutPoint::new(transaction.txid(), 0);
        let proven = ProvenCoin::prove(coin, &bytes).unwrap();
        assert_eq!((proven.outpoint(), proven.output()), (coin, &output));
        assert!(proven.is_plain(&[1; 20]) && !proven.is_plain(&[2; 20]));
        // Another value is another id.
        let mut lie = transaction.clone();
        lie.outputs[0].value = Amount::from_units(4);
        let code = |coin, bytes: &[u8]| ProvenCoin::prove(coin, bytes).unwrap_err().code();
        assert_eq!(code(coin, &lie.to_bytes()), "assemble.not_there");
        assert_eq!(code(OutPoint::new(coin.txid, 1), &bytes), "assemble.not_there");
        assert_eq!(code(coin, &bytes[1..]), "assemble.proof");
    }
}
