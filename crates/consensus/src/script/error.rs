//! Why a script does not allow a spend.

use mvs_primitives::script::Opcode;

macro_rules! script_errors {
    ($($(#[$doc:meta])* $code:literal $message:literal $name:ident $({ $($(#[$fdoc:meta])* $field:ident: $type:ty),* $(,)? })?;)*) => {
        /// Why a script does not allow a spend. One variant for each way to fail.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        pub enum ScriptError {
            $(
                $(#[$doc])*
                #[error($message)]
                $name $({ $($(#[$fdoc])* $field: $type),* })?,
            )*
        }

        impl ScriptError {
            /// The codes of all variants, in the order of the variants.
            pub const CODES: &'static [&'static str] = &[$($code),*];

            /// Returns the stable code of the failure.
            pub const fn code(&self) -> &'static str {
                match self {
                    $(Self::$name $({ $($field: _),* })? => $code,)*
                }
            }
        }
    };
}

script_errors! {
    /// Both scripts ran to their end, but the last item is missing or false.
    "script.eval_false" "the scripts leave no true value on the stack" EvalFalse;
    /// A script is longer than [`super::MAX_SCRIPT_BYTES`].
    "script.script_size" "a script of {found} bytes, at most 10000 are allowed" ScriptSize {
        /// Bytes of the script.
        found: usize,
    };
    /// A push, executed or not, is longer than [`super::MAX_ITEM_BYTES`].
    "script.push_size" "a push of {found} bytes, at most 520 are allowed" PushSize {
        /// Bytes of the push.
        found: usize,
    };
    /// The script ends inside a push.
    "script.truncated_push" "the script ends inside a push" TruncatedPush;
    /// More operations than [`super::MAX_OPS`]; pushes are free, the keys of a multisig count.
    "script.op_count" "{found} operations, at most 201 are allowed" OpCount {
        /// Operations counted so far.
        found: usize,
    };
    /// More items than [`super::MAX_STACK_ITEMS`] on the two stacks together.
    "script.stack_size" "{found} items on the stacks, at most 1000 are allowed" StackSize {
        /// Items on the two stacks.
        found: usize,
    };
    /// An operation that the protocol has switched off, executed or not.
    "script.disabled_opcode" "disabled operation {opcode}" DisabledOpcode {
        /// The operation.
        opcode: Opcode,
    };
    /// An operation that does not exist or is reserved.
    "script.bad_opcode" "unknown or reserved operation {opcode}" BadOpcode {
        /// The operation.
        opcode: Opcode,
    };
    /// An operation finds fewer items than it needs.
    "script.stack_underflow" "too few items on the stack for {opcode}" StackUnderflow {
        /// The operation.
        opcode: Opcode,
    };
    /// `FROMALTSTACK` on an empty alternative stack.
    "script.alt_stack_underflow" "the alternative stack is empty" AltStackUnderflow;
    /// `ELSE` or `ENDIF` without `IF`, or `IF` without `ENDIF`.
    "script.unbalanced_conditional" "unbalanced conditional" UnbalancedConditional;
    /// `RETURN` was executed.
    "script.op_return" "return" OpReturn;
    /// `VERIFY` of a false value.
    "script.verify" "verify failed" Verify;
    /// `EQUALVERIFY` of different values.
    "script.equal_verify" "equalverify failed" EqualVerify;
    /// `NUMEQUALVERIFY` of different numbers.
    "script.num_equal_verify" "numequalverify failed" NumEqualVerify;
    /// `CHECKSIGVERIFY` of a signature that does not hold.
    "script.check_sig_verify" "checksigverify failed" CheckSigVerify;
    /// `CHECKMULTISIGVERIFY` of signatures that do not hold.
    "script.check_multisig_verify" "checkmultisigverify failed" CheckMultisigVerify;
    /// A number of too many bytes.
    "script.number_size" "a number of {found} bytes, at most {max} are allowed" NumberSize {
        /// Bytes of the number.
        found: usize,
        /// Bytes allowed.
        max: usize,
    };
    /// The key count of a multisig is negative or above [`super::MAX_MULTISIG_KEYS`].
    "script.key_count" "a multisig of {found} keys, 0 to 20 are allowed" KeyCount {
        /// Keys demanded.
        found: i64,
    };
    /// The signature count of a multisig is negative or above its key count.
    "script.sig_count" "a multisig of {found} signatures for {keys} keys" SigCount {
        /// Signatures demanded.
        found: i64,
        /// Keys given.
        keys: usize,
    };
    /// A signature that is not empty is not in strict DER form (BIP66).
    "script.sig_der" "a signature that is not in strict DER form" SigDer;
    /// The input script of a pay-to-script-hash spend does more than push (BIP16).
    "script.input_not_push_only" "the input script of a script-hash spend does more than push"
        InputNotPushOnly;
    /// The operand of `CHECKLOCKTIMEVERIFY` is negative.
    "script.locktime_negative" "a negative locktime {found}" LocktimeNegative {
        /// The operand.
        found: i64,
    };
    /// The transaction's locktime does not satisfy `CHECKLOCKTIMEVERIFY` (BIP65).
    "script.locktime_unsatisfied"
        "locktime {required} is demanded, the transaction has {found} and input sequence {sequence}"
        LocktimeUnsatisfied {
        /// The operand.
        required: i64,
        /// Locktime of the transaction.
        found: u32,
        /// Sequence of the input; the final sequence switches the locktime off.
        sequence: u32,
    };
    /// The operand of `CHECKSEQUENCEVERIFY` is negative.
    "script.sequence_negative" "a negative relative lock {found}" SequenceNegative {
        /// The operand.
        found: i64,
    };
    /// The input's sequence does not satisfy `CHECKSEQUENCEVERIFY` (chain.md 4.1).
    "script.sequence_unsatisfied"
        "relative lock {required} is demanded, the input has {found} in version {version}"
        SequenceUnsatisfied {
        /// The operand.
        required: i64,
        /// Sequence of the input.
        found: u32,
        /// Version of the transaction; relative locks need 2.
        version: u32,
    };
    /// `CHECKATTENUATIONVERIFY` on a text that is no attenuation model (chain.md 7.8).
    "script.attenuation_model" "the text is not an attenuation model" AttenuationModel;
}
