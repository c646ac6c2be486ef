//! The hash that a signature signs (chain.md 4.2).

use crate::encode::{CompactSize, Encode, Sha256dSink, Sink, put_var_bytes};
use crate::script::{Instruction, Instructions, Opcode};
use crate::transaction::Transaction;

/// Which parts of a transaction a signature covers: the last byte of the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SighashType(u8);

impl SighashType {
    /// All inputs and outputs.
    pub const ALL: Self = Self(1);
    /// All inputs, no outputs.
    pub const NONE: Self = Self(2);
    /// All inputs, and the output at the input's own index.
    pub const SINGLE: Self = Self(3);
    const ANYONE_CAN_PAY_BIT: u8 = 0x80;

    /// Wraps the byte; any value is possible, and those that are none of the three base kinds act
    /// like [`SighashType::ALL`].
    pub const fn from_byte(byte: u8) -> Self {
        Self(byte)
    }

    /// Returns the byte.
    pub const fn byte(self) -> u8 {
        self.0
    }

    /// Returns the type that covers only the input itself.
    #[must_use]
    pub const fn anyone_can_pay(self) -> Self {
        Self(self.0 | Self::ANYONE_CAN_PAY_BIT)
    }

    const fn covers_own_input_only(self) -> bool {
        self.0 & Self::ANYONE_CAN_PAY_BIT != 0
    }

    const fn base(self) -> u8 {
        self.0 & 0x1f
    }
}

/// What is hashed when the input does not exist, or `SINGLE` has no output: the number one as
/// little-endian 256 bits. A signature over it is valid for any such transaction.
pub const SIGHASH_ONE: [u8; 32] = {
    let mut one = [0u8; 32];
    one[0] = 1;
    one
};

/// Computes the hash that a signature of input `input_index` signs.
///
/// `script_code` is the whole previous output script, or the redeem script of a pay-to-script-hash
/// spend; `OP_CODESEPARATOR`s in it are skipped here. The outputs are hashed with their complete
/// attachments.
///
/// QUIRK (chain.md 4.2): for `SINGLE` with an index of 1 or more the reference hashes uninitialised
/// memory in the blanked outputs, so no two nodes need agree. Here their attachment is version 0,
/// type 0; see `docs/decisions/0004-sighash-single.md`. Nothing of ours signs that way.
pub fn signature_hash(
    transaction: &Transaction,
    input_index: usize,
    script_code: &[u8],
    sighash_type: SighashType,
) -> [u8; 32] {
    let Some(own_input) = transaction.inputs.get(input_index) else { return SIGHASH_ONE };
    let base = sighash_type.base();
    if base == SighashType::SINGLE.0 && input_index >= transaction.outputs.len() {
        return SIGHASH_ONE;
    }
    let mut sink = Sha256dSink::default();
    sink.put(&transaction.version.to_le_bytes());

    if sighash_type.covers_own_input_only() {
        CompactSize::new(1).encode(&mut sink);
        own_input.previous.encode(&mut sink);
        put_script_code(script_code, &mut sink);
        sink.put(&own_input.sequence.to_le_bytes());
    } else {
        let keeps_sequences = base != SighashType::NONE.0 && base != SighashType::SINGLE.0;
        CompactSize::new(transaction.inputs.len() as u64).encode(&mut sink); // widening
        for (index, input) in transaction.inputs.iter().enumerate() {
            input.previous.encode(&mut sink);
            if index == input_index {
                put_script_code(script_code, &mut sink);
                sink.put(&input.sequence.to_le_bytes());
            } else {
                sink.put(&[0]);
                let sequence = if keeps_sequences { input.sequence } else { 0 };
                sink.put(&sequence.to_le_bytes());
            }
        }
    }

    match base {
        2 => sink.put(&[0]),
        3 => {
            CompactSize::new(input_index as u64 + 1).encode(&mut sink); // below the output count
            for _ in 0..input_index {
                sink.put(&BLANK_OUTPUT);
            }
            if let Some(output) = transaction.outputs.get(input_index) {
                output.encode(&mut sink);
            }
        }
        _ => {
            CompactSize::new(transaction.outputs.len() as u64).encode(&mut sink); // widening
            for output in &transaction.outputs {
                output.encode(&mut sink);
            }
        }
    }

    sink.put(&transaction.locktime.to_le_bytes());
    sink.put(&u32::from(sighash_type.0).to_le_bytes());
    sink.finish()
}

/// Value -1, empty script, attachment of version 0 and type 0.
const BLANK_OUTPUT: [u8; 17] = {
    let mut bytes = [0u8; 17];
    let mut index = 0;
    while index < 8 {
        bytes[index] = 0xff;
        index += 1;
    }
    bytes
};

/// Writes the script code without its `OP_CODESEPARATOR`s.
fn put_script_code<S: Sink>(script_code: &[u8], sink: &mut S) {
    if !script_code.contains(&Opcode::CODESEPARATOR.byte()) {
        return put_var_bytes(script_code, sink);
    }
    let mut kept = Vec::with_capacity(script_code.len());
    let mut start = 0;
    let mut instructions = Instructions::new(script_code);
    while let Some(instruction) = instructions.next() {
        let end = instructions.position();
        if instruction != Ok(Instruction::Op(Opcode::CODESEPARATOR)) {
            kept.extend_from_slice(script_code.get(start..end).unwrap_or_default());
        }
        start = end;
    }
    put_var_bytes(&kept, sink);
}
