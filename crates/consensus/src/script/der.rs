//! The strict form of signatures (BIP66).

/// Bytes of the shortest and the longest signature with its hash type.
const MIN_BYTES: usize = 9;
const MAX_BYTES: usize = 73;
const SEQUENCE_TAG: u8 = 0x30;
const INTEGER_TAG: u8 = 0x02;

/// Tells whether a signature with its hash type byte is in strict DER form.
///
/// # Consensus
/// BIP66: `0x30 [total-length] 0x02 [R-length] [R] 0x02 [S-length] [S] [sighash]`, with R and S
/// positive, not empty and without needless leading zeros. The values may be out of range; such a
/// signature is well formed and just does not hold.
pub(super) fn is_strict_der(signature: &[u8]) -> bool {
    parse(signature).is_some()
}

fn parse(signature: &[u8]) -> Option<()> {
    if !(MIN_BYTES..=MAX_BYTES).contains(&signature.len()) {
        return None;
    }
    let [SEQUENCE_TAG, len, body @ .., _sighash_type] = signature else { return None };
    if usize::from(*len) != body.len() {
        return None;
    }
    let body = take_integer(body)?;
    take_integer(body)?.is_empty().then_some(())
}

/// Reads a positive integer without padding and returns what follows.
fn take_integer(bytes: &[u8]) -> Option<&[u8]> {
    let [INTEGER_TAG, len, rest @ ..] = bytes else { return None };
    let (integer, rest) = rest.split_at_checked(usize::from(*len))?;
    match integer {
        [] => None,
        [first, ..] if *first >= 0x80 => None,
        [0, second, ..] if *second < 0x80 => None,
        _ => Some(rest),
    }
}

#[cfg(test)]
mod tests {
    use super::is_strict_der;

    fn signature(r: &[u8], s: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x30, u8::try_from(4 + r.len() + s.len()).unwrap(), 2];
        bytes.push(u8::try_from(r.len()).unwrap());
        bytes.extend(r);
        bytes.extend([2, u8::try_from(s.len()).unwrap()]);
        bytes.extend(s);
        bytes.push(1);
        bytes
    }

    #[test]
    fn forms() {
        for (r, s, strict) in [
            (&[1][..], &[1][..], true),
            (&[0], &[0], true),
            (&[0x7f; 32], &[0x7f; 32], true),
            (&[0x7f; 33], &[0x7f; 33], true), // too large to hold, but well formed
            (&[0x7f; 33], &[0x7f; 34], false),
            (&[0, 0x80], &[0, 0xff], true),
            (&[], &[1, 1], false),
            (&[1, 1], &[], false),
            (&[0x80], &[1], false),
            (&[1], &[0x80], false),
            (&[0, 1], &[1], false),
            (&[1], &[0, 0], false),
            (&[1], &[0, 0x7f], false),
        ] {
            assert_eq!(is_strict_der(&signature(r, s)), strict, "{r:?} {s:?}");
        }
    }

    #[test]
    fn every_changed_length_or_tag_is_refused() {
        let good = signature(&[1, 2, 3], &[4, 5, 6]);
        assert!(is_strict_der(&good));
        for index in [0, 1, 2, 3, 7, 8] {
            let mut bad = good.clone();
            bad[index] ^= 1;
            assert!(!is_strict_der(&bad), "byte {index}");
        }
        for len in 0..good.len() {
            assert!(!is_strict_der(&good[..len]), "{len} bytes");
        }
        let mut long = good.clone();
        long.push(1);
        assert!(!is_strict_der(&long));
        let mut other_type = good;
        *other_type.last_mut().unwrap() = 0xff;
        assert!(is_strict_der(&other_type));
    }
}
