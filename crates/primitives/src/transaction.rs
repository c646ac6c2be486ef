//! Transactions.

use crate::address::AddressFormat;
use crate::amount::Amount;
use crate::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sha256dSink, Sink};
use crate::hash::{TxId, sha256d};
use crate::input::Input;
use crate::output::Output;

/// A transaction of any version (chain.md 3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Transaction {
    /// Rule set: 0 to 4 are known (chain.md 3.2).
    pub version: u32,
    /// What is spent.
    pub inputs: Vec<Input>,
    /// What is created.
    pub outputs: Vec<Output>,
    /// Earliest height (below 500,000,000) or Unix time of inclusion.
    pub locktime: u32,
}

impl Transaction {
    /// Computes the id: `sha256d` of the canonical wire form.
    pub fn txid(&self) -> TxId {
        let mut sink = Sha256dSink::default();
        self.encode(&mut sink);
        TxId::from_bytes(sink.finish())
    }

    /// Reads a transaction together with its id. The id costs one pass of the hash over the input;
    /// nothing is encoded again unless the input departs from the canonical form.
    ///
    /// # Errors
    /// [`DecodeError`] when the bytes do not form a transaction.
    pub fn decode_with_id(decoder: &mut Decoder<'_>) -> Result<(Self, TxId), DecodeError> {
        let start = decoder.position();
        let departures = decoder.departures();
        let transaction = Self::decode_from(decoder)?;
        let id = if decoder.departures() == departures {
            TxId::from_bytes(sha256d(decoder.since(start)))
        } else {
            transaction.txid()
        };
        Ok((transaction, id))
    }

    /// Tells whether this is a coinbase: one input, and that one null (chain.md 2.4).
    pub fn is_coinbase(&self) -> bool {
        matches!(self.inputs.as_slice(), [input] if input.previous.is_null())
    }

    /// Tells whether this is a coinstake: the first input is not null, the first output is, and the
    /// first input and second output have the same address as text (chain.md 2.4).
    pub fn is_coinstake(&self, format: &AddressFormat) -> bool {
        match (self.inputs.as_slice(), self.outputs.as_slice()) {
            ([input, ..], [first, second, ..]) => {
                !input.previous.is_null()
                    && first.is_null()
                    && input.script.address_text(format) == second.script.address_text(format)
            }
            _ => false,
        }
    }

    /// Sums the coin of all outputs; `None` when it does not fit 64 bits.
    pub fn output_value(&self) -> Option<Amount> {
        Amount::checked_sum(self.outputs.iter().map(|output| output.value))
    }

    /// Returns the size that counts towards the size limits (chain.md 3.4).
    pub fn nominal_size(&self) -> u64 {
        let inputs: u64 = self.inputs.iter().map(Input::nominal_size).sum();
        let outputs: u64 = self.outputs.iter().map(Output::nominal_size).sum();
        let counts = CompactSize::len_of(self.inputs.len() as u64)
            + CompactSize::len_of(self.outputs.len() as u64); // widening
        8 + counts as u64 + inputs + outputs // sums of sizes in memory: cannot overflow
    }
}

fn encode_list<T: Encode, S: Sink>(items: &[T], sink: &mut S) {
    CompactSize::new(items.len() as u64).encode(sink); // widening
    for item in items {
        item.encode(sink);
    }
}

impl Encode for Transaction {
    fn encode<S: Sink>(&self, sink: &mut S) {
        sink.put(&self.version.to_le_bytes());
        encode_list(&self.inputs, sink);
        encode_list(&self.outputs, sink);
        sink.put(&self.locktime.to_le_bytes());
    }
}

impl Decode for Transaction {
    const MIN_BYTES: usize = 10;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            version: decoder.u32_le("transaction version")?,
            inputs: decoder.list("inputs", Input::MIN_BYTES, Input::decode_from)?,
            outputs: decoder.list("outputs", Output::MIN_BYTES, Output::decode_from)?,
            locktime: decoder.u32_le("locktime")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Transaction;
    use crate::encode::{Decode, Decoder, Encode};

    #[test]
    fn an_id_is_that_of_the_canonical_form() {
        // One input and one message output whose text is cut at its NUL byte.
        let mut bytes = vec![4, 0, 0, 0, 1];
        bytes.extend([9; 36]);
        bytes.extend([0, 0xff, 0xff, 0xff, 0xff, 1]);
        bytes.extend([0; 8]);
        bytes.extend([1, 0x6a, 1, 0, 0, 0, 3, 0, 0, 0, 3, b'a', 0, b'b']);
        bytes.extend([0; 4]);
        let mut decoder = Decoder::new(&bytes, 1000).unwrap();
        let (transaction, id) = Transaction::decode_with_id(&mut decoder).unwrap();
        assert_eq!(id, transaction.txid());
        assert_eq!(transaction.to_bytes().len(), bytes.len() - 2);
        assert_eq!(Transaction::decode(&transaction.to_bytes()), Ok(transaction));
    }
}
