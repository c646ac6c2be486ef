//! Builds scripts, with one constructor for each standard pattern.

use super::Script;
use super::number::script_number;
use super::opcode::Opcode;

/// Puts a script together.
#[derive(Debug, Clone, Default)]
pub struct ScriptBuilder {
    bytes: Vec<u8>,
}

impl ScriptBuilder {
    /// Starts with an empty script.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Appends an operation.
    #[must_use]
    pub fn op(mut self, opcode: Opcode) -> Self {
        self.bytes.push(opcode.byte());
        self
    }

    /// Appends a push in its shortest byte form: direct, PUSHDATA1, PUSHDATA2 or PUSHDATA4.
    ///
    /// No bytes become `OP_0`; numbers are not turned into `OP_1` to `OP_16`.
    #[must_use]
    pub fn push(mut self, data: &[u8]) -> Self {
        let len = u32::try_from(data.len()).expect("scripts are far below 4 GiB");
        let [a, b, c, d] = len.to_le_bytes();
        match len {
            0..=75 => self.bytes.push(a),
            76..=0xff => self.bytes.extend([Opcode::PUSHDATA1.byte(), a]),
            0x100..=0xffff => self.bytes.extend([Opcode::PUSHDATA2.byte(), a, b]),
            _ => self.bytes.extend([Opcode::PUSHDATA4.byte(), a, b, c, d]),
        }
        self.bytes.extend_from_slice(data);
        self
    }

    /// Appends a push with `PUSHDATA2` whatever its length (at most 65,535 bytes, cut there).
    #[must_use]
    pub fn push_data2(mut self, data: &[u8]) -> Self {
        let data = data.get(..0xffff).unwrap_or(data);
        let [a, b, ..] = (data.len() as u64).to_le_bytes(); // at most 0xffff
        self.bytes.extend([Opcode::PUSHDATA2.byte(), a, b]);
        self.bytes.extend_from_slice(data);
        self
    }

    /// Appends a push of a number in its shortest form.
    #[must_use]
    pub fn push_number(self, value: i64) -> Self {
        self.push(&script_number(value))
    }

    /// Returns the script.
    pub fn build(self) -> Script {
        Script::from_bytes(self.bytes)
    }

    fn key_hash_tail(self, key_hash: &[u8; 20]) -> Script {
        self.op(Opcode::DUP)
            .op(Opcode::HASH160)
            .push(key_hash)
            .op(Opcode::EQUALVERIFY)
            .op(Opcode::CHECKSIG)
            .build()
    }
}

/// The standard output scripts (chain.md 4.3).
impl Script {
    /// `DUP HASH160 <hash> EQUALVERIFY CHECKSIG`.
    pub fn pay_key_hash(key_hash: &[u8; 20]) -> Self {
        ScriptBuilder::new().key_hash_tail(key_hash)
    }

    /// `HASH160 <hash> EQUAL`.
    pub fn pay_script_hash(script_hash: &[u8; 20]) -> Self {
        ScriptBuilder::new().op(Opcode::HASH160).push(script_hash).op(Opcode::EQUAL).build()
    }

    /// `<key> CHECKSIG`.
    pub fn pay_public_key(key: &[u8]) -> Self {
        ScriptBuilder::new().push(key).op(Opcode::CHECKSIG).build()
    }

    /// `OP_m <keys> OP_n CHECKMULTISIG`; `None` unless 1 <= m <= n <= 16.
    ///
    /// The network's multisig addresses have the keys in ascending byte order (wallet.md 5); the
    /// caller sorts.
    pub fn pay_multisig<K: AsRef<[u8]>>(required: u8, keys: &[K]) -> Option<Self> {
        let total = u8::try_from(keys.len()).ok().filter(|total| required <= *total)?;
        let mut builder = ScriptBuilder::new().op(Opcode::from_small_number(required)?);
        for key in keys {
            builder = builder.push(key.as_ref());
        }
        Some(builder.op(Opcode::from_small_number(total)?).op(Opcode::CHECKMULTISIG).build())
    }

    /// `RETURN <data>`; `None` unless there are 1 to 75 bytes.
    pub fn null_data(data: &[u8]) -> Option<Self> {
        matches!(data.len(), 1..=75)
            .then(|| ScriptBuilder::new().op(Opcode::RETURN).push(data).build())
    }

    /// `RETURN`: burns what is sent to it.
    pub fn pay_blackhole() -> Self {
        ScriptBuilder::new().op(Opcode::RETURN).build()
    }

    /// A deposit: `<n> NUMEQUALVERIFY` before a pay-to-key-hash script, n in blocks.
    ///
    /// With n = 0 the number is `OP_0`, which is no direct push: the script is non-standard.
    pub fn pay_key_hash_with_lock_height(lock_height: u32, key_hash: &[u8; 20]) -> Self {
        ScriptBuilder::new()
            .push_number(i64::from(lock_height))
            .op(Opcode::NUMEQUALVERIFY)
            .key_hash_tail(key_hash)
    }

    /// A relative lock: `<n> CHECKSEQUENCEVERIFY DROP` before a pay-to-key-hash script. `sequence`
    /// is the raw lock value (chain.md 4.4); 0 gives a non-standard script, as with a deposit.
    pub fn pay_key_hash_with_sequence_lock(sequence: u32, key_hash: &[u8; 20]) -> Self {
        ScriptBuilder::new()
            .push_number(i64::from(sequence))
            .op(Opcode::CHECKSEQUENCEVERIFY)
            .op(Opcode::DROP)
            .key_hash_tail(key_hash)
    }

    /// A locked asset: the attenuation model text, always by `PUSHDATA2`, and the 36 bytes of the
    /// outpoint whose lock it carries on, before a pay-to-key-hash script.
    pub fn pay_key_hash_with_attenuation(
        model: &[u8],
        point: &[u8; 36],
        key_hash: &[u8; 20],
    ) -> Self {
        ScriptBuilder::new()
            .push_data2(model)
            .push(point)
            .op(Opcode::CHECKATTENUATIONVERIFY)
            .key_hash_tail(key_hash)
    }
}
