//! Turns a vault into a file's bytes and back.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use mvs_primitives::hash::sha256;
use zeroize::Zeroizing;

use crate::keys::secret::{Secret, fill_random};
use crate::keystore::error::KeystoreError;
use crate::keystore::header::{CHECKSUM_LEN, Header, MAX_SEALED, TAG_LEN, offset};
use crate::keystore::kdf::KdfParams;
use crate::keystore::record::RecordError;
use crate::keystore::vault::Vault;

/// The plaintext is padded to a multiple of this, so that the file's length tells little.
const PAD: usize = 512;
/// Bytes of the record's length before the record.
const LEN_BYTES: usize = 4;

fn cipher(key: &Secret<[u8; 32]>) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.reveal().into())
}

/// Seals a vault under a fresh nonce.
pub(crate) fn seal(
    vault: &Vault,
    params: KdfParams,
    salt: [u8; 32],
    key: &Secret<[u8; 32]>,
) -> Result<Vec<u8>, KeystoreError> {
    let mut nonce = [0; 24];
    fill_random(&mut nonce)?;
    seal_with(vault, params, salt, nonce, key)
}

/// Seals a vault under a given nonce, which must never be used again with this key.
pub(crate) fn seal_with(
    vault: &Vault,
    params: KdfParams,
    salt: [u8; 32],
    nonce: [u8; 24],
    key: &Secret<[u8; 32]>,
) -> Result<Vec<u8>, KeystoreError> {
    let too_large = || KeystoreError::TooLarge { most: MAX_SEALED };
    let record = vault.to_disk()?;
    let record_len = u32::try_from(record.reveal().len()).map_err(|_| too_large())?;
    let plain_len = (LEN_BYTES + record.reveal().len()).next_multiple_of(PAD);
    if plain_len + TAG_LEN > MAX_SEALED {
        return Err(too_large());
    }
    let sealed_len = u32::try_from(plain_len + TAG_LEN).map_err(|_| too_large())?;
    let head = Header { params, salt, nonce, sealed_len }.to_disk();

    let mut plain = Zeroizing::new(vec![0; plain_len]);
    plain[..LEN_BYTES].copy_from_slice(&record_len.to_le_bytes());
    plain[LEN_BYTES..LEN_BYTES + record.reveal().len()].copy_from_slice(record.reveal());
    let tag = cipher(key)
        .encrypt_inout_detached(&XNonce::from(nonce), &head, plain.as_mut_slice().into())
        .map_err(|_| too_large())?;

    let mut file = Vec::with_capacity(head.len() + plain_len + TAG_LEN + CHECKSUM_LEN);
    file.extend_from_slice(&head);
    file.extend_from_slice(&plain);
    file.extend_from_slice(&tag);
    let checksum = sha256(&file);
    file.extend_from_slice(&checksum);
    Ok(file)
}

/// Opens a file whose header has been read.
pub(crate) fn open(
    file: &[u8],
    header: &Header,
    key: &Secret<[u8; 32]>,
) -> Result<Vault, KeystoreError> {
    let damaged = || KeystoreError::Damaged { what: "it is cut short" };
    let end = file.len().checked_sub(CHECKSUM_LEN).ok_or_else(damaged)?;
    let sealed = file.get(offset::SEALED..end).ok_or_else(damaged)?;
    let (body, tag) = sealed.split_last_chunk::<TAG_LEN>().ok_or_else(damaged)?;
    let head = file.get(..offset::SEALED).ok_or_else(damaged)?;
    let mut plain = Zeroizing::new(body.to_vec());
    cipher(key)
        .decrypt_inout_detached(
            &XNonce::from(header.nonce),
            head,
            plain.as_mut_slice().into(),
            &(*tag).into(),
        )
        .map_err(|_| KeystoreError::WrongPassword)?;
    let (len, rest) = plain.split_first_chunk::<LEN_BYTES>().ok_or(RecordError::Truncated)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| RecordError::Truncated)?;
    let (record, padding) = rest.split_at_checked(len).ok_or(RecordError::Truncated)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(RecordError::Trailing.into());
    }
    Ok(Vault::from_disk(record)?)
}
