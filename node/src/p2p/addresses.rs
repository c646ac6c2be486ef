//! The address book: where peers may be found.
//!
//! Anybody can send any address, so the book is built to be hard to fill (the eclipse attack): an
//! address has exactly one place, chosen by a keyed hash. A place of the *new* table depends on the
//! group of who told it, so one source reaches few buckets; a place of the *tried* table, for addresses
//! that answered, depends on the address's own group. Both tables are bounded, and a place is taken
//! over only from an address that is worth less.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use bitcoin_hashes::siphash24;

use super::message::{NetAddress, Services};
use super::session::Random;

mod file;
mod group;

pub use group::{Group, is_public};

/// Buckets of the table of addresses that we were told.
pub const NEW_BUCKETS: u64 = 256;
/// Buckets of the table of addresses that answered.
pub const TRIED_BUCKETS: u64 = 64;
/// Places in a bucket.
pub const BUCKET_PLACES: u64 = 32;
/// Buckets of the new table that one source group reaches.
const NEW_BUCKETS_OF_A_SOURCE: u64 = 32;
/// Buckets of the tried table that one address group reaches.
const TRIED_BUCKETS_OF_A_GROUP: u64 = 8;
/// Most addresses in the book.
pub const MAX_ENTRIES: usize = ((NEW_BUCKETS + TRIED_BUCKETS) * BUCKET_PLACES) as usize; // 10,240

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// What others say about the age of an address is made this much worse.
const HEARSAY: u64 = 2 * HOUR;
/// An address that nobody saw for so long is worthless.
const HORIZON: u64 = 30 * DAY;
/// Failed attempts after which an address that never answered is worthless.
const MAX_ATTEMPTS_NEVER: u32 = 3;
/// Failed attempts after which an address that once answered is worthless.
const MAX_ATTEMPTS_ONCE: u32 = 10;
/// An answer is remembered so long as a reason to keep its place.
const KEEP_TRIED: u64 = 4 * HOUR;
/// Pause before the second attempt; it doubles with each further one.
const RETRY_SECS: u64 = 60;
/// The longest pause between attempts.
const MAX_RETRY_SECS: u64 = 6 * HOUR;
/// Share of the book, in percent, that one answer to `getaddr` shows.
const SAMPLE_PERCENT: usize = 23;
/// Random places that are looked at before the whole book is.
const SELECT_TRIES: usize = 64;

/// Which table an address stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Table {
    New,
    Tried,
}

/// A place for one address.
type Place = (Table, u64, u64);

/// What is known of an address. Times are Unix seconds, 0 for never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    services: Services,
    seen: u64,
    source: IpAddr,
    last_try: u64,
    last_success: u64,
    attempts: u32,
    /// Not tried again before this time after it answered, so that one that closes at once is not
    /// dialled in a loop. Not kept in the file: a new process tries at once.
    rest_until: u64,
    place: Place,
}

/// The addresses.
#[derive(Debug)]
pub struct AddressBook {
    key: (u64, u64),
    entries: HashMap<SocketAddr, Entry>,
    places: HashMap<Place, SocketAddr>,
    allow_local: bool,
    random: Random,
    changed: bool,
}

impl AddressBook {
    /// Makes an empty book. `allow_local` takes addresses of private networks as well, for chains of
    /// one's own.
    pub fn new(mut random: Random, allow_local: bool) -> Self {
        Self {
            key: (random.next_u64(), random.next_u64()),
            entries: HashMap::new(),
            places: HashMap::new(),
            allow_local,
            random,
            changed: true,
        }
    }

    /// Returns the number of addresses.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Tells whether there is no address.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of addresses that answered.
    pub fn tried_len(&self) -> usize {
        self.entries.values().filter(|entry| entry.place.0 == Table::Tried).count()
    }

    /// Takes addresses that `source` told; returns how many were new.
    pub fn add(&mut self, told: &[NetAddress], source: IpAddr, now: u64) -> usize {
        told.iter().filter(|told| self.add_one(told, source, now)).count()
    }

    fn add_one(&mut self, told: &NetAddress, source: IpAddr, now: u64) -> bool {
        let address = canonical(told.address);
        if !told.is_usable() || !(self.allow_local || is_public(address.ip())) {
            return false;
        }
        let seen = u64::from(told.seen_unix_secs).min(now).saturating_sub(HEARSAY);
        if let Some(entry) = self.entries.get_mut(&address) {
            // Once a day is enough: gossip must not make the file change all the time.
            if entry.seen + DAY < seen {
                entry.seen = seen;
                self.changed = true;
            }
            entry.services = entry.services.with(told.services);
            return false;
        }
        let place = self.new_place(address, source);
        let entry = Entry {
            services: told.services,
            seen,
            source,
            last_try: 0,
            last_success: 0,
            attempts: 0,
            rest_until: 0,
            place,
        };
        if is_worthless(&entry, now) {
            return false;
        }
        if let Some(holder) = self.places.get(&place).copied() {
            let keeps = self.entries.get(&holder).is_some_and(|held| !is_worthless(held, now));
            if keeps {
                return false;
            }
            self.remove(holder);
        }
        self.places.insert(place, address);
        self.entries.insert(address, entry);
        self.changed = true;
        true
    }

    /// Takes note of an attempt to connect, before it is made. It counts as failed until
    /// [`connected`](Self::connected).
    pub fn attempt(&mut self, address: SocketAddr, now: u64) {
        if let Some(entry) = self.entries.get_mut(&canonical(address)) {
            entry.last_try = now;
            entry.attempts = entry.attempts.saturating_add(1);
            self.changed = true;
        }
    }

    /// Takes note of a completed handshake with an address that we connected to.
    pub fn connected(&mut self, address: SocketAddr, services: Services, now: u64) {
        let address = canonical(address);
        let told = NetAddress {
            seen_unix_secs: u32::try_from(now).unwrap_or(u32::MAX),
            services,
            address,
        };
        self.add_one(&told, address.ip(), now);
        let place = self.tried_place(address);
        let Some(entry) = self.entries.get_mut(&address) else { return };
        (entry.seen, entry.last_try, entry.last_success) = (now, now, now);
        (entry.attempts, entry.services) = (0, services);
        entry.rest_until = now + RETRY_SECS;
        self.changed = true;
        if entry.place == place {
            return;
        }
        let old_place = entry.place;
        match self.places.get(&place).copied() {
            None => {}
            Some(holder) => {
                let stays = self
                    .entries
                    .get(&holder)
                    .is_some_and(|held| held.last_success + KEEP_TRIED > now);
                if stays {
                    return; // the address remains among the new ones
                }
                self.demote(holder, now);
            }
        }
        self.places.remove(&old_place);
        self.places.insert(place, address);
        if let Some(entry) = self.entries.get_mut(&address) {
            entry.place = place;
        }
    }

    /// Forgets an address, such as our own.
    pub fn remove(&mut self, address: SocketAddr) {
        if let Some(entry) = self.entries.remove(&canonical(address)) {
            self.places.remove(&entry.place);
            self.changed = true;
        }
    }

    /// Moves an address from the tried to the new table, or out if its place is taken.
    fn demote(&mut self, address: SocketAddr, now: u64) {
        let Some(entry) = self.entries.get(&address).copied() else { return };
        self.places.remove(&entry.place);
        let place = self.new_place(address, entry.source);
        let holder = self.places.get(&place).copied();
        let taken = holder.and_then(|holder| self.entries.get(&holder));
        if is_worthless(&entry, now) || taken.is_some_and(|held| !is_worthless(held, now)) {
            self.entries.remove(&address);
            return;
        }
        if let Some(holder) = holder {
            self.remove(holder);
        }
        self.places.insert(place, address);
        self.entries.insert(address, Entry { place, ..entry });
    }

    /// Picks an address to connect to, half of the time one that answered before, for which `wanted`
    /// holds. `None` when there is none whose pause is over.
    pub fn select(
        &mut self,
        now: u64,
        mut wanted: impl FnMut(SocketAddr, Group) -> bool,
    ) -> Option<SocketAddr> {
        let mut fits = |entries: &HashMap<SocketAddr, Entry>, address: SocketAddr| {
            entries.get(&address).is_some_and(|entry| is_due(entry, now))
                && wanted(address, Group::of(address))
        };
        for _ in 0..SELECT_TRIES {
            let table = if self.random.below(2) == 0 { Table::New } else { Table::Tried };
            let buckets = if table == Table::New { NEW_BUCKETS } else { TRIED_BUCKETS };
            let bucket = self.random.next_u64() % buckets;
            let place = (table, bucket, self.random.next_u64() % BUCKET_PLACES);
            if let Some(address) = self.places.get(&place).copied()
                && fits(&self.entries, address)
            {
                return Some(address);
            }
        }
        // A small book is mostly empty places: look at all of it, from a random one on.
        let mut places: Vec<_> =
            self.places.iter().map(|(place, address)| (*place, *address)).collect();
        places.sort_unstable();
        let start = self.random.below(places.len());
        let (before, from) = places.split_at(start);
        from.iter().chain(before).map(|(_, address)| *address).find(|a| fits(&self.entries, *a))
    }

    /// Picks addresses to tell others: at most `max`, and never most of the book.
    pub fn sample(&mut self, max: usize, now: u64) -> Vec<NetAddress> {
        let worth: Vec<_> = {
            let mut all: Vec<_> =
                self.entries.iter().filter(|(_, entry)| !is_worthless(entry, now)).collect();
            all.sort_unstable_by_key(|(address, _)| **address);
            all.into_iter().map(|(address, entry)| (*address, *entry)).collect()
        };
        // At least a few from a small book: a new network has to start somewhere.
        let share = (worth.len() * SAMPLE_PERCENT / 100).max(10).min(worth.len()).min(max);
        let mut worth = worth;
        for at in 0..share {
            let other = at + self.random.below(worth.len() - at); // at < share <= len
            worth.swap(at, other);
        }
        worth.truncate(share);
        worth
            .into_iter()
            .map(|(address, entry)| NetAddress {
                seen_unix_secs: u32::try_from(entry.seen).unwrap_or(u32::MAX),
                services: entry.services,
                address,
            })
            .collect()
    }

    fn new_place(&self, address: SocketAddr, source: IpAddr) -> Place {
        // The source's port says nothing; 0 keeps local sources apart by address only.
        let source = Group::of(SocketAddr::new(source, 0));
        let group = Group::of(address);
        let share = self.hash(&[b"share", source.as_bytes(), group.as_bytes()]);
        let share = (share % NEW_BUCKETS_OF_A_SOURCE).to_le_bytes();
        let bucket = self.hash(&[b"new", source.as_bytes(), &share]) % NEW_BUCKETS;
        (Table::New, bucket, self.slot(b"slot of new", bucket, address))
    }

    fn tried_place(&self, address: SocketAddr) -> Place {
        let share = self.hash(&[b"tried share", &socket_bytes(address)]);
        let share = (share % TRIED_BUCKETS_OF_A_GROUP).to_le_bytes();
        let bucket = self.hash(&[b"tried", Group::of(address).as_bytes(), &share]) % TRIED_BUCKETS;
        (Table::Tried, bucket, self.slot(b"slot of tried", bucket, address))
    }

    fn slot(&self, what: &[u8], bucket: u64, address: SocketAddr) -> u64 {
        self.hash(&[what, &bucket.to_le_bytes(), &socket_bytes(address)]) % BUCKET_PLACES
    }

    fn hash(&self, parts: &[&[u8]]) -> u64 {
        let bytes = parts.concat(); // each kind of use has its own name and fixed widths behind it
        siphash24::Hash::hash_to_u64_with_keys(self.key.0, self.key.1, &bytes)
    }
}

/// Tells whether an address need not be kept.
fn is_worthless(entry: &Entry, now: u64) -> bool {
    if entry.last_try <= now && entry.last_try + RETRY_SECS > now {
        return false; // being tried
    }
    entry.seen + HORIZON < now
        || entry.last_success == 0 && entry.attempts >= MAX_ATTEMPTS_NEVER
        || entry.last_success + 7 * DAY < now && entry.attempts >= MAX_ATTEMPTS_ONCE
}

/// Tells whether the pause after the last attempt is over.
fn is_due(entry: &Entry, now: u64) -> bool {
    let doublings = entry.attempts.saturating_sub(1).min(16);
    let pause = RETRY_SECS.saturating_mul(1 << doublings).min(MAX_RETRY_SECS);
    let is_rested = entry.rest_until <= now || entry.rest_until > now + RETRY_SECS;
    // A time too far to come is one of a clock that was wrong.
    is_rested && (entry.attempts == 0 || entry.last_try > now || entry.last_try + pause <= now)
}

pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn socket_bytes(address: SocketAddr) -> [u8; 18] {
    let ip = match address.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let mut bytes = [0; 18];
    let parts = ip.octets().into_iter().chain(address.port().to_be_bytes());
    for (place, byte) in bytes.iter_mut().zip(parts) {
        *place = byte;
    }
    bytes
}

#[cfg(test)]
mod tests;
