//! The signature of a stake block (chain.md 2.1, 8.1.6).

use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::script::Instruction;
use secp256k1::{Message, PublicKey, ecdsa};

use super::check::BodyRejection;
use crate::error::{BlockRuleError, BodyMismatch, demand};
use crate::header::PlacedHeader;

/// Checks that a stake block is signed by the key that its coinstake's first input shows: the last
/// push of that input's script. Work blocks need no signature.
///
/// The message is the block hash's 32 bytes. High `s` is accepted. The header's hash commits to the
/// key, so a block without one is invalid; nothing commits to the signature, so a bad one is only a
/// bad body.
pub(super) fn check_signature(header: &PlacedHeader, block: &Block) -> Result<(), BodyRejection> {
    let BlockProof::Stake(signature) = &block.proof else { return Ok(()) };
    let key = block
        .transactions
        .get(1)
        .and_then(|coinstake| coinstake.inputs.first())
        .and_then(|input| input.script.instructions().last())
        .and_then(Result::ok)
        .as_ref()
        .map(Instruction::data)
        .and_then(|bytes| PublicKey::from_slice(bytes).ok())
        .ok_or(BlockRuleError::StakeKey)?;
    let bad = BodyMismatch::Signature;
    let Ok(mut signature) = ecdsa::Signature::from_compact(&signature.to_compact()) else {
        return Err(bad.into());
    };
    signature.normalize_s();
    let message = Message::from_digest(*header.hash().as_bytes());
    demand(ecdsa::verify(&signature, message, &key).is_ok(), bad)?;
    Ok(())
}
