//! Addresses that are refused for a while.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::{io, mem};

use super::files;
use super::network::Ban;

/// Most bans that are kept; beyond, the one that ends first goes.
pub const MAX_BANS: usize = 10_000;

/// First line of the file.
const TITLE: &str = "mvs-bans 1";

/// The refused addresses.
#[derive(Debug, Default)]
pub struct BanList {
    until: HashMap<IpAddr, u64>,
    changed: bool,
}

impl BanList {
    /// Refuses an address until a time in Unix seconds. A longer ban is not shortened.
    pub fn ban(&mut self, ip: IpAddr, until_unix_secs: u64) {
        let until = self.until.entry(household(ip)).or_default();
        *until = (*until).max(until_unix_secs);
        self.changed = true;
        if self.until.len() > MAX_BANS
            && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until)
        {
            let ip = *first.0;
            self.until.remove(&ip);
        }
    }

    /// Lets an address in again; tells whether it was refused.
    pub fn unban(&mut self, ip: IpAddr) -> bool {
        let was = self.until.remove(&household(ip)).is_some();
        self.changed |= was;
        was
    }

    /// Tells whether an address is refused now.
    pub fn is_banned(&self, ip: IpAddr, now_unix_secs: u64) -> bool {
        self.until.get(&household(ip)).is_some_and(|until| *until > now_unix_secs)
    }

    /// Forgets what is over, and returns the rest, the next to end first.
    pub fn list(&mut self, now_unix_secs: u64) -> Vec<Ban> {
        let before = self.until.len();
        self.until.retain(|_, until| *until > now_unix_secs);
        self.changed |= self.until.len() != before;
        let ban = |(ip, until): (&IpAddr, &u64)| Ban { ip: *ip, until_unix_secs: *until };
        let mut bans: Vec<_> = self.until.iter().map(ban).collect();
        bans.sort_by_key(|ban| (ban.until_unix_secs, ban.ip));
        bans
    }

    /// Reads the file. Lines that make no sense are left out and counted.
    ///
    /// # Errors
    /// What the system says; a missing file is an empty list.
    pub fn load(path: &Path) -> io::Result<(Self, usize)> {
        let text = files::read(path, 64 * MAX_BANS as u64)?.unwrap_or_default(); // widening
        let mut bans = Self::default();
        let mut damaged = 0;
        for line in text.lines().filter(|line| !line.is_empty() && *line != TITLE) {
            let mut words = line.split(' ');
            let ip = words.next().and_then(|word| word.parse().ok());
            let until = words.next().and_then(|word| word.parse().ok());
            match (ip, until, words.next()) {
                (Some(ip), Some(until), None) => bans.ban(ip, until),
                _ => damaged += 1,
            }
        }
        bans.changed = damaged > 0;
        Ok((bans, damaged))
    }

    /// Writes the file if anything changed since it was read or written.
    ///
    /// # Errors
    /// What the system says; it is tried again next time.
    pub fn save(&mut self, path: &Path, now_unix_secs: u64) -> io::Result<()> {
        let bans = self.list(now_unix_secs);
        if !mem::take(&mut self.changed) {
            return Ok(());
        }
        let mut text = format!("{TITLE}\n");
        for Ban { ip, until_unix_secs } in bans {
            writeln!(text, "{ip} {until_unix_secs}").map_err(io::Error::other)?;
        }
        files::replace(path, &text).inspect_err(|_| self.changed = true)
    }
}

/// Returns what is banned with an address: itself, or the /64 of an IPv6 address, all of which one
/// household has.
fn household(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => IpAddr::V4(ip),
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr};

    use super::{BanList, MAX_BANS};

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn bans_end_and_cover_a_household() {
        let mut bans = BanList::default();
        bans.ban(ip("192.0.2.1"), 100);
        bans.ban(ip("192.0.2.1"), 50);
        bans.ban(ip("2001:db8:1:2::1"), 200);
        assert!(bans.is_banned(ip("::ffff:192.0.2.1"), 99));
        assert!(!bans.is_banned(ip("192.0.2.1"), 100));
        assert!(!bans.is_banned(ip("192.0.2.2"), 0));
        assert!(bans.is_banned(ip("2001:db8:1:2:ffff::9"), 0));
        assert!(!bans.is_banned(ip("2001:db8:1:3::1"), 0));
        assert_eq!(bans.list(150).len(), 1);
        assert!(bans.unban(ip("2001:db8:1:2::7")) && !bans.unban(ip("192.0.2.1")));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut bans = BanList::default();
        for n in 0..MAX_BANS as u32 + 500 {
            bans.ban(IpAddr::V4(Ipv4Addr::from(n)), u64::from(n) + 10);
        }
        let list = bans.list(0);
        assert_eq!((list.len(), list[0].until_unix_secs), (MAX_BANS, 510));
    }

    #[test]
    fn the_file_survives_damage() {
        let folder = crate::p2p::tests::folder("bans");
        let path = folder.join("bans");
        let (mut bans, damaged) = BanList::load(&path).unwrap();
        assert_eq!(damaged, 0);
        bans.ban(ip("192.0.2.1"), 100);
        bans.ban(ip("2001:db8::1"), 100);
        bans.save(&path, 0).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let (mut again, damaged) = BanList::load(&path).unwrap();
        assert_eq!((again.list(0), damaged), (bans.list(0), 0));

        fs::write(&path, format!("{text}nonsense\n192.0.2.9 soon\n192.0.2.8 7 8\n\u{fffd}"))
            .unwrap();
        let (mut again, damaged) = BanList::load(&path).unwrap();
        assert_eq!((again.list(0), damaged), (bans.list(0), 4));
        again.save(&path, 0).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
