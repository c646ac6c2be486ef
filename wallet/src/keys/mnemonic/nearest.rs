//! The word that was probably meant.

use zeroize::Zeroizing;

use super::Language;

/// Words of the lists have at most this many characters, decomposed; what is longer is not close.
const MAX_CHARS: usize = 24;
/// More changes than this are another word.
const MAX_CHANGES: usize = 3;

/// Returns the word of the list that takes the fewest changes (insert, delete, replace, swap two
/// neighbours), or `None` when every word takes more than three or more than half its letters.
pub(super) fn nearest_word(typed: &str, language: Language) -> Option<&'static str> {
    let typed = Zeroizing::new(typed.chars().take(MAX_CHARS + 1).collect::<Vec<_>>());
    if typed.len() > MAX_CHARS || typed.is_empty() {
        return None;
    }
    let words = language.list().word_list().iter();
    let (changes, _, word) = words
        .map(|word| {
            let chars: Vec<char> = word.chars().collect();
            let common = chars.iter().zip(typed.iter()).take_while(|(a, b)| a == b).count();
            // Of equally close words the one with the longer common beginning.
            (distance(&typed, &chars), usize::MAX - common, *word)
        })
        .min()?;
    (changes <= MAX_CHANGES && changes * 2 <= typed.len().max(2)).then_some(word)
}

/// Edit distance with swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut rows: Zeroizing<Vec<usize>> = Zeroizing::new(vec![0; (a.len() + 1) * width]);
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i * width + j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(a[i - 1] != b[j - 1]);
                let mut best = (rows[(i - 1) * width + j - 1] + change)
                    .min(rows[(i - 1) * width + j] + 1)
                    .min(rows[i * width + j - 1] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[(i - 2) * width + j - 2] + 1);
                }
                best
            };
        }
    }
    rows[rows.len() - 1]
}

#[cfg(test)]
mod tests {
    use super::{Language, nearest_word};

    #[test]
    fn typing_errors_find_their_word() {
        for (typed, meant) in [
            ("abandn", "abandon"),
            ("abandonn", "abandon"),
            ("abnadon", "abandon"),
            ("zo", "zoo"),
            ("lettter", "letter"),
            ("wnner", "winner"),
        ] {
            assert_eq!(nearest_word(typed, Language::English), Some(meant), "{typed}");
        }
        for nothing in ["", "qqqqqqqq", &"a".repeat(10_000)] {
            assert_eq!(nearest_word(nothing, Language::English), None);
        }
    }
}
