//! ECDSA as the chain checks it: any `s` is accepted (chain.md 2.1 and 4.1, flag LOW_S off).

use secp256k1::{Message, PublicKey, ecdsa};

/// Checks a compact signature (`r` and `s` big endian).
pub(super) fn verify_compact(
    key: &[u8],
    digest: [u8; 32],
    compact: &[u8; 64],
) -> Result<(), String> {
    let signature =
        ecdsa::Signature::from_compact(compact).map_err(|e| format!("signature: {e}"))?;
    verify(key, digest, signature)
}

/// Checks a DER signature without its hash type byte.
pub(super) fn verify_der(key: &[u8], digest: [u8; 32], der: &[u8]) -> Result<(), String> {
    let signature = ecdsa::Signature::from_der(der).map_err(|e| format!("signature: {e}"))?;
    verify(key, digest, signature)
}

fn verify(key: &[u8], digest: [u8; 32], mut signature: ecdsa::Signature) -> Result<(), String> {
    let key = PublicKey::from_slice(key).map_err(|error| format!("public key: {error}"))?;
    signature.normalize_s();
    ecdsa::verify(&signature, Message::from_digest(digest), &key)
        .map_err(|_| "it does not verify".to_owned())
}
