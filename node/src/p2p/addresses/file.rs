//! The book as a file: text, so that an operator can read it, and a damaged line costs one address.
//!
//! ```text
//! mvs-addresses 1 MAGIC KEY
//! new|tried ADDRESS SERVICES SEEN SOURCE LAST_TRY LAST_SUCCESS ATTEMPTS
//! end COUNT
//! ```

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::str::FromStr;

use super::{AddressBook, Entry, MAX_ENTRIES, Table, canonical, is_public};
use crate::p2p::codec::Magic;
use crate::p2p::files;
use crate::p2p::message::Services;
use crate::p2p::session::Random;

const TITLE: &str = "mvs-addresses 1";

/// Longest line: two IPv6 addresses and five numbers.
const MAX_LINE_BYTES: u64 = 256;

/// What was wrong with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Damage {
    /// Lines that made no sense and were left out.
    pub lines: usize,
    /// The file has no end: it was cut.
    pub is_cut: bool,
    /// The first line is not that of an address book of this network; nothing was read.
    pub is_foreign: bool,
}

impl Damage {
    /// Tells whether anything was wrong.
    pub fn is_any(&self) -> bool {
        *self != Self::default()
    }
}

impl AddressBook {
    /// Reads a book. What makes no sense is left out and told.
    ///
    /// # Errors
    /// What the system says; a missing file is an empty book.
    pub fn load(
        path: &Path,
        magic: Magic,
        random: Random,
        allow_local: bool,
    ) -> io::Result<(Self, Damage)> {
        let mut book = Self::new(random, allow_local);
        let max_bytes = (MAX_ENTRIES as u64 + 2) * MAX_LINE_BYTES; // widening
        let Some(text) = files::read(path, max_bytes)? else {
            return Ok((book, Damage::default()));
        };
        let mut lines = text.lines();
        let Some(key) = lines.next().and_then(|line| parse_title(line, magic)) else {
            return Ok((book, Damage { is_foreign: true, ..Damage::default() }));
        };
        book.key = key;
        book.changed = false;
        let mut damage = Damage { is_cut: true, ..Damage::default() };
        for line in lines {
            if let Some(count) = line.strip_prefix("end ") {
                damage.is_cut = count.parse() != Ok(book.entries.len() + damage.lines);
                break;
            }
            if book.take_line(line).is_none() {
                damage.lines += 1;
            }
        }
        book.changed |= damage.is_any();
        Ok((book, damage))
    }

    /// Writes the book if anything changed since it was read or written.
    ///
    /// # Errors
    /// What the system says; it is tried again next time.
    pub fn save(&mut self, path: &Path, magic: Magic) -> io::Result<()> {
        if !self.changed {
            return Ok(());
        }
        files::replace(path, &self.to_text(magic).map_err(io::Error::other)?)?;
        self.changed = false;
        Ok(())
    }

    fn to_text(&self, magic: Magic) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let (k0, k1) = self.key;
        writeln!(text, "{TITLE} {} {k0:016x}{k1:016x}", magic_text(magic))?;
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_unstable_by_key(|(address, _)| **address);
        for (address, entry) in entries {
            let Entry { services, seen, source, last_try, last_success, attempts, place, .. } =
                entry;
            let table = if place.0 == Table::New { "new" } else { "tried" };
            let services = services.bits();
            writeln!(
                text,
                "{table} {address} {services} {seen} {source} {last_try} {last_success} {attempts}"
            )?;
        }
        writeln!(text, "end {}", self.entries.len())?;
        Ok(text)
    }

    /// Takes a line if it makes sense, its place is free and follows from the key.
    fn take_line(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let table = match words.next()? {
            "new" => Table::New,
            "tried" => Table::Tried,
            _ => return None,
        };
        let address: SocketAddr = canonical(next(&mut words)?);
        let services = Services::from_bits(next(&mut words)?);
        let seen = next::<u32>(&mut words)?.into();
        let source = next(&mut words)?;
        let last_try = next::<u32>(&mut words)?.into();
        let last_success = next::<u32>(&mut words)?.into();
        let attempts = next(&mut words)?;
        let place = match table {
            Table::New => self.new_place(address, source),
            Table::Tried => self.tried_place(address),
        };
        if words.next().is_some()
            || !(self.allow_local || is_public(address.ip()))
            || self.entries.contains_key(&address)
            || self.places.contains_key(&place)
        {
            return None;
        }
        let rest_until = 0;
        let entry =
            Entry { services, seen, source, last_try, last_success, attempts, rest_until, place };
        self.places.insert(place, address);
        self.entries.insert(address, entry);
        Some(())
    }
}

fn next<T: FromStr>(words: &mut std::str::Split<'_, char>) -> Option<T> {
    words.next()?.parse().ok()
}

fn parse_title(line: &str, magic: Magic) -> Option<(u64, u64)> {
    let rest = line.strip_prefix(TITLE)?.strip_prefix(' ')?;
    let key = rest.strip_prefix(&magic_text(magic))?.strip_prefix(' ')?;
    let (k0, k1) = key.split_at_checked(16)?;
    Some((u64::from_str_radix(k0, 16).ok()?, u64::from_str_radix(k1, 16).ok()?))
}

fn magic_text(magic: Magic) -> String {
    let [a, b, c, d] = magic.as_bytes();
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}
