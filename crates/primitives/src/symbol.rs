//! Which bytes may name an asset, a certificate, an identity or a unique item (chain.md 3.6).

use crate::address::{Address, AddressFormat, is_stealth_text};

/// The longest name of any kind in bytes.
pub const MAX_SYMBOL_BYTES: usize = 64;

/// Substrings that no new name may hold (64 entries).
///
/// Source: chain.md 3.6; the list is in the product's vectors as `symbols.json`.
pub const SENSITIVE_WORDS: &[&str] = &[
    "HUJINTAO",
    "WENJIABAO",
    "WJB",
    "XIJINPING",
    "XJP",
    "TANKMAN",
    "LIUSI",
    "VPN",
    "64MEMO",
    "GFW",
    "FREEDOM",
    "FREECHINA",
    "LIKEQIANG",
    "ZHOUYONGKANG",
    "LICHANGCHUN",
    "WUBANGGUO",
    "HEGUOQIANG",
    "JIANGZEMIN",
    "JZM",
    "FUCK",
    "SHIT",
    "198964",
    "GONGCHANDANG",
    "GCD",
    "TUGONG",
    "COMMUNISM",
    "FALUNGONG",
    "COMMUNIST",
    "PARTY",
    "CCP",
    "CPC",
    "HONGZHI",
    "LIHONGZHI",
    "LHZ",
    "DAJIYUAN",
    "ZANGDU",
    "DALAI",
    "MINZHU",
    "CHINA",
    "CHINESE",
    "TAIWAN",
    "SHABI",
    "PENIS",
    "J8",
    "ISLAM",
    "ALLHA",
    "USD",
    "CNY",
    "EUR",
    "AUD",
    "GBP",
    "CHF",
    "ETP",
    "CURRENCY",
    "ASSET",
    "BALANCE",
    "EXCHANGE",
    "TOKEN",
    "BUY",
    "SELL",
    "ASK",
    "BID",
    "DID",
    "ZEN.",
];

/// What a name breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SymbolError {
    /// No bytes at all.
    #[error("the name is empty")]
    Empty,
    /// More than [`MAX_SYMBOL_BYTES`].
    #[error("the name has {0} bytes, at most 64 are allowed")]
    TooLong(usize),
    /// A byte outside the allowed set.
    #[error("byte 0x{byte:02x} at position {position} is not allowed in this kind of name")]
    Character {
        /// The byte.
        byte: u8,
        /// Its index.
        position: usize,
    },
    /// A lower-case letter where the transaction version demands upper case.
    #[error("lower case at position {0}; transaction version 4 demands upper case")]
    LowerCase(usize),
    /// A word of [`SENSITIVE_WORDS`].
    #[error("the name contains the reserved word {0}")]
    SensitiveWord(&'static str),
    /// An identity that reads as an address.
    #[error("the name is a valid address, which an identity must not be")]
    IsAddress,
}

impl SymbolError {
    /// Every code that [`SymbolError::code`] can give.
    pub const CODES: [&'static str; 6] = [
        "symbol.empty",
        "symbol.too_long",
        "symbol.character",
        "symbol.lower_case",
        "symbol.sensitive_word",
        "symbol.is_address",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => "symbol.empty",
            Self::TooLong(_) => "symbol.too_long",
            Self::Character { .. } => "symbol.character",
            Self::LowerCase(_) => "symbol.lower_case",
            Self::SensitiveWord(_) => "symbol.sensitive_word",
            Self::IsAddress => "symbol.is_address",
        }
    }
}

fn check_characters(name: &[u8], extra: &[u8]) -> Result<(), SymbolError> {
    if name.is_empty() {
        return Err(SymbolError::Empty);
    }
    if name.len() > MAX_SYMBOL_BYTES {
        return Err(SymbolError::TooLong(name.len()));
    }
    match name.iter().position(|byte| !byte.is_ascii_alphanumeric() && !extra.contains(byte)) {
        None => Ok(()),
        Some(position) => Err(SymbolError::Character { byte: name[position], position }),
    }
}

fn check_words(name: &[u8]) -> Result<(), SymbolError> {
    match SENSITIVE_WORDS
        .iter()
        .find(|word| name.windows(word.len()).any(|window| window == word.as_bytes()))
    {
        None => Ok(()),
        Some(word) => Err(SymbolError::SensitiveWord(word)),
    }
}

/// Checks the symbol of an asset issue or of any certificate.
///
/// `strict` is the rule of transactions of version 4 and above: upper case and no sensitive words.
///
/// # Errors
/// The first rule of chain.md 3.6 that the symbol breaks.
pub fn check_asset_symbol(symbol: &[u8], strict: bool) -> Result<(), SymbolError> {
    check_characters(symbol, b".")?;
    if strict {
        if let Some(position) = symbol.iter().position(u8::is_ascii_lowercase) {
            return Err(SymbolError::LowerCase(position));
        }
        check_words(symbol)?;
    }
    Ok(())
}

/// Checks the name of a unique item (MIT) at its registration.
///
/// # Errors
/// The first rule of chain.md 3.6 that the name breaks.
pub fn check_mit_symbol(symbol: &[u8]) -> Result<(), SymbolError> {
    check_characters(symbol, b".@_-")?;
    check_words(&symbol.to_ascii_uppercase())
}

/// Checks the name of an identity at its registration.
///
/// `words` switches the sensitive-word check, which the test network does not make.
///
/// # Errors
/// The first rule of chain.md 3.6 that the name breaks.
pub fn check_did_name(name: &[u8], words: bool, format: &AddressFormat) -> Result<(), SymbolError> {
    check_characters(name, b".@_-")?;
    if words {
        check_words(&name.to_ascii_uppercase())?;
    }
    let is_address = std::str::from_utf8(name)
        .is_ok_and(|text| Address::parse(text, format).is_ok() || is_stealth_text(text));
    if is_address { Err(SymbolError::IsAddress) } else { Ok(()) }
}

/// Returns the domain of a symbol: the text before its first run of dots (chain.md 7.7).
///
/// `A.B` gives `A`, `A` gives `A`, `.A` gives nothing.
pub fn domain(symbol: &[u8]) -> &[u8] {
    symbol.split(|byte| *byte == b'.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{SymbolError, check_asset_symbol, check_did_name, check_mit_symbol, domain};
    use crate::address::AddressFormat;

    #[test]
    fn each_rule_once() {
        let main = &AddressFormat::MAINNET;
        assert_eq!(check_asset_symbol(b"", true), Err(SymbolError::Empty));
        assert_eq!(check_asset_symbol(&[b'A'; 65], true), Err(SymbolError::TooLong(65)));
        assert_eq!(check_asset_symbol(&[b'A'; 64], true), Ok(()));
        assert_eq!(
            check_asset_symbol(b"A_B", true),
            Err(SymbolError::Character { byte: b'_', position: 1 })
        );
        assert_eq!(check_asset_symbol(b"Abc", true), Err(SymbolError::LowerCase(1)));
        assert_eq!(check_asset_symbol(b"Abc", false), Ok(()));
        assert_eq!(check_asset_symbol(b"MYETPX", true), Err(SymbolError::SensitiveWord("ETP")));
        assert_eq!(check_mit_symbol(b"my@etp"), Err(SymbolError::SensitiveWord("ETP")));
        assert_eq!(check_did_name(b"myetp", false, main), Ok(()));
        assert_eq!(
            check_did_name(b"1111111111111111111114oLvT2", true, main),
            Err(SymbolError::IsAddress)
        );
    }

    #[test]
    fn domains() {
        assert_eq!(domain(b"A.B.C"), b"A");
        assert_eq!(domain(b"A"), b"A");
        assert_eq!(domain(b".A"), b"");
        assert_eq!(domain(b"A..B"), b"A");
    }
}
