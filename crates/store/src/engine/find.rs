//! Look-ups: from a key to the coin's value.

use std::io;

use siphasher::sip::SipHasher13;

use super::EngineError;
use super::codec::{EntryHead, coin_digest, offset_of, segment_of};
use super::log::{Segment, SegmentSet, View};
use super::overlay::{Change, Overlay};
use super::table::{Candidates, TableView};
use super::types::{Found, Key, Lookups, Pending};
use crate::backing::{Backing, Disk};
use crate::layout::{record, segment};

/// Look-ups in flight at a time: about as many cache lines as a core fetches at once, times the
/// lines of one look-up.
pub(super) const GROUP: usize = 32;

/// Coins that are asked for ahead of the one that is read.
pub(super) const AHEAD: usize = 16;

/// Look-ups are sorted in lots of at most 2 to this power: what 64 bits have left beside a position.
pub(super) const LOT_BITS: u32 = 22;
pub(super) const LOT: usize = 1 << LOT_BITS;

/// The store's random numbers: attackers choose transaction ids, but do not know these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seeds {
    pub(super) hash: [u64; 2],
    pub(super) salt: u64,
}

impl Seeds {
    #[inline]
    pub(super) fn hash(&self, key: &Key) -> u64 {
        SipHasher13::new_with_keys(self.hash[0], self.hash[1]).hash(key)
    }
}

/// A coin read from the log and found whole.
pub(super) struct Coin<V> {
    pub(super) key: Key,
    pub(super) digest: u128,
    view: V,
    start: usize,
}

impl<V: std::ops::Deref<Target = [u8]>> Coin<V> {
    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        // `read_coin` has checked that the view is at least that long.
        &self.view[self.start..]
    }
}

/// Reads the coin at a position and checks it.
///
/// # Errors
/// [`EngineError::Corrupt`] if there is no whole coin; [`EngineError::Io`].
#[inline]
pub(super) fn read_coin<D: Disk>(
    segments: &SegmentSet<D>,
    position: u64,
) -> Result<Coin<View<'_, D>>, EngineError> {
    let (number, offset) = (segment_of(position), offset_of(position));
    let Some(segment) = segments.get(number) else { return Err(no_segment::<D>(position)) };
    match read_entry(segment, offset) {
        Ok(Some(coin)) => Ok(coin),
        Ok(None) => Err(segment.corrupt(u64::from(offset), "coin")),
        Err(error) => Err(segment.read_error(error)),
    }
}

#[cold]
fn no_segment<D: Disk>(position: u64) -> EngineError {
    EngineError::Corrupt {
        file: Segment::<D>::log_name(segment_of(position)),
        offset: u64::from(offset_of(position)),
        what: "segment is missing",
    }
}

#[inline]
fn read_entry<D: Disk>(segment: &Segment<D>, offset: u32) -> io::Result<Option<Coin<View<'_, D>>>> {
    let file = &segment.file;
    let at = u64::from(offset);
    let left = file.len().saturating_sub(at);
    // Most coins fit; one view then serves for all.
    let near = left.min((record::ENTRY_HEAD_MAX + 109) as u64) as usize;
    let mut view = file.view(at, near)?;
    let Some(head) = EntryHead::from_disk(&view) else { return Ok(None) };
    let txid_at = at.checked_sub(u64::from(head.back));
    let Some(txid_at) = txid_at.filter(|&at| at >= segment::HEADER_BYTES as u64) else {
        return Ok(None);
    };
    let start = head.head_bytes as usize;
    let Some(end) = start.checked_add(head.value_bytes as usize) else { return Ok(None) };
    if end as u64 > left {
        return Ok(None);
    }
    let txid = file.view(txid_at, 32)?;
    let Some(key) = head.key(&txid) else { return Ok(None) };
    drop(txid);
    view = file.view(at, end)?;
    let digest = coin_digest(&key, &view[start..]);
    Ok(head.agrees_with(digest).then_some(Coin { key, digest, view, start }))
}

/// Asks for a coin's first lines and for the likely place of its txid.
#[inline]
pub(super) fn prefetch_coin<D: Disk>(segments: &SegmentSet<D>, position: u64) {
    if let Some(segment) = segments.get(segment_of(position)) {
        let offset = u64::from(offset_of(position));
        segment.file.prefetch(offset);
        segment.file.prefetch(offset + 64);
        segment.file.prefetch(offset.saturating_sub(36));
    }
}

/// Fills `order` with the numbers of the look-ups that have a position, below the positions, in their order.
pub(super) fn sort_by_position(pending: &[Pending], order: &mut Vec<u64>) {
    order.clear();
    let found = (0_u64..).zip(pending).filter(|(_, step)| step.position != 0);
    order.extend(found.map(|(number, step)| step.position << LOT_BITS | number));
    if order.len() > AHEAD {
        order.sort_unstable();
    }
}

/// A place to look coins up: the index, the log, and what a batch has changed.
pub(super) struct Finder<'a, D: Disk> {
    pub(super) seeds: &'a Seeds,
    pub(super) index: &'a TableView<D>,
    pub(super) segments: &'a SegmentSet<D>,
    pub(super) overlay: Option<&'a Overlay>,
    pub(super) batch: u64,
}

impl<D: Disk> Finder<'_, D> {
    /// Looks all keys up, many at a time: first all positions, then the coins in the order in which they lie in
    /// the log, so that neighbours share the processor's look-ups of pages.
    pub(super) fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        let mut pending = std::mem::take(&mut out.pending);
        let mut order = std::mem::take(&mut out.order);
        out.values.clear();
        out.found.clear();
        out.found.resize(keys.len(), None);
        // As many as fit the packed order; a block has far fewer.
        for (keys, first) in keys.chunks(LOT).zip((0..).step_by(LOT)) {
            pending.clear();
            for group in keys.chunks(GROUP) {
                self.locate(group, &mut pending)?;
            }
            sort_by_position(&pending, &mut order);
            for (i, &place) in order.iter().enumerate() {
                if let Some(&next) = order.get(i + AHEAD) {
                    prefetch_coin(self.segments, next >> LOT_BITS);
                }
                // Below `LOT`.
                let number = (place & (LOT as u64 - 1)) as usize;
                out.found[first + number] = self.resolve(&keys[number], &pending[number], out)?;
            }
        }
        out.pending = pending;
        out.order = order;
        Ok(())
    }

    /// Finds the positions of a group of at most [`GROUP`] keys, without reading coins.
    fn locate(&self, keys: &[Key], pending: &mut Vec<Pending>) -> Result<(), EngineError> {
        let mut hashes = [0; GROUP];
        for (key, hash) in keys.iter().zip(&mut hashes) {
            *hash = self.seeds.hash(key);
        }
        let hashes = &hashes[..keys.len()];
        if let Some(overlay) = self.overlay {
            overlay.touch(hashes);
        }
        let from = pending.len();
        for &hash in hashes {
            let step = self.in_overlay(hash);
            if step.position == 0 {
                self.index.prefetch(hash);
            }
            pending.push(step);
        }
        for step in pending[from..].iter_mut().filter(|step| step.position == 0) {
            self.in_index(step)?;
        }
        Ok(())
    }

    /// The position that the batch has for this hash; 0 if it has none.
    ///
    /// A coin of this hash that the batch has made is almost surely the one; should its key be
    /// another, the slow way looks everywhere.
    #[inline]
    fn in_overlay(&self, hash: u64) -> Pending {
        let mut step = Pending { hash, ..Pending::default() };
        let Some(overlay) = self.overlay else { return step };
        for change in overlay.of(hash) {
            match change {
                Change::Present(position) => {
                    step.several |= step.position != 0;
                    step.position = position;
                }
                Change::Absent(_) => step.several = true,
            }
        }
        step
    }

    /// Adds the position that the index has, without reading the coin.
    #[inline]
    fn in_index(&self, step: &mut Pending) -> Result<(), EngineError> {
        for position in self.index.candidates(step.hash)?.iter() {
            step.several |= step.position != 0;
            step.position = position;
            step.in_index = true;
        }
        Ok(())
    }

    fn resolve(
        &self,
        key: &Key,
        step: &Pending,
        out: &mut Lookups,
    ) -> Result<Option<Found>, EngineError> {
        if step.position == 0 {
            return Ok(None);
        }
        if !step.several {
            let coin = read_coin(self.segments, step.position)?;
            if coin.key == *key {
                return Ok(Some(self.found(step.hash, step.position, step.in_index, &coin, out)));
            }
            if step.in_index {
                return Ok(None);
            }
        }
        self.resolve_slowly(key, step.hash, out)
    }

    /// Looks at every candidate.
    #[cold]
    fn resolve_slowly(
        &self,
        key: &Key,
        hash: u64,
        out: &mut Lookups,
    ) -> Result<Option<Found>, EngineError> {
        let changes: Vec<Change> =
            self.overlay.iter().flat_map(|overlay| overlay.of(hash)).collect();
        for change in &changes {
            if let Change::Present(position) = *change {
                let coin = read_coin(self.segments, position)?;
                if coin.key == *key {
                    return Ok(Some(self.found(hash, position, false, &coin, out)));
                }
            }
        }
        for position in self.index.candidates(hash)?.iter() {
            if changes.contains(&Change::Absent(position)) {
                continue;
            }
            let coin = read_coin(self.segments, position)?;
            if coin.key == *key {
                return Ok(Some(self.found(hash, position, true, &coin, out)));
            }
        }
        Ok(None)
    }

    #[inline]
    fn found<V: std::ops::Deref<Target = [u8]>>(
        &self,
        hash: u64,
        position: u64,
        in_index: bool,
        coin: &Coin<V>,
        out: &mut Lookups,
    ) -> Found {
        let value_start = out.values.len();
        out.values.extend_from_slice(coin.value());
        Found {
            hash,
            position,
            digest: coin.digest,
            batch: self.batch,
            in_index,
            value_start,
            value_bytes: out.values.len() - value_start,
        }
    }

    /// Whether the batch itself has made a coin of this key, given that `hash` is the key's.
    pub(super) fn made(&self, key: &Key, hash: u64) -> Result<bool, EngineError> {
        for change in self.overlay.iter().flat_map(|overlay| overlay.of(hash)) {
            if let Change::Present(position) = change
                && read_coin(self.segments, position)?.key == *key
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The key of the coin at `position`, which the batch adds, if the index holds another of that key
    /// that the batch leaves there.
    #[inline]
    pub(super) fn collides(&self, hash: u64, position: u64) -> Result<Option<Key>, EngineError> {
        let candidates = self.index.candidates(hash)?;
        if candidates.is_empty() { Ok(None) } else { self.compare(hash, position, &candidates) }
    }

    #[cold]
    fn compare(
        &self,
        hash: u64,
        position: u64,
        candidates: &Candidates,
    ) -> Result<Option<Key>, EngineError> {
        let mut key = None;
        for candidate in candidates.iter() {
            let taken = self
                .overlay
                .is_some_and(|overlay| overlay.of(hash).any(|c| c == Change::Absent(candidate)));
            if taken {
                continue;
            }
            let key = match key {
                Some(key) => key,
                None => *key.insert(read_coin(self.segments, position)?.key),
            };
            if read_coin(self.segments, candidate)?.key == key {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }
}
