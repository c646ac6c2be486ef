//! The text form of a model (chain.md 7.8, "Parse").

use std::collections::BTreeSet;

use super::{AttenuationError, AttenuationModel, Lists, Schedule};

/// The keys that a model may have.
const KEYS: [&[u8]; 9] = [b"PN", b"LH", b"TYPE", b"LQ", b"LP", b"UN", b"IR", b"UC", b"UQ"];

/// The fewest pairs that any type needs.
const MIN_PAIRS: usize = 6;

/// A pair of the text.
pub(super) struct Pair<'a> {
    key: &'a [u8],
    /// Empty when the key is to count as absent.
    value: &'a [u8],
}

/// The pairs of a text in their order.
pub(super) struct Pairs<'a>(Vec<Pair<'a>>);

impl<'a> Pairs<'a> {
    /// Takes the text apart; the rules that need no knowledge of keys.
    pub(super) fn split(text: &'a [u8]) -> Result<Self, AttenuationError> {
        let is_allowed = |byte: &&u8| byte.is_ascii_alphanumeric() || b",;=".contains(byte);
        if let Some(byte) = text.iter().find(|byte| !is_allowed(byte)) {
            return Err(AttenuationError::Character(*byte));
        }
        if text.windows(2).any(|two| two == b",,") {
            return Err(AttenuationError::CommaRun);
        }
        let mut pairs: Vec<Pair<'a>> = Vec::new();
        let mut keys = BTreeSet::new();
        // Inside the text a run of `;` is one; at an end it leaves a pair that is none.
        if text.starts_with(b";") {
            return Err(AttenuationError::Pair(0));
        }
        for piece in text.split(|byte| *byte == b';').filter(|piece| !piece.is_empty()) {
            let index = pairs.len();
            let pair = Pair::split(piece).ok_or(AttenuationError::Pair(index))?;
            if !keys.insert(pair.key) {
                return Err(AttenuationError::DuplicateKey(index));
            }
            pairs.push(pair);
        }
        if text.is_empty() || text.ends_with(b";") {
            return Err(AttenuationError::Pair(pairs.len()));
        }
        Ok(Self(pairs))
    }

    fn find(&self, key: &[u8]) -> Option<(usize, &'a [u8])> {
        let (index, pair) = self.0.iter().enumerate().find(|(_, pair)| pair.key == key)?;
        (!pair.value.is_empty()).then_some((index, pair.value))
    }

    /// Returns the number that a key has; `None` when the key is absent.
    pub(super) fn number(&self, key: &[u8]) -> Result<Option<u64>, AttenuationError> {
        let Some((index, value)) = self.find(key) else { return Ok(None) };
        number(value).map(Some).ok_or(AttenuationError::Value(index))
    }

    /// Returns the number that a key must have.
    pub(super) fn needed(&self, key: &[u8]) -> Result<u64, AttenuationError> {
        self.number(key)?.ok_or(AttenuationError::Keys)
    }

    /// Returns the list that a key has; `None` when the key is absent.
    pub(super) fn numbers(&self, key: &[u8]) -> Result<Option<Vec<u64>>, AttenuationError> {
        let Some((index, value)) = self.find(key) else { return Ok(None) };
        let list: Option<Vec<u64>> = value.split(|byte| *byte == b',').map(number).collect();
        list.map(Some).ok_or(AttenuationError::Value(index))
    }
}

impl<'a> Pair<'a> {
    /// Splits at `=`, a run of which counts as one; there must be exactly one.
    fn split(piece: &'a [u8]) -> Option<Self> {
        let equals = piece.iter().position(|byte| *byte == b'=')?;
        let (key, rest) = piece.split_at_checked(equals)?;
        let run = rest.iter().take_while(|byte| **byte == b'=').count();
        let value = rest.get(run..)?;
        (!value.contains(&b'=')).then_some(Self { key, value })
    }
}

/// Reads a number: letters and digits only, at least one digit in front. QUIRK: what follows the
/// digits is ignored.
fn number(value: &[u8]) -> Option<u64> {
    if !value.iter().all(u8::is_ascii_alphanumeric) {
        return None;
    }
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(value.get(..digits)?).ok()?.parse().ok()
}

pub(super) fn parse(text: &[u8]) -> Result<AttenuationModel, AttenuationError> {
    let pairs = Pairs::split(text)?;
    if pairs.0.len() < MIN_PAIRS {
        return Err(AttenuationError::TooFewPairs(pairs.0.len()));
    }
    if !matches!(pairs.0.as_slice(), [first, second, ..] if first.key == b"PN" && second.key == b"LH")
    {
        return Err(AttenuationError::Order);
    }
    if pairs.0.iter().any(|pair| !pair.value.is_empty() && !KEYS.contains(&pair.key)) {
        return Err(AttenuationError::Keys);
    }
    // QUIRK: the ancestor keeps the type in 8 bits.
    let kind = pairs.needed(b"TYPE")? % 256;
    let keys = (pairs.number(b"IR")?, pairs.numbers(b"UC")?, pairs.numbers(b"UQ")?);
    let schedule = match (kind, keys) {
        (1, (None, None, None)) => Schedule::Fixed,
        (2, (None, Some(periods), Some(quantities))) => {
            Schedule::Custom(Lists { periods, quantities })
        }
        (3, (Some(rate_percent), Some(periods), Some(quantities))) => {
            Schedule::Inflation { rate_percent, lists: Lists { periods, quantities } }
        }
        (1..=3, _) => return Err(AttenuationError::Keys),
        (other, _) => return Err(AttenuationError::Type(other)),
    };
    Ok(AttenuationModel {
        period: pairs.needed(b"PN")?,
        blocks_left: pairs.needed(b"LH")?,
        locked: pairs.needed(b"LQ")?,
        total_blocks: pairs.needed(b"LP")?,
        unlocks: pairs.needed(b"UN")?,
        schedule,
        constant_part: constant_part(text).to_vec(),
    })
}

/// The text from its second `;` on.
fn constant_part(text: &[u8]) -> &[u8] {
    let mut semicolons = (0..text.len()).filter(|index| text.get(*index) == Some(&b';'));
    semicolons.nth(1).and_then(|second| text.get(second..)).unwrap_or_default()
}
