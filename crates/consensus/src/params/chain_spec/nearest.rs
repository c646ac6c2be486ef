//! Finds the valid key that a mistyped one was meant to be.

/// Returns the candidate that looks most like `key`. Keys are `section.name` or `name`; a right name in
/// the wrong section is near.
pub(super) fn nearest(key: &str, candidates: impl Iterator<Item = String>) -> String {
    let name_of = |path: &str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let name = name_of(key);
    candidates
        .min_by_key(|candidate| {
            let by_name = distance(&name, &name_of(candidate)).saturating_add(1);
            distance(key, candidate).min(by_name)
        })
        .unwrap_or_default()
}

/// Levenshtein's distance: the fewest insertions, removals and replacements of a character.
fn distance(from: &str, to: &str) -> usize {
    // Long keys need no exact answer, and this is quadratic.
    let from: Vec<char> = from.chars().take(100).collect();
    let to: Vec<char> = to.chars().take(100).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, a) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1; // at most 100
        let mut next = vec![left];
        for (b, above) in to.iter().zip(row.iter().skip(1)) {
            let replaced = diagonal + usize::from(a != b);
            left = replaced.min(above + 1).min(left + 1);
            next.push(left);
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("abc", "", 3), ("", "abc", 3), ("kitten", "sitting", 3), ("ab", "ba", 2)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_right_name_in_the_wrong_section_is_near() {
        let keys = ["magic", "stake.vote_maturity", "subsidy.decay"].map(str::to_owned);
        assert_eq!(nearest("vote_maturity", keys.clone().into_iter()), "stake.vote_maturity");
        assert_eq!(nearest("subsidy.decya", keys.clone().into_iter()), "subsidy.decay");
        assert_eq!(nearest("magik", keys.into_iter()), "magic");
    }
}
