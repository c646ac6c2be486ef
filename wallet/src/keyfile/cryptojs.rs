//! `CryptoJS.AES` with a passphrase: OpenSSL's salted format with AES-256-CBC and PKCS7, key and IV by
//! `EVP_BytesToKey` with one round of MD5 (wallet.md 6).

use aes::Aes256;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use zeroize::Zeroizing;

use crate::keyfile::KeyfileError;
use crate::keys::secret::{Secret, fill_random};
use crate::password::Password;

const MAGIC: &[u8; 8] = b"Salted__";

/// Derives key and IV: MD5 of (what came before, password, salt), three times.
fn key_and_iv(password: &Password, salt: &[u8; 8]) -> Zeroizing<[u8; 48]> {
    let mut bytes = Zeroizing::new([0; 48]);
    for at in [0, 16, 32] {
        let mut hash = Md5::new();
        if let Some(before) = bytes.get(at - at.min(16)..at) {
            hash.update(before);
        }
        hash.update(password.reveal().as_bytes());
        hash.update(salt);
        bytes[at..at + 16].copy_from_slice(&hash.finalize());
    }
    bytes
}

fn split(bytes: &[u8; 48]) -> (Zeroizing<[u8; 32]>, [u8; 16]) {
    let mut key = Zeroizing::new([0; 32]);
    key.copy_from_slice(&bytes[..32]);
    let mut iv = [0; 16];
    iv.copy_from_slice(&bytes[32..]);
    (key, iv)
}

/// Opens the Base64 text. A wrong password shows in the padding, or only in what comes out.
pub(super) fn open(text: &str, password: &Password) -> Result<Secret<[u8]>, KeyfileError> {
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let form = KeyfileError::Form { what: "mnemonic is not salted AES text" };
    let bytes = BASE64.decode(compact).map_err(|_| form.clone())?;
    let Some((MAGIC, rest)) = bytes.split_first_chunk() else { return Err(form) };
    let Some((salt, sealed)) = rest.split_first_chunk() else { return Err(form) };
    if sealed.is_empty() || sealed.len() % 16 != 0 {
        return Err(form);
    }
    let (key, iv) = split(&key_and_iv(password, salt));
    let mut buffer = Zeroizing::new(sealed.to_vec());
    cbc::Decryptor::<Aes256>::new((&*key).into(), (&iv).into())
        .decrypt_padded::<Pkcs7>(&mut buffer)
        .map(Secret::copy_of_slice)
        .map_err(|_| KeyfileError::WrongPassword)
}

/// Seals a text under a fresh salt.
pub(super) fn seal(plain: &str, password: &Password) -> Result<String, KeyfileError> {
    let mut salt = [0; 8];
    fill_random(&mut salt)?;
    Ok(seal_with(plain, password, &salt))
}

fn seal_with(plain: &str, password: &Password, salt: &[u8; 8]) -> String {
    let (key, iv) = split(&key_and_iv(password, salt));
    let sealed = cbc::Encryptor::<Aes256>::new((&*key).into(), (&iv).into())
        .encrypt_padded_vec::<Pkcs7>(plain.as_bytes());
    BASE64.encode([MAGIC.as_slice(), salt, &sealed].concat())
}

#[cfg(test)]
mod tests {
    use super::{open, seal_with};
    use crate::password::Password;

    /// `printf '"hello world"' | openssl enc -aes-256-cbc -md md5 -base64 -A -S 0102030405060708
    /// -pass pass:passw0rd`, with the salt put before it as CryptoJS does.
    const SAMPLE: &str = "U2FsdGVkX18BAgMEBQYHCEisHBS4wSzTNYB6OYvAdTQ=";

    #[test]
    fn the_same_bytes_as_openssl() {
        let password = Password::new("passw0rd".to_owned()).unwrap();
        let text = seal_with("\"hello world\"", &password, &[1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(text, SAMPLE);
        assert_eq!(open(&text, &password).unwrap().reveal(), b"\"hello world\"");
        let broken = format!("{}\n {}", &text[..10], &text[10..]);
        assert!(open(&broken, &password).is_ok(), "white space does not matter");
        let wrong = Password::new("Passw0rd".to_owned()).unwrap();
        match open(&text, &wrong) {
            Ok(plain) => assert_ne!(plain.reveal(), b"\"hello world\""),
            Err(error) => assert_eq!(error.code(), "keyfile.wrong_password"),
        }
    }
}
