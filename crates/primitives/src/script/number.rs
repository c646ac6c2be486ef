//! Numbers as scripts write them: little endian, sign in the top bit.

/// Bytes that are not a number of the demanded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScriptNumberError {
    /// More bytes than allowed.
    #[error("a script number of {found} bytes, at most {max} are allowed")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Not in the shortest form.
    #[error("a script number that is not in its shortest form")]
    NotMinimal,
}

/// Returns the shortest script form of a number; zero is no bytes.
pub fn script_number(value: i64) -> Vec<u8> {
    let mut magnitude = value.unsigned_abs();
    let mut bytes = Vec::with_capacity(9);
    while magnitude > 0 {
        bytes.extend(magnitude.to_le_bytes().first());
        magnitude >>= 8;
    }
    let sign = if value < 0 { 0x80 } else { 0 };
    match bytes.last_mut() {
        Some(top) if *top & 0x80 == 0 => *top |= sign,
        Some(_) => bytes.push(sign),
        None => {}
    }
    bytes
}

/// Reads a script number of at most `max_bytes` bytes (at most 8).
///
/// # Errors
/// [`ScriptNumberError`] when it is longer, or when `minimal` is asked and it is not.
pub fn parse_script_number(
    bytes: &[u8],
    max_bytes: usize,
    minimal: bool,
) -> Result<i64, ScriptNumberError> {
    let max = max_bytes.min(8);
    if bytes.len() > max {
        return Err(ScriptNumberError::TooLong { found: bytes.len(), max });
    }
    let Some((top, low)) = bytes.split_last() else { return Ok(0) };
    // The top byte may be nothing but a sign only when the byte below needs its top bit.
    let needs_top = low.last().is_some_and(|below| below & 0x80 != 0);
    if minimal && top & 0x7f == 0 && !needs_top {
        return Err(ScriptNumberError::NotMinimal);
    }
    let mut magnitude = i64::from(top & 0x7f);
    for byte in low.iter().rev() {
        magnitude = (magnitude << 8) | i64::from(*byte); // 8 bytes less the sign bit fit
    }
    Ok(if top & 0x80 == 0 { magnitude } else { -magnitude })
}

#[cfg(test)]
mod tests {
    use super::{ScriptNumberError, parse_script_number, script_number};

    #[test]
    fn known_forms() {
        for (value, bytes) in [
            (0, &[][..]),
            (1, &[1]),
            (-1, &[0x81]),
            (127, &[0x7f]),
            (128, &[0x80, 0]),
            (-128, &[0x80, 0x80]),
            (2_200_000, &[0xc0, 0x91, 0x21]),
            (25_200, &[0x70, 0x62]),
            (i64::from(i32::MAX), &[0xff, 0xff, 0xff, 0x7f]),
        ] {
            assert_eq!(script_number(value), bytes);
            assert_eq!(parse_script_number(bytes, 4, true), Ok(value));
        }
    }

    #[test]
    fn every_length_round_trips() {
        for shift in 0..63 {
            for value in [1i64 << shift, (1i64 << shift) - 1, -(1i64 << shift)] {
                let bytes = script_number(value);
                assert_eq!(parse_script_number(&bytes, 8, true), Ok(value));
            }
        }
    }

    #[test]
    fn long_and_padded_forms() {
        assert_eq!(
            parse_script_number(&[1, 2, 3, 4, 5], 4, false),
            Err(ScriptNumberError::TooLong { found: 5, max: 4 })
        );
        for padded in [&[0][..], &[0x80], &[1, 0], &[1, 0x80]] {
            assert_eq!(parse_script_number(padded, 4, true), Err(ScriptNumberError::NotMinimal));
            assert!(parse_script_number(padded, 4, false).is_ok());
        }
    }
}
