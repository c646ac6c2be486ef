//! The part of the file that can be read without a password.

use mvs_primitives::hash::sha256;

use crate::keystore::error::KeystoreError;
use crate::keystore::kdf::KdfParams;

/// What every keystore begins with.
pub const MAGIC: [u8; 8] = *b"MVSKEYS\x1a";
/// The version that is written.
pub const VERSION: u16 = 1;
/// The number of Argon2id, version 0x13.
pub const KDF_ARGON2ID: u8 = 1;
/// The number of XChaCha20-Poly1305.
pub const CIPHER_XCHACHA20_POLY1305: u8 = 1;

/// Where the header's fields begin; each ends where the next begins. Integers are little-endian.
pub mod offset {
    /// The magic.
    pub const MAGIC: usize = 0;
    /// `u16`.
    pub const VERSION: usize = 8;
    /// `u8`.
    pub const KDF: usize = 10;
    /// `u8`.
    pub const CIPHER: usize = 11;
    /// `u32`, in KiB.
    pub const MEMORY: usize = 12;
    /// `u32`.
    pub const PASSES: usize = 16;
    /// `u32`.
    pub const LANES: usize = 20;
    /// 32 bytes.
    pub const SALT: usize = 24;
    /// 24 bytes.
    pub const NONCE: usize = 56;
    /// `u32`: bytes of the sealed part, its 16-byte tag included.
    pub const SEALED_LEN: usize = 80;
    /// The sealed part; SHA-256 of everything before ends the file.
    pub const SEALED: usize = 84;
}

/// Bytes of the checksum at the end.
pub const CHECKSUM_LEN: usize = 32;
/// Bytes of the tag at the end of the sealed part.
pub const TAG_LEN: usize = 16;
/// Most bytes of the sealed part: some hundred thousand imported keys.
pub const MAX_SEALED: usize = 16 << 20;
/// Most bytes of the file.
pub const MAX_FILE: usize = offset::SEALED + MAX_SEALED + CHECKSUM_LEN;

/// The header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// What a guess of the password costs.
    pub params: KdfParams,
    /// Random; makes the same password another key in each file.
    pub salt: [u8; 32],
    /// Random; another one each time the file is written.
    pub nonce: [u8; 24],
    /// Bytes of the sealed part.
    pub sealed_len: u32,
}

impl Header {
    /// Reads the header of a whole file, and checks that the file is complete and undamaged.
    ///
    /// # Errors
    /// [`KeystoreError`] tells what does not fit. The order of the checks is magic, version, lengths,
    /// checksum, algorithms, parameters: an unknown version says nothing about what follows it.
    pub fn parse(file: &[u8]) -> Result<Self, KeystoreError> {
        if !file.starts_with(&MAGIC) {
            return Err(KeystoreError::NotAKeystore);
        }
        let short = KeystoreError::Damaged { what: "it is cut short" };
        let Some(version) = file.get(offset::VERSION..).and_then(|rest| rest.first_chunk()) else {
            return Err(short);
        };
        let version = u16::from_le_bytes(*version);
        if version != VERSION {
            return Err(KeystoreError::Version { found: version });
        }
        let Some(head) = file.first_chunk::<{ offset::SEALED }>() else { return Err(short) };
        let number =
            |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let sealed_len = number(offset::SEALED_LEN);
        let rest = file.len() - offset::SEALED;
        let claimed =
            usize::try_from(sealed_len).ok().and_then(|len| len.checked_add(CHECKSUM_LEN));
        if claimed != Some(rest)
            || !(CHECKSUM_LEN + TAG_LEN..=CHECKSUM_LEN + MAX_SEALED).contains(&rest)
        {
            return Err(KeystoreError::Damaged { what: "its length is not the one it claims" });
        }
        let (content, checksum) = file.split_at(file.len() - CHECKSUM_LEN);
        if sha256(content) != checksum {
            return Err(KeystoreError::Damaged { what: "its checksum does not match" });
        }
        for (what, at, known) in [
            ("key function", offset::KDF, KDF_ARGON2ID),
            ("cipher", offset::CIPHER, CIPHER_XCHACHA20_POLY1305),
        ] {
            if head[at] != known {
                return Err(KeystoreError::Algorithm { what, found: head[at] });
            }
        }
        let params = KdfParams {
            memory_kib: number(offset::MEMORY),
            passes: number(offset::PASSES),
            lanes: number(offset::LANES),
        };
        params.check()?;
        let mut header = Self { params, salt: [0; 32], nonce: [0; 24], sealed_len };
        header.salt.copy_from_slice(&head[offset::SALT..offset::NONCE]);
        header.nonce.copy_from_slice(&head[offset::NONCE..offset::SEALED_LEN]);
        Ok(header)
    }

    /// Returns the header's bytes: what is authenticated beside the sealed part.
    pub fn to_disk(&self) -> [u8; offset::SEALED] {
        let mut head = [0; offset::SEALED];
        let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
        put(offset::MAGIC, &MAGIC);
        put(offset::VERSION, &VERSION.to_le_bytes());
        put(offset::KDF, &[KDF_ARGON2ID]);
        put(offset::CIPHER, &[CIPHER_XCHACHA20_POLY1305]);
        put(offset::MEMORY, &self.params.memory_kib.to_le_bytes());
        put(offset::PASSES, &self.params.passes.to_le_bytes());
        put(offset::LANES, &self.params.lanes.to_le_bytes());
        put(offset::SALT, &self.salt);
        put(offset::NONCE, &self.nonce);
        put(offset::SEALED_LEN, &self.sealed_len.to_le_bytes());
        head
    }
}
