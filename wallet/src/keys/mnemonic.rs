//! The words from which a wallet can be restored (BIP39).

use std::fmt;

use bitcoin_hashes::{HashEngine, HmacEngine, sha512};
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::keys::secret::{RandomError, Secret, fill_random};

mod language;
mod nearest;

pub use language::Language;

/// Longest text that is looked at, in bytes; 24 words of any list are far shorter.
const MAX_TEXT: usize = 2048;

/// How many words a mnemonic has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WordCount {
    /// 12 words, 128 bits.
    Twelve,
    /// 15 words, 160 bits.
    Fifteen,
    /// 18 words, 192 bits.
    Eighteen,
    /// 21 words, 224 bits.
    TwentyOne,
    /// 24 words, 256 bits.
    #[default]
    TwentyFour,
}

impl WordCount {
    /// Returns the number of words.
    pub const fn words(self) -> usize {
        self.entropy_bytes() / 4 * 3
    }

    const fn entropy_bytes(self) -> usize {
        match self {
            Self::Twelve => 16,
            Self::Fifteen => 20,
            Self::Eighteen => 24,
            Self::TwentyOne => 28,
            Self::TwentyFour => 32,
        }
    }
}

/// A word of a list that is close to what was typed. It may be part of the secret, so `Debug` and
/// error texts hide it: show it only to the person who types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct NearestWord(&'static str);

impl NearestWord {
    /// Returns the word.
    pub const fn reveal(self) -> &'static str {
        self.0
    }
}

impl fmt::Debug for NearestWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Words that are no mnemonic. No text of it holds a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MnemonicError {
    /// Not 12, 15, 18, 21 or 24 words.
    #[error("{found} words; there must be 12, 15, 18, 21 or 24")]
    WordCount {
        /// How many there are.
        found: usize,
    },
    /// A word is in no list that the others are in.
    #[error("word {position} is not in the {language} word list")]
    UnknownWord {
        /// Which word, from 1.
        position: usize,
        /// The list that was asked for, or the one that knows most of the words.
        language: Language,
        /// The closest word of that list, if one is close.
        nearest: Option<NearestWord>,
    },
    /// All words are of another list than the one asked for.
    #[error("these are {found} words, not {expected} ones")]
    WrongLanguage {
        /// The list that was asked for.
        expected: Language,
        /// The list that has all the words.
        found: Language,
    },
    /// The words are known, but the last one does not confirm the others.
    #[error("the checksum does not match: a word is wrong, or two have changed places")]
    Checksum,
    /// More text than any mnemonic has.
    #[error("this text is too long to be words of a wallet")]
    TooLong,
    /// Entropy is 16, 20, 24, 28 or 32 bytes.
    #[error("{found} bytes of entropy; there must be 16, 20, 24, 28 or 32")]
    EntropyLength {
        /// How many there are.
        found: usize,
    },
}

impl MnemonicError {
    /// Every code that [`MnemonicError::code`] can give.
    pub const CODES: [&'static str; 6] = [
        "mnemonic.word_count",
        "mnemonic.unknown_word",
        "mnemonic.wrong_language",
        "mnemonic.checksum",
        "mnemonic.too_long",
        "mnemonic.entropy_length",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WordCount { .. } => Self::CODES[0],
            Self::UnknownWord { .. } => Self::CODES[1],
            Self::WrongLanguage { .. } => Self::CODES[2],
            Self::Checksum => Self::CODES[3],
            Self::TooLong => Self::CODES[4],
            Self::EntropyLength { .. } => Self::CODES[5],
        }
    }
}

/// How the words and the passphrase become bytes before they are hashed into the seed.
///
/// The two differ only for words with composed letters: Spanish, French, Portuguese, Czech, Japanese, Korean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum TextForm {
    /// Unicode NFKD, as BIP39 says.
    #[default]
    Standard,
    /// Unicode NFC, as keyboards write it: what a wallet that does not normalise has hashed
    /// (wallet.md 1). For restoring such wallets only.
    Composed,
}

/// Between 12 and 24 words that a wallet can be restored from.
pub struct Mnemonic {
    words: bip39::Mnemonic,
    language: Language,
}

impl Mnemonic {
    /// Returns new random words.
    ///
    /// # Errors
    /// [`RandomError`] when the system gives no random bytes.
    pub fn generate(count: WordCount, language: Language) -> Result<Self, RandomError> {
        let mut entropy = Zeroizing::new([0; 32]);
        let entropy = entropy.get_mut(..count.entropy_bytes()).ok_or(RandomError)?;
        fill_random(entropy)?;
        Ok(Self::from_entropy(entropy, language).expect("the count gives a valid length"))
    }

    /// Returns the words that stand for 16, 20, 24, 28 or 32 bytes.
    ///
    /// # Errors
    /// [`MnemonicError::EntropyLength`] for any other number.
    pub fn from_entropy(entropy: &[u8], language: Language) -> Result<Self, MnemonicError> {
        let words = bip39::Mnemonic::from_entropy_in(language.list(), entropy)
            .map_err(|_| MnemonicError::EntropyLength { found: entropy.len() })?;
        Ok(Self { words, language })
    }

    /// Reads words, separated by any white space, in any case and Unicode form.
    ///
    /// Without a language every list is tried. Some lists share words; if the words are good in more
    /// than one list the first is taken, for the seed depends on the words alone.
    ///
    /// # Errors
    /// [`MnemonicError`] tells what is wrong with them.
    pub fn parse(text: &str, language: Option<Language>) -> Result<Self, MnemonicError> {
        if text.len() > MAX_TEXT {
            return Err(MnemonicError::TooLong);
        }
        let lower = Zeroizing::new(text.to_lowercase());
        let text = Zeroizing::new(lower.nfkd().collect::<String>());
        let words: Vec<&str> = text.split_whitespace().collect();
        if !matches!(words.len(), 12 | 15 | 18 | 21 | 24) {
            return Err(MnemonicError::WordCount { found: words.len() });
        }
        let mut candidates: Vec<Language> =
            Language::ALL.into_iter().filter(|list| list.first_unknown(&words).is_none()).collect();
        if let Some(expected) = language {
            if !candidates.contains(&expected) {
                return Err(match candidates.first() {
                    Some(&found) => MnemonicError::WrongLanguage { expected, found },
                    None => unknown_word(expected, &words),
                });
            }
            candidates = vec![expected];
        }
        if candidates.is_empty() {
            // The last of equals would win, so the lists are looked at from the end.
            let best = Language::ALL.into_iter().rev().max_by_key(|list| list.known(&words));
            return Err(unknown_word(best.unwrap_or_default(), &words));
        }
        let sentence = Zeroizing::new(words.join(" "));
        candidates
            .into_iter()
            .find_map(|language| {
                let words =
                    bip39::Mnemonic::parse_in_normalized(language.list(), &sentence).ok()?;
                Some(Self { words, language })
            })
            .ok_or(MnemonicError::Checksum)
    }

    /// Returns the list that the words are of.
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Returns how many words there are.
    pub fn word_count(&self) -> usize {
        self.words.word_count()
    }

    /// Returns the words, separated by one space.
    pub fn reveal_sentence(&self) -> Secret<str> {
        // Long enough for any list, so that no half-filled buffer is left behind.
        let mut sentence = String::with_capacity(MAX_TEXT);
        for word in self.words.words() {
            if !sentence.is_empty() {
                sentence.push(' ');
            }
            sentence.push_str(word);
        }
        Secret::from_string(sentence)
    }

    /// Returns the bytes that the words stand for.
    pub fn reveal_entropy(&self) -> Secret<[u8]> {
        Secret::from_vec(self.words.to_entropy())
    }

    /// Returns the seed of the tree of keys. An empty passphrase is none.
    pub fn to_seed(&self, passphrase: &str, form: TextForm) -> Secret<[u8; 64]> {
        let sentence = self.reveal_sentence();
        let normalise = |text: &str| {
            Zeroizing::new(match form {
                TextForm::Standard => text.nfkd().collect::<String>(),
                TextForm::Composed => text.nfc().collect::<String>(),
            })
        };
        let sentence = normalise(sentence.reveal());
        let passphrase = normalise(passphrase);
        pbkdf2(sentence.as_bytes(), &[b"mnemonic", passphrase.as_bytes()])
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mnemonic(***)")
    }
}

fn unknown_word(language: Language, words: &[&str]) -> MnemonicError {
    let index = language.first_unknown(words).unwrap_or_default();
    let word = words.get(index).copied().unwrap_or_default();
    let nearest = nearest::nearest_word(word, language).map(NearestWord);
    MnemonicError::UnknownWord { position: index + 1, language, nearest }
}

/// PBKDF2-HMAC-SHA512 with BIP39's 2048 rounds and one block of output. `bip39` has the same, but
/// only over its own list's spelling.
fn pbkdf2(password: &[u8], salt: &[&[u8]]) -> Secret<[u8; 64]> {
    let mut keyed = HmacEngine::<sha512::HashEngine>::new(password);
    let mut first = keyed.clone();
    for part in salt {
        first.input(part);
    }
    first.input(&1u32.to_be_bytes());
    let mut round = first.finalize();
    let mut seed = Secret::copy_of(&[0; 64]);
    for left in (0..2048).rev() {
        for (byte, add) in seed.reveal_mut().iter_mut().zip(round.as_ref() as &[u8]) {
            *byte ^= add;
        }
        if left > 0 {
            let mut engine = keyed.clone();
            engine.input(round.as_ref());
            round = engine.finalize();
        }
    }
    keyed.non_secure_erase();
    seed
}

#[cfg(test)]
mod tests;
