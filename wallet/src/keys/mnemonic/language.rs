//! The word lists.

use std::fmt;

/// A word list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Language {
    /// English, the list to use unless there is a reason.
    #[default]
    English,
    /// Chinese, simplified.
    SimplifiedChinese,
    /// Chinese, traditional.
    TraditionalChinese,
    /// Czech.
    Czech,
    /// French.
    French,
    /// Italian.
    Italian,
    /// Japanese.
    Japanese,
    /// Korean.
    Korean,
    /// Portuguese.
    Portuguese,
    /// Spanish.
    Spanish,
}

/// Each list with its number in files, its name, and its short name.
const TABLE: [(Language, u8, &str, &str); 10] = [
    (Language::English, 0, "English", "en"),
    (Language::SimplifiedChinese, 1, "simplified Chinese", "zh-hans"),
    (Language::TraditionalChinese, 2, "traditional Chinese", "zh-hant"),
    (Language::Czech, 3, "Czech", "cs"),
    (Language::French, 4, "French", "fr"),
    (Language::Italian, 5, "Italian", "it"),
    (Language::Japanese, 6, "Japanese", "ja"),
    (Language::Korean, 7, "Korean", "ko"),
    (Language::Portuguese, 8, "Portuguese", "pt"),
    (Language::Spanish, 9, "Spanish", "es"),
];

impl Language {
    /// Every list.
    pub const ALL: [Self; 10] = [
        Self::English,
        Self::SimplifiedChinese,
        Self::TraditionalChinese,
        Self::Czech,
        Self::French,
        Self::Italian,
        Self::Japanese,
        Self::Korean,
        Self::Portuguese,
        Self::Spanish,
    ];

    /// Tells whether the network's existing wallets have this list (wallet.md 1).
    pub const fn is_known_to_existing_wallets(self) -> bool {
        matches!(
            self,
            Self::English
                | Self::SimplifiedChinese
                | Self::TraditionalChinese
                | Self::Japanese
                | Self::Spanish
        )
    }

    /// Returns the number that stands for it in files.
    pub fn to_disk(self) -> u8 {
        self.row().1
    }

    /// Returns the list of a number in a file.
    pub fn from_disk(number: u8) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// Returns the short name, for commands: `en`, `zh-hans`.
    pub fn short_name(self) -> &'static str {
        self.row().3
    }

    /// Returns the list of a short name.
    pub fn from_short_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.3.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    fn row(self) -> &'static (Self, u8, &'static str, &'static str) {
        TABLE.iter().find(|row| row.0 == self).expect("every list has a row")
    }

    pub(super) const fn list(self) -> bip39::Language {
        match self {
            Self::English => bip39::Language::English,
            Self::SimplifiedChinese => bip39::Language::SimplifiedChinese,
            Self::TraditionalChinese => bip39::Language::TraditionalChinese,
            Self::Czech => bip39::Language::Czech,
            Self::French => bip39::Language::French,
            Self::Italian => bip39::Language::Italian,
            Self::Japanese => bip39::Language::Japanese,
            Self::Korean => bip39::Language::Korean,
            Self::Portuguese => bip39::Language::Portuguese,
            Self::Spanish => bip39::Language::Spanish,
        }
    }

    /// Returns the position of the first word that the list does not have.
    pub(super) fn first_unknown(self, words: &[&str]) -> Option<usize> {
        words.iter().position(|word| self.list().find_word(word).is_none())
    }

    /// Returns how many of the words the list has.
    pub(super) fn known(self, words: &[&str]) -> usize {
        words.iter().filter(|word| self.list().find_word(word).is_some()).count()
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}
