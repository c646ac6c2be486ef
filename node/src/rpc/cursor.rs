//! Cursors as text: where a list or a stream of events goes on.

use mvs_primitives::hash::BlockHash;
use mvs_primitives::height::Height;
use mvs_rpc_api::types::subscription::BlockRef;
use mvs_store::{EntryCursor, TxPlace};

/// A block that was told: events go on behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChainCursor {
    pub(super) height: Height,
    pub(super) hash: BlockHash,
}

impl ChainCursor {
    pub(super) fn block(&self) -> BlockRef {
        BlockRef { height: self.height.value(), hash: self.hash.to_string() }
    }

    /// Reads `HEIGHT:HASH`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (height, hash) = text.split_once(':')?;
        Some(Self { height: Height::new(height.parse().ok()?), hash: hash.parse().ok()? })
    }
}

impl std::fmt::Display for ChainCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.height.value(), self.hash)
    }
}

/// A change of the pool that was told. The epoch differs after a restart, and after changes were lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PoolCursor {
    pub(super) epoch: u64,
    /// Number of the next change.
    pub(super) next: u64,
}

impl PoolCursor {
    /// Reads `EPOCH:NUMBER`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (epoch, next) = text.split_once(':')?;
        Some(Self { epoch: u64::from_str_radix(epoch, 16).ok()?, next: next.parse().ok()? })
    }
}

impl std::fmt::Display for PoolCursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}:{}", self.epoch, self.next)
    }
}

/// Writes a place in a history: `HEIGHT.NUMBER.i|o.INDEX`.
pub(super) fn entry_text(cursor: &EntryCursor) -> String {
    let kind = if cursor.is_output { 'o' } else { 'i' };
    let place = cursor.place;
    format!("{}.{}.{kind}.{}", place.height.value(), place.number, cursor.index)
}

/// Reads what [`entry_text`] wrote.
pub(super) fn parse_entry(text: &str) -> Option<EntryCursor> {
    let mut parts = text.split('.');
    let height = Height::new(parts.next()?.parse().ok()?);
    let number = parts.next()?.parse().ok()?;
    let is_output = match parts.next()? {
        "o" => true,
        "i" => false,
        _ => return None,
    };
    let index = parts.next()?.parse().ok()?;
    let cursor = EntryCursor { place: TxPlace { height, number }, is_output, index };
    parts.next().is_none().then_some(cursor)
}

#[cfg(test)]
mod tests {
    use super::{ChainCursor, PoolCursor, entry_text, parse_entry};

    #[test]
    fn cursors_are_read_as_they_are_written() {
        let text = format!("7:{}", "0a".repeat(32));
        assert_eq!(ChainCursor::parse(&text).unwrap().to_string(), text);
        let text = "00000000000000ff:12";
        assert_eq!(PoolCursor::parse(text).unwrap().to_string(), text);
        let text = "1.2.o.3";
        assert_eq!(entry_text(&parse_entry(text).unwrap()), text);
        for bad in ["", "7", "7:", ":", "x:00", "-1:00", "1.2.o", "1.2.x.3", "1.2.o.3.4"] {
            assert!(ChainCursor::parse(bad).is_none() && PoolCursor::parse(bad).is_none(), "{bad}");
            assert!(parse_entry(bad).is_none(), "{bad}");
        }
    }
}
