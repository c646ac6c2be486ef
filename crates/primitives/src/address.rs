//! Addresses as text, and the addresses that scripts stand for (chain.md 5).

use std::fmt;

use crate::text::AddressText;

/// The version bytes of a network (chain.md 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressFormat {
    /// Version byte of pay-to-key-hash addresses.
    pub p2pkh: u8,
    /// Version byte of pay-to-script-hash addresses.
    pub p2sh: u8,
    /// Version byte of WIF private keys.
    pub wif: u8,
}

impl AddressFormat {
    /// The main network and private chains: `M…`, `3…`.
    pub const MAINNET: Self = Self { p2pkh: 0x32, p2sh: 0x05, wif: 0x80 };
    /// The test network: `t…`, `3…`.
    pub const TESTNET: Self = Self { p2pkh: 0x7f, p2sh: 0x05, wif: 0x80 };
}

/// The text of the address to which burnt outputs are sent (chain.md 5.2).
pub const BLACKHOLE_TEXT: &str = "1111111111111111111114oLvT2";

/// Whom an output belongs to, apart from any network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// `hash160` of a public key.
    KeyHash([u8; 20]),
    /// `hash160` of a redeem script.
    ScriptHash([u8; 20]),
    /// Nobody: the script is a lone `OP_RETURN`.
    Blackhole,
}

/// A text that is no address of the network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Not Base58, or not the length of an address.
    #[error("not an address: it is not Base58 text of 25 bytes")]
    Form,
    /// The checksum does not match: most likely a typing error.
    #[error("the address is mistyped: its checksum does not match")]
    Checksum,
    /// An address of another network or kind.
    #[error("version byte 0x{found:02x} is none of this network's")]
    Version {
        /// The version byte of the text.
        found: u8,
    },
}

impl AddressError {
    /// Every code that [`AddressError::code`] can give.
    pub const CODES: [&'static str; 3] = ["address.form", "address.checksum", "address.version"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Form => "address.form",
            Self::Checksum => "address.checksum",
            Self::Version { .. } => "address.version",
        }
    }
}

/// Decodes Base58Check text of `N` bytes.
pub(crate) fn base58check<const N: usize>(text: &str) -> Result<[u8; N], AddressError> {
    decode_check(text)?.try_into().map_err(|_| AddressError::Form)
}

/// Decodes Base58Check text of at most 64 characters.
fn decode_check(text: &str) -> Result<Vec<u8>, AddressError> {
    // Base58 decoding is quadratic; nothing that is decoded here is longer than this.
    if text.len() > 64 {
        return Err(AddressError::Form);
    }
    base58ck::decode_check(text).map_err(|error| {
        if error.incorrect_checksum().is_some() {
            AddressError::Checksum
        } else {
            AddressError::Form
        }
    })
}

/// Version byte of stealth addresses on every network (chain.md 5.1).
const STEALTH_VERSION: u8 = 0x2a;

/// Tells whether a text of at most 64 characters is a stealth address.
///
/// Layout behind the version: one option byte (0 or 1), a 33-byte key, a count N, N keys, a signature
/// count, a prefix length in bits, and that many bits. Nothing of ours sends to one; they matter
/// because no identity may look like an address (chain.md 3.6, docs/decisions/0017).
pub(crate) fn is_stealth_text(text: &str) -> bool {
    let Ok(payload) = decode_check(text) else { return false };
    let [STEALTH_VERSION, 0 | 1, rest @ ..] = payload.as_slice() else { return false };
    let Some((_, [count, rest @ ..])) = rest.split_at_checked(33) else { return false };
    match rest.get(usize::from(*count) * 33..) {
        Some([_, prefix_bits, prefix @ ..]) => {
            prefix.len() == usize::from(*prefix_bits).div_ceil(8)
        }
        _ => false,
    }
}

/// Encodes bytes as Base58Check text.
pub(crate) fn to_base58check(payload: &[u8]) -> String {
    base58ck::Base58CkString::encode_unbounded(payload).as_str().to_owned()
}

impl Address {
    /// Reads an address of the network.
    ///
    /// # Errors
    /// [`AddressError`] when the text is none.
    pub fn parse(text: &str, format: &AddressFormat) -> Result<Self, AddressError> {
        let [version, hash @ ..] = base58check::<21>(text)?;
        match (version, hash) {
            (0, hash) if hash == [0; 20] => Ok(Self::Blackhole),
            (version, hash) if version == format.p2pkh => Ok(Self::KeyHash(hash)),
            (version, hash) if version == format.p2sh => Ok(Self::ScriptHash(hash)),
            (found, _) => Err(AddressError::Version { found }),
        }
    }

    /// Returns the address as text of the network.
    pub fn to_text(&self, format: &AddressFormat) -> String {
        let (version, hash) = match self {
            Self::KeyHash(hash) => (format.p2pkh, hash),
            Self::ScriptHash(hash) => (format.p2sh, hash),
            Self::Blackhole => return BLACKHOLE_TEXT.to_owned(),
        };
        let mut payload = [0u8; 21];
        payload[0] = version;
        payload[1..].copy_from_slice(hash);
        to_base58check(&payload)
    }

    /// Returns the address as an attachment carries it.
    pub fn to_address_text(&self, format: &AddressFormat) -> AddressText {
        AddressText::new(self.to_text(format)).expect("Base58 has no NUL")
    }

    /// Tells whether `text` is this address, without building the text where a look suffices.
    pub fn is_text(&self, text: &AddressText, format: &AddressFormat) -> bool {
        text.as_bytes() == self.to_text(format).as_bytes()
    }

    /// Shows the address for a network: `address.display(&format)`.
    pub fn display<'a>(&'a self, format: &'a AddressFormat) -> impl fmt::Display + 'a {
        struct Shown<'a>(&'a Address, &'a AddressFormat);
        impl fmt::Display for Shown<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0.to_text(self.1))
            }
        }
        Shown(self, format)
    }
}

/// Returns the text of an address that a script stands for.
///
/// QUIRK (chain.md 5.4): a script without an address prints as the blackhole address, so such an
/// output passes for a burnt one wherever addresses are compared as text.
pub fn text_or_blackhole(address: Option<&Address>, format: &AddressFormat) -> AddressText {
    address.unwrap_or(&Address::Blackhole).to_address_text(format)
}

#[cfg(test)]
mod tests {
    use super::{Address, AddressFormat, BLACKHOLE_TEXT, is_stealth_text, to_base58check};

    #[test]
    fn stealth_addresses_are_told_by_their_layout() {
        // Version, options, key, no further keys, no signatures, no prefix: the shortest form.
        let mut shortest = vec![0x2a, 0];
        shortest.extend([2; 33]);
        shortest.extend([0, 0, 0]);
        let text = to_base58check(&shortest);
        assert!(text.len() <= 64, "a name may be this long: {}", text.len());
        assert!(is_stealth_text(&text));
        let with = |change: fn(&mut Vec<u8>)| {
            let mut payload = shortest.clone();
            change(&mut payload);
            is_stealth_text(&to_base58check(&payload))
        };
        assert!(with(|p| p[1] = 1));
        assert!(!with(|p| p[0] = 0x2b));
        assert!(!with(|p| p[1] = 2));
        assert!(!with(|p| p[35] = 1), "a key is missing");
        assert!(with(|p| {
            p[37] = 8;
            p.push(0xaa);
        }));
        assert!(!with(|p| p[37] = 8), "the prefix is missing");
        assert!(!with(|p| p.push(0)), "something follows");
        assert!(!with(|p| p.truncate(36)));
        assert!(!is_stealth_text("x"));
    }

    #[test]
    fn both_ways_and_each_error() {
        let main = &AddressFormat::MAINNET;
        let text = "MGqHvbaH9wzdr6oUDFz4S1HptjoKQcjRve";
        let address = Address::parse(text, main).unwrap();
        assert_eq!(address.to_text(main), text);
        assert_eq!(Address::parse(BLACKHOLE_TEXT, main), Ok(Address::Blackhole));
        assert_eq!(Address::Blackhole.to_text(main), BLACKHOLE_TEXT);
        assert_eq!(
            Address::parse(text, &AddressFormat::TESTNET).unwrap_err().code(),
            "address.version"
        );
        assert_eq!(
            Address::parse("MGqHvbaH9wzdr6oUDFz4S1HptjoKQcjRvf", main).unwrap_err().code(),
            "address.checksum"
        );
        let key = crate::wif::Wif::new([7; 32], true).reveal_text(main);
        for bad in ["", "M", "0OIl", &"1".repeat(1000), &key] {
            assert_eq!(Address::parse(bad, main).unwrap_err().code(), "address.form", "{bad}");
        }
    }
}
