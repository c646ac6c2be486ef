//! Single values of a chain spec. Each reader's error says what would have been right.

use std::fmt::Display;
use std::ops::RangeInclusive;

use mvs_primitives::address::{Address, AddressFormat};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::height::Height;
use toml::{Table, Value};

use super::super::{DepositPeriod, Fork, KnownBlock, PosGenesisRule, PowDifficulty};

/// A value, or what was expected.
pub(super) type Read<T> = Result<T, String>;

/// Most entries of a list in the file.
const MAX_LIST: usize = 1000;

pub(super) fn integer<T>(value: &Value, range: RangeInclusive<T>) -> Read<T>
where
    T: TryFrom<i64> + PartialOrd + Display,
{
    value
        .as_integer()
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| format!("a whole number from {} to {}", range.start(), range.end()))
}

pub(super) fn float(value: &Value, range: RangeInclusive<f64>) -> Read<f64> {
    value.as_float().filter(|number| range.contains(number)).ok_or_else(|| {
        format!("a number with a decimal point from {:?} to {:?}", range.start(), range.end())
    })
}

pub(super) fn boolean(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| "true or false".to_owned())
}

/// A chain's name; it may become part of file names.
pub(super) fn name(value: &Value) -> Read<String> {
    let is_good = |name: &&str| {
        (1..=32).contains(&name.len())
            && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !name.starts_with('-')
    };
    value
        .as_str()
        .filter(is_good)
        .map(str::to_owned)
        .ok_or_else(|| "1 to 32 of a-z, 0-9 and - (not first)".to_owned())
}

/// The text of a genesis coinbase.
pub(super) fn genesis_text(value: &Value) -> Read<Vec<u8>> {
    let is_good = |text: &&str| {
        (1..=100).contains(&text.len())
            && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
    };
    value
        .as_str()
        .filter(is_good)
        .map(|text| text.as_bytes().to_vec())
        .ok_or_else(|| "1 to 100 printable ASCII characters".to_owned())
}

pub(super) fn seeds(value: &Value) -> Read<Vec<String>> {
    let expected = || "a list of \"host:port\"".to_owned();
    let seed = |value: &Value| {
        let text = value.as_str()?;
        let (host, port) = text.rsplit_once(':')?;
        let is_host = !host.is_empty()
            && host.len() <= 253
            && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        (is_host && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| text.to_owned())
    };
    list(value, expected)?.iter().map(|entry| seed(entry).ok_or_else(expected)).collect()
}

fn list(value: &Value, expected: impl Fn() -> String) -> Read<&Vec<Value>> {
    value.as_array().filter(|list| list.len() <= MAX_LIST).ok_or_else(expected)
}

/// Reads a list of tables with exactly two keys.
fn pairs<T>(
    value: &Value,
    keys: [&str; 2],
    read: impl Fn(&Value, &Value) -> Read<T>,
) -> Read<Vec<T>> {
    let expected = || format!("a list of {{ {} = ..., {} = ... }}", keys[0], keys[1]);
    list(value, expected)?
        .iter()
        .enumerate()
        .map(|(index, entry)| {
            let entry: &Table = entry.as_table().ok_or_else(expected)?;
            match keys.map(|key| entry.get(key)) {
                [Some(first), Some(second)] if entry.len() == 2 => {
                    read(first, second).map_err(|error| format!("entry {index}: {error}"))
                }
                _ => Err(format!("entry {index}: {}", expected())),
            }
        })
        .collect()
}

pub(super) fn known_blocks(value: &Value) -> Read<Vec<KnownBlock>> {
    pairs(value, ["height", "hash"], |height, hash| {
        let hash = hash.as_str().and_then(|text| text.parse().ok());
        Ok(KnownBlock {
            height: Height::new(integer(height, 0..=u32::MAX)?),
            hash: hash.ok_or_else(|| "hash of 64 hex digits".to_owned())?,
        })
    })
}

pub(super) fn write_known_blocks(blocks: &[KnownBlock]) -> String {
    lines(
        blocks
            .iter()
            .map(|known| format!("{{ height = {}, hash = \"{}\" }}", known.height, known.hash)),
    )
}

pub(super) fn deposits(value: &Value) -> Read<Vec<DepositPeriod>> {
    pairs(value, ["lock_height", "rate"], |lock_height, rate| {
        Ok(DepositPeriod {
            // Script numbers of a deposit have at most four bytes.
            lock_height: integer(lock_height, 1..=0x7fff_ffff)?,
            // Up to tenfold: chains that test the money limit need rewards above their deposits.
            rate: integer(rate, 0..=1_000_000_000)?,
        })
    })
}

pub(super) fn write_deposits(deposits: &[DepositPeriod]) -> String {
    lines(deposits.iter().map(|period| {
        format!("{{ lock_height = {}, rate = {} }}", period.lock_height, period.rate)
    }))
}

pub(super) fn write_seeds(seeds: &[String]) -> String {
    lines(seeds.iter().map(|seed| quoted(seed)))
}

fn lines(entries: impl Iterator<Item = String>) -> String {
    let entries: String = entries.map(|entry| format!("    {entry},\n")).collect();
    if entries.is_empty() { "[]".to_owned() } else { format!("[\n{entries}]") }
}

/// Text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

pub(super) fn fork(value: &Value) -> Read<Fork> {
    match value.as_str() {
        Some("always") => Ok(Fork::Always),
        Some("never") => Ok(Fork::Never),
        _ => integer(value, 0..=u32::MAX)
            .map(Fork::From)
            .map_err(|range| format!("\"always\", \"never\" or {range}")),
    }
}

pub(super) fn write_fork(fork: Fork) -> String {
    match fork {
        Fork::Always => "\"always\"".to_owned(),
        Fork::Never => "\"never\"".to_owned(),
        Fork::From(height) => height.to_string(),
    }
}

/// A difficulty: a number, or decimal text when it is larger than TOML's numbers.
pub(super) fn difficulty(value: &Value) -> Read<Difficulty> {
    let number = match value {
        Value::Integer(number) => u64::try_from(*number).ok().map(Difficulty::from_u64),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number
        .filter(|number| *number > Difficulty::from_u64(0))
        .ok_or_else(|| "a whole number from 1 to 2^256 - 1 (as text if above 2^63 - 1)".to_owned())
}

pub(super) fn write_difficulty(difficulty: Difficulty) -> String {
    let text = difficulty.to_string();
    if text.parse::<i64>().is_ok() { text } else { quoted(&text) }
}

pub(super) fn pow_difficulty(value: &Value) -> Read<PowDifficulty> {
    let expected = || "{ fixed = N } or { min = N }".to_owned();
    let table = value.as_table().filter(|table| table.len() == 1).ok_or_else(expected)?;
    match (table.get("fixed"), table.get("min")) {
        (Some(fixed), None) => difficulty(fixed).map(PowDifficulty::Fixed),
        (None, Some(min)) => difficulty(min).map(|min| PowDifficulty::Retarget { min }),
        _ => Err(expected()),
    }
}

pub(super) fn write_pow_difficulty(difficulty: PowDifficulty) -> String {
    match difficulty {
        PowDifficulty::Fixed(fixed) => format!("{{ fixed = {} }}", write_difficulty(fixed)),
        PowDifficulty::Retarget { min } => format!("{{ min = {} }}", write_difficulty(min)),
    }
}

pub(super) fn pos_genesis_rule(value: &Value) -> Read<PosGenesisRule> {
    Ok(match integer(value, 0..=u32::MAX)? {
        0 => PosGenesisRule::FirstInChain,
        height => PosGenesisRule::UpTo(Height::new(height)),
    })
}

pub(super) fn write_pos_genesis_rule(rule: PosGenesisRule) -> String {
    match rule {
        PosGenesisRule::FirstInChain => "0".to_owned(),
        PosGenesisRule::UpTo(height) => height.to_string(),
    }
}

pub(super) fn address(value: &Value, format: &AddressFormat) -> Read<Address> {
    let address = value.as_str().and_then(|text| Address::parse(text, format).ok());
    address
        .ok_or_else(|| format!("an address with version byte {} or {}", format.p2pkh, format.p2sh))
}
