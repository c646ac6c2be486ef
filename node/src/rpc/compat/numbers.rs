//! Numbers and switches as the words of a command line write them (rpc.md 2).

/// Reads an unsigned 64-bit number. QUIRK: a negative one wraps, as in the first node.
pub(super) fn read_u64(text: &str) -> Option<u64> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: u64 = digits.parse().ok()?;
    Some(if is_negative { value.wrapping_neg() } else { value })
}

/// Reads an unsigned 32-bit number; a negative one wraps.
pub(super) fn read_u32(text: &str) -> Option<u32> {
    match text.strip_prefix('-') {
        Some(digits) if !digits.starts_with(['+', '-']) => {
            u32::try_from(read_u64(digits)?).ok().map(u32::wrapping_neg)
        }
        Some(_) => None,
        None => u32::try_from(read_u64(text)?).ok(),
    }
}

/// Reads a switch. QUIRK: an empty text is yes.
pub(super) fn read_bool(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "" | "on" | "yes" | "1" | "true" => Some(true),
        "off" | "no" | "0" | "false" => Some(false),
        _ => None,
    }
}

/// Reads a range `a:b`; the end is not in it.
pub(super) fn read_range(text: &str) -> Option<std::ops::Range<u64>> {
    let (from, to) = text.split_once(':')?;
    Some(read_u64(from)?..read_u64(to)?)
}

#[cfg(test)]
mod tests {
    use super::{read_bool, read_range, read_u32, read_u64};

    #[test]
    fn numbers_wrap_and_refuse_like_the_first_node() {
        assert_eq!(read_u32("-1"), Some(u32::MAX));
        assert_eq!(read_u32("-4294967296"), None);
        assert_eq!(read_u32("4294967296"), None);
        assert_eq!(read_u64("-1"), Some(u64::MAX));
        assert_eq!(read_u64("18446744073709551616"), None);
        for text in ["", "-", "+", "1e8", "100000000.0", "0x10", " 1", "--1", "-+1"] {
            assert_eq!((read_u32(text), read_u64(text)), (None, None), "{text}");
        }
        assert_eq!(read_bool("FALSE"), Some(false));
        assert_eq!((read_bool(""), read_bool("2")), (Some(true), None));
        assert_eq!(read_range("3:7"), Some(3..7));
        assert_eq!((read_range("3"), read_range("a:b")), (None, None));
    }
}
