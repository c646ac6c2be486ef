//! Look-ups: from a key to the coin's value.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use siphasher::sip::SipHasher13;

use super::EngineError;
use super::codec::{EntryHead, coin_digest, offset_of, segment_of};
use super::log::{Segment, SegmentSet, View};
use super::overlay::{Change, Overlay};
use super::table::TableView;
use super::types::{Found, Key, Lookups, Pending};
use crate::backing::{Backing, Disk};
use crate::layout::{record, segment};

/// Look-ups in flight at a time: about as many cache lines as a core fetches at once, times the
/// lines of one look-up.
const GROUP: usize = 32;

/// Look-ups are sorted in lots of at most 2 to this power: what 64 bits have left beside a position.
const LOT_BITS: u32 = 22;
/// Small in tests, so that there are several.
const LOT: usize = if cfg!(test) { 128 } else { 1 << LOT_BITS };

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

    /// Puts the value into `out`: the answer to a look-up of this hash that led to this position, by the
    /// index or not.
    #[inline]
    pub(super) fn found(
        &self,
        (hash, position, in_index): (u64, u64, bool),
        batch: u64,
        out: &mut Lookups,
    ) -> Found {
        let value_start = out.values.len();
        out.values.extend_from_slice(self.value());
        Found {
            hash,
            position,
            digest: self.digest,
            batch,
            in_index,
            value_start,
            value_bytes: out.values.len() - value_start,
        }
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

/// Looks keys up: first all positions (`locate`), then the coins (`read`) in the order in which they lie in
/// the log, so that neighbours share the processor's look-ups of pages.
pub(super) fn look_up<D: Disk>(
    (segments, pace): (&SegmentSet<D>, &Paces),
    keys: &[Key],
    out: &mut Lookups,
    mut locate: impl FnMut(&[Key], &mut Vec<Pending>) -> Result<(), EngineError>,
    mut read: impl FnMut(&Key, &Pending, &mut Lookups) -> Result<Option<Found>, EngineError>,
) -> Result<(), EngineError> {
    let mut pending = std::mem::take(&mut out.pending);
    let mut order = std::mem::take(&mut out.order);
    out.values.clear();
    out.found.clear();
    out.found.resize(keys.len(), None);
    // As many as fit the packed order; a block has far fewer.
    for (keys, first) in keys.chunks(LOT).zip((0..).step_by(LOT)) {
        let start = Instant::now();
        locate(keys, &mut pending)?;
        sort_by_position(&pending, &mut order);
        let located = start.elapsed();
        pace.index.note(keys.len(), located);
        if pace.log.is_slow() {
            will_need_coins(segments, &order);
        }
        for group in Groups::of(order.len()) {
            prefetch_coins(segments, &order[group.next]);
            for place in &order[group.now] {
                // Below `LOT`.
                let number = (place & (LOT as u64 - 1)) as usize;
                let found = read(&keys[number], &pending[number], out)?;
                out.found[first + number] = found;
            }
        }
        pace.log.note(keys.len(), start.elapsed().saturating_sub(located));
    }
    out.pending = pending;
    out.order = order;
    Ok(())
}

/// How fast look-ups have been of late.
#[derive(Default)]
pub(super) struct Paces {
    pub(super) index: Pace,
    pub(super) log: Pace,
}

/// Tells whether pages come from the disk rather than from memory, by the only sign that costs nothing: time.
/// Then all pages of many look-ups are asked for before the first is read, so that the disk works
/// on all of them at once. Asking for pages that are in memory would cost more than the look-ups.
#[derive(Default)]
pub(super) struct Pace {
    /// Rounds for which pages are asked for.
    rounds: AtomicU32,
}

impl Pace {
    /// Look-ups in memory take a tenth of this, reading a page takes ten times as long.
    const SLOW: Duration = Duration::from_micros(4);
    /// Fewer look-ups tell little, and their pages are not worth asking for.
    const KEYS_MIN: usize = 64;
    /// Rounds after which it is tried again without.
    const ROUNDS: u32 = 32;

    pub(super) fn is_slow(&self) -> bool {
        self.rounds.load(Ordering::Relaxed) > 0
    }

    /// Notes how long a round of look-ups took.
    pub(super) fn note(&self, keys: usize, time: Duration) {
        if keys < Self::KEYS_MIN {
            return;
        }
        let keys = u32::try_from(keys).unwrap_or(u32::MAX);
        let rounds = match self.rounds.load(Ordering::Relaxed) {
            _ if time > Self::SLOW.saturating_mul(keys) => Self::ROUNDS,
            rounds => rounds.saturating_sub(1),
        };
        self.rounds.store(rounds, Ordering::Relaxed);
    }
}

/// Asks the system for the pages of coins in an order: each from where its txid likely is to where most
/// coins have ended.
#[cold]
fn will_need_coins<D: Disk>(segments: &SegmentSet<D>, order: &[u64]) {
    const PAGE: u64 = 4096;
    let mut asked = None;
    for place in order {
        let position = place >> LOT_BITS;
        let (number, offset) = (segment_of(position), u64::from(offset_of(position)));
        let Some(segment) = segments.get(number) else { continue };
        for page in [offset.saturating_sub(36) / PAGE, (offset + 128) / PAGE] {
            // In ascending order, so what was asked for last is all that could be asked for twice.
            if asked < Some((number, page)) {
                asked = Some((number, page));
                segment.file.will_need(page * PAGE, PAGE);
            }
        }
    }
}

/// The parts of a list that is worked on in groups: while one is worked on, memory brings what the next
/// needs.
///
/// What is asked for stands in a loop of its own that does nothing else: a request that misses the processor's
/// table of pages holds up what follows it, and only requests that follow each other closely wait together.
pub(super) struct Groups {
    at: usize,
    len: usize,
}

pub(super) struct Group {
    /// To be worked on; empty in the first round.
    pub(super) now: Range<usize>,
    /// To be asked for; empty in the last round.
    pub(super) next: Range<usize>,
}

impl Groups {
    pub(super) fn of(len: usize) -> Self {
        Self { at: 0, len }
    }
}

impl Iterator for Groups {
    type Item = Group;

    #[inline]
    fn next(&mut self) -> Option<Group> {
        let (from, now) = (self.at.saturating_sub(GROUP), self.at.min(self.len));
        if from >= self.len {
            return None;
        }
        self.at += GROUP;
        Some(Group { now: from..now, next: now..self.at.min(self.len) })
    }
}

/// Fills `pending` with the keys' hashes.
pub(super) fn hash_all(seeds: &Seeds, keys: &[Key], pending: &mut Vec<Pending>) {
    pending.clear();
    pending.extend(keys.iter().map(|key| Pending { hash: seeds.hash(key), ..Pending::default() }));
}

/// Takes over the position that the batch has for this hash, if it has one.
///
/// A coin of this hash that the batch has made is almost surely the one; should its key be
/// another, the slow way looks everywhere.
#[inline]
fn in_overlay(overlay: &Overlay, step: &mut Pending) {
    for change in overlay.of(step.hash) {
        match change {
            Change::Present(position) => {
                step.several |= step.position != 0;
                step.position = position;
            }
            Change::Absent(_) => step.several = true,
        }
    }
}

/// Asks for the first lines of coins in an order, and for the likely places of their txids.
#[inline]
fn prefetch_coins<D: Disk>(segments: &SegmentSet<D>, order: &[u64]) {
    for place in order {
        let position = place >> LOT_BITS;
        if let Some(segment) = segments.get(segment_of(position)) {
            let offset = u64::from(offset_of(position));
            segment.file.prefetch(offset);
            segment.file.prefetch(offset + 64);
            // The txid is 36 bytes before the first coin of a group; about one more line before the next.
            segment.file.prefetch(offset.saturating_sub(36));
            segment.file.prefetch(offset.saturating_sub(100));
        }
    }
}

/// Fills `order` with the numbers of the look-ups that may find something, below the positions, in their order.
fn sort_by_position(pending: &[Pending], order: &mut Vec<u64>) {
    order.clear();
    let found = (0_u64..).zip(pending).filter(|(_, step)| step.position != 0 || step.several);
    order.extend(found.map(|(number, step)| step.position << LOT_BITS | number));
    order.sort_unstable();
}

/// A place to look coins up: the index, the log, and what a batch has changed.
pub(super) struct Finder<'a, D: Disk> {
    pub(super) seeds: &'a Seeds,
    pub(super) index: &'a TableView<D>,
    pub(super) segments: &'a SegmentSet<D>,
    pub(super) overlay: Option<&'a Overlay>,
    pub(super) batch: u64,
    pub(super) pace: &'a Paces,
}

impl<D: Disk> Finder<'_, D> {
    /// Looks all keys up, many at a time.
    pub(super) fn find(&self, keys: &[Key], out: &mut Lookups) -> Result<(), EngineError> {
        look_up(
            (self.segments, self.pace),
            keys,
            out,
            |keys, pending| self.locate(keys, pending),
            |key, step, out| self.resolve(key, step, out),
        )
    }

    /// Finds the positions of all keys, without reading coins.
    fn locate(&self, keys: &[Key], pending: &mut Vec<Pending>) -> Result<(), EngineError> {
        hash_all(self.seeds, keys, pending);
        if self.pace.index.is_slow() {
            pending.iter().for_each(|step| self.index.will_need(step.hash));
        }
        for group in Groups::of(keys.len()) {
            self.ask(&mut pending[group.next]);
            for step in pending[group.now].iter_mut().filter(|step| step.position == 0) {
                self.in_index(step)?;
            }
        }
        Ok(())
    }

    /// Looks what the batch says of a group, and asks for the index's lines of the others.
    #[inline]
    fn ask(&self, steps: &mut [Pending]) {
        if let Some(overlay) = self.overlay {
            overlay.touch(steps.iter().map(|step| step.hash));
            for step in &mut *steps {
                in_overlay(overlay, step);
            }
        }
        for step in steps.iter().filter(|step| step.position == 0) {
            self.index.prefetch(step.hash);
        }
    }

    /// Adds the position that the index has, without reading the coin.
    #[inline]
    fn in_index(&self, step: &mut Pending) -> Result<(), EngineError> {
        self.index.for_each_candidate(step.hash, |position| {
            step.several |= step.position != 0;
            step.position = position;
            step.in_index = true;
        })
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
                return Ok(Some(coin.found(
                    (step.hash, step.position, step.in_index),
                    self.batch,
                    out,
                )));
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
                    return Ok(Some(coin.found((hash, position, false), self.batch, out)));
                }
            }
        }
        for position in self.index.candidates(hash)?.iter() {
            if changes.contains(&Change::Absent(position)) {
                continue;
            }
            let coin = read_coin(self.segments, position)?;
            if coin.key == *key {
                return Ok(Some(coin.found((hash, position, true), self.batch, out)));
            }
        }
        Ok(None)
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
        let mut is_alone = true;
        self.index.for_each_candidate(hash, |_| is_alone = false)?;
        if is_alone { Ok(None) } else { self.compare(hash, position) }
    }

    #[cold]
    fn compare(&self, hash: u64, position: u64) -> Result<Option<Key>, EngineError> {
        let mut key = None;
        for candidate in self.index.candidates(hash)?.iter() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_asked_for_while_look_ups_are_slow_and_a_while_after() {
        let pace = Pace::default();
        let (fast, slow) = (Duration::from_micros(400), Duration::from_micros(4001));
        pace.note(1000, fast);
        pace.note(Pace::KEYS_MIN - 1, slow);
        assert!(!pace.is_slow());
        pace.note(1000, slow);
        for _ in 0..Pace::ROUNDS {
            assert!(pace.is_slow());
            pace.note(1000, fast);
            // Too few to tell anything.
            pace.note(1, slow);
        }
        assert!(!pace.is_slow());
    }

    #[test]
    fn groups_cover_everything_once_and_ask_one_ahead() {
        for len in [0, 1, GROUP - 1, GROUP, GROUP + 1, 5 * GROUP, 5 * GROUP + 3] {
            let groups: Vec<Group> = Groups::of(len).collect();
            let now: Vec<usize> = groups.iter().flat_map(|group| group.now.clone()).collect();
            let next: Vec<usize> = groups.iter().flat_map(|group| group.next.clone()).collect();
            assert_eq!(now, (0..len).collect::<Vec<_>>());
            assert_eq!(next, now);
            for pair in groups.windows(2) {
                assert_eq!(pair[0].next, pair[1].now);
            }
        }
    }
}
