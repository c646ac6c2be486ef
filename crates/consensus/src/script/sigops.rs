//! Counting signature operations (chain.md 4.5).

use mvs_primitives::script::{Instruction, Instructions, Opcode, Script};

use super::interpreter::is_pay_script_hash;

/// What a `CHECKMULTISIG` counts when its number of keys is not plain to see.
const UNKNOWN_MULTISIG_SIGOPS: u32 = 20;

/// The redeem script of a pay-to-script-hash spend ends inside a push, so its signature operations
/// cannot be counted; a block with such an input is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the redeem script ends inside a push")]
pub struct UnparsableRedeemScript;

/// Counts the signature operations of a script that is code.
///
/// `CHECKMULTISIG` counts its keys when `OP_1` to `OP_16` stands directly before it, else 20. A
/// script that ends inside a push counts 0. So does the input script of a coinbase, which is data:
/// the caller leaves it out.
///
/// ```
/// use mvs_consensus::script::count_sigops;
/// use mvs_primitives::script::Script;
///
/// assert_eq!(count_sigops(&Script::pay_key_hash(&[0; 20])), 1);
/// assert_eq!(count_sigops(&Script::pay_multisig(1, &[[2; 33], [3; 33]]).unwrap()), 2);
/// ```
pub fn count_sigops(script: &Script) -> u32 {
    count(script.as_bytes()).unwrap_or(0)
}

/// Counts the signature operations that a pay-to-script-hash spend adds: those of the redeem
/// script, which is the data of the input script's last operation. Other spends add 0.
///
/// # Errors
/// [`UnparsableRedeemScript`] when the redeem script, or the input script around it, ends inside a
/// push.
pub fn count_p2sh_sigops(
    input_script: &Script,
    previous_script: &Script,
) -> Result<u32, UnparsableRedeemScript> {
    if !is_pay_script_hash(previous_script.as_bytes()) {
        return Ok(0);
    }
    let mut redeem: &[u8] = &[];
    for instruction in input_script.instructions() {
        redeem = instruction.map_err(|_| UnparsableRedeemScript)?.data();
    }
    count(redeem).ok_or(UnparsableRedeemScript)
}

/// Returns `None` when the script ends inside a push.
fn count(script: &[u8]) -> Option<u32> {
    let mut total = 0u32;
    let mut before = None;
    for instruction in Instructions::new(script) {
        let opcode = instruction.as_ref().ok().map(Instruction::opcode)?;
        let found = match opcode {
            Opcode::CHECKSIG | Opcode::CHECKSIGVERIFY => 1,
            Opcode::CHECKMULTISIG | Opcode::CHECKMULTISIGVERIFY => {
                before.and_then(Opcode::small_number).map_or(UNKNOWN_MULTISIG_SIGOPS, u32::from)
            }
            _ => 0,
        };
        total = total.saturating_add(found); // saturated or not, far above every limit
        before = Some(opcode);
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use mvs_primitives::script::{Opcode, Script, ScriptBuilder};

    use super::{UnparsableRedeemScript, count_p2sh_sigops, count_sigops};

    fn sigops(bytes: &[u8]) -> u32 {
        count_sigops(&Script::from_bytes(bytes))
    }

    #[test]
    fn each_form() {
        for (bytes, expected) in [
            (&[][..], 0),
            (&[0xac], 1),
            (&[0xac, 0xad, 0xac], 3),
            (&[0xae], 20),
            (&[0x51, 0xae], 1),
            (&[0x60, 0xaf], 16),
            (&[0x00, 0xae], 20),
            (&[0x4f, 0xae], 20),
            (&[0x01, 3, 0xae], 20),
            (&[0x53, 0x61, 0xae], 20),
            (&[0x53, 0xae, 0xae], 23),
            (&[0x01, 0xac], 0),
            (&[0xac, 0x02, 0xac], 0), // ends inside a push: raw data
            (&[0x63, 0xac, 0x68], 1), // not executed, still counted
            (&[0xac, 0x6a, 0xac], 2),
        ] {
            assert_eq!(sigops(bytes), expected, "{}", hex::encode(bytes));
        }
    }

    #[test]
    fn redeem_scripts() {
        let previous = Script::pay_script_hash(&[1; 20]);
        let spend = |redeem: &[u8]| ScriptBuilder::new().push(&[9]).push(redeem).build();
        assert_eq!(count_p2sh_sigops(&spend(&[0x52, 0xae]), &previous), Ok(2));
        assert_eq!(count_p2sh_sigops(&spend(&[0xae]), &previous), Ok(20));
        assert_eq!(count_p2sh_sigops(&spend(&[]), &previous), Ok(0));
        assert_eq!(
            count_p2sh_sigops(&spend(&[0xac, 2, 1]), &previous),
            Err(UnparsableRedeemScript)
        );
        assert_eq!(count_p2sh_sigops(&Script::default(), &previous), Ok(0));
        let number = ScriptBuilder::new().push(&[0xac]).op(Opcode::OP_1).build();
        assert_eq!(count_p2sh_sigops(&number, &previous), Ok(0));
        let cut = Script::from_bytes([0x05, 0xac]);
        assert_eq!(count_p2sh_sigops(&cut, &previous), Err(UnparsableRedeemScript));
        let other = Script::pay_key_hash(&[1; 20]);
        assert_eq!(count_p2sh_sigops(&spend(&[0xac, 2, 1]), &other), Ok(0));
    }
}
