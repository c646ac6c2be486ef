//! Private keys as text (WIF, chain.md 5.1).

use std::fmt;

use crate::address::{AddressError, AddressFormat, base58check, to_base58check};

/// A private key in wallet import format.
///
/// It holds the secret only in transit between text and the code that signs; `Debug` hides it and
/// dropping overwrites it.
#[derive(Clone, PartialEq, Eq)]
pub struct Wif {
    secret: [u8; 32],
    compressed: bool,
}

impl Wif {
    /// Wraps a secret. `compressed` tells which form of the public key makes the address.
    pub const fn new(secret: [u8; 32], compressed: bool) -> Self {
        Self { secret, compressed }
    }

    /// Reads WIF text: version byte, 32 bytes, and 0x01 if the key is compressed.
    ///
    /// # Errors
    /// [`AddressError`] when the text is no private key of the network.
    pub fn parse(text: &str, format: &AddressFormat) -> Result<Self, AddressError> {
        let (version, secret, compressed) = match base58check::<34>(text) {
            Ok([version, secret @ .., 0x01]) => (version, secret, true),
            Ok(_) => return Err(AddressError::Form),
            Err(AddressError::Form) => {
                let [version, secret @ ..] = base58check::<33>(text)?;
                (version, secret, false)
            }
            Err(error) => return Err(error),
        };
        if version == format.wif {
            Ok(Self { secret, compressed })
        } else {
            Err(AddressError::Version { found: version })
        }
    }

    /// Returns the WIF text. It is the secret: never log it.
    pub fn reveal_text(&self, format: &AddressFormat) -> String {
        let mut payload = [0u8; 34];
        payload[0] = format.wif;
        payload[1..33].copy_from_slice(&self.secret);
        payload[33] = 0x01;
        let text = to_base58check(&payload[..if self.compressed { 34 } else { 33 }]);
        payload.fill(0);
        std::hint::black_box(&payload);
        text
    }

    /// Returns the secret key's 32 big-endian bytes.
    pub const fn reveal_secret(&self) -> &[u8; 32] {
        &self.secret
    }

    /// Tells whether the address is made from the compressed public key.
    pub const fn is_compressed(&self) -> bool {
        self.compressed
    }
}

impl Drop for Wif {
    fn drop(&mut self) {
        self.secret.fill(0);
        // Keeps the overwrite from being removed as a dead store.
        std::hint::black_box(&self.secret);
    }
}

impl fmt::Debug for Wif {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wif(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::Wif;
    use crate::address::AddressFormat;

    #[test]
    fn both_forms_both_ways() {
        let main = &AddressFormat::MAINNET;
        for compressed in [true, false] {
            let key = Wif::new([7; 32], compressed);
            let text = key.reveal_text(main);
            assert_eq!(Wif::parse(&text, main).unwrap(), key);
            assert_eq!(format!("{key:?}"), "Wif(***)");
            let other = AddressFormat { wif: 0xef, ..*main };
            assert_eq!(Wif::parse(&text, &other).unwrap_err().code(), "address.version");
        }
        assert_eq!(Wif::parse("abc", main).unwrap_err().code(), "address.form");
    }
}
