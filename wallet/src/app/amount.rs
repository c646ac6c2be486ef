//! Amounts as people write them.

use mvs_primitives::amount::{Amount, UNITS_PER_ETP};

use super::exit::Usage;

/// Reads an amount in ETP: digits, and at most eight of them behind a point.
pub(super) fn parse(text: &str) -> Result<Amount, Usage> {
    let wrong = || Usage(format!("{text:?} is no amount in ETP, like 1000 or 0.0001"));
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(part) || part.len() > 8 {
        return Err(wrong());
    }
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let part: u64 = format!("{part:0<8}").parse().map_err(|_| wrong())?;
    let units = whole.checked_mul(UNITS_PER_ETP).and_then(|units| units.checked_add(part));
    units.map(Amount::from_units).ok_or_else(wrong)
}

/// Writes an amount in ETP with all its digits.
pub(super) fn show(units: u64) -> String {
    // A divisor of 10^8 is not zero.
    let (whole, part) = (units / UNITS_PER_ETP, units % UNITS_PER_ETP);
    format!("{whole}.{part:08}")
}

#[cfg(test)]
mod tests {
    use super::{parse, show};
    use proptest::prelude::{any, prop_assert_eq, proptest};

    #[test]
    fn what_is_no_amount_is_refused() {
        for (text, units) in
            [("1", 100_000_000), ("0.00000001", 1), ("1.5", 150_000_000), ("007", 700_000_000)]
        {
            assert_eq!(parse(text).unwrap().units(), units, "{text}");
        }
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1,5",
            "1e3",
            "0.123456789",
            "1.5.5",
            " 1",
            "\u{661}",
            "184467440738",
            "99999999999999999999",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert_eq!(parse("184467440737.09551615").unwrap().units(), u64::MAX);
    }

    proptest! {
        #[test]
        fn both_ways(units in any::<u64>()) {
            prop_assert_eq!(parse(&show(units)).unwrap().units(), units);
        }
    }
}
