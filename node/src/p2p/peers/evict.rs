//! Which inbound peer makes room for a newcomer.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::p2p::addresses::Group;
use crate::p2p::api::PeerId;

/// An inbound connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate {
    pub(super) id: PeerId,
    pub(super) group: Group,
    pub(super) since: Instant,
    pub(super) is_open: bool,
    pub(super) best_ping: Option<Duration>,
    pub(super) last_block: Option<Instant>,
    pub(super) last_tx: Option<Instant>,
}

/// How many are protected for each kind of merit.
const PROTECTED: usize = 4;

/// Picks who has to go; `None` when everybody is worth keeping.
///
/// First of all connections without a handshake, the oldest first: an honest one takes milliseconds.
/// Of the others, those that an attacker cannot cheaply imitate are protected: the nearest by ping, those
/// that last brought blocks and transactions of use, and the half that has been here longest. Of the
/// rest, the youngest of the largest group goes.
pub(super) fn choose(mut candidates: Vec<Candidate>) -> Option<PeerId> {
    let half_open = candidates.iter().filter(|candidate| !candidate.is_open);
    if let Some(oldest) = half_open.min_by_key(|candidate| (candidate.since, candidate.id)) {
        return Some(oldest.id);
    }
    protect(&mut candidates, PROTECTED, |c| c.best_ping.map(std::cmp::Reverse));
    protect(&mut candidates, PROTECTED, |c| c.last_block);
    protect(&mut candidates, PROTECTED, |c| c.last_tx);
    let half = candidates.len() / 2;
    protect(&mut candidates, half, |c| Some(std::cmp::Reverse(c.since)));

    let mut sizes: HashMap<Group, usize> = HashMap::new();
    for candidate in &candidates {
        *sizes.entry(candidate.group).or_default() += 1;
    }
    let rank = |c: &Candidate| (sizes.get(&c.group).copied().unwrap_or(0), c.since, c.id);
    candidates.into_iter().max_by_key(rank).map(|candidate| candidate.id)
}

/// Takes the best `count` by merit off the list; those without the merit stay on it.
fn protect<M: Ord>(
    candidates: &mut Vec<Candidate>,
    count: usize,
    merit: impl Fn(&Candidate) -> Option<M>,
) {
    candidates.sort_by(|a, b| merit(b).cmp(&merit(a)).then(a.id.cmp(&b.id)));
    let with_merit = candidates.iter().take_while(|c| merit(c).is_some()).count();
    candidates.drain(..count.min(with_merit));
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Candidate, choose};
    use crate::p2p::addresses::Group;
    use crate::p2p::api::PeerId;

    fn candidate(id: u64, ip: &str, start: Instant, secs: u64) -> Candidate {
        Candidate {
            id: PeerId::new(id),
            group: Group::of(format!("{ip}:1").parse().unwrap()),
            since: start + Duration::from_secs(secs),
            is_open: true,
            best_ping: None,
            last_block: None,
            last_tx: None,
        }
    }

    #[test]
    fn half_open_connections_go_first() {
        let start = Instant::now();
        let mut all: Vec<_> = (0..10).map(|n| candidate(n, "8.8.8.8", start, n)).collect();
        all[7].is_open = false;
        all[4].is_open = false;
        assert_eq!(choose(all), Some(PeerId::new(4)));
        assert_eq!(choose(Vec::new()), None);
    }

    #[test]
    fn the_youngest_of_the_largest_group_goes_next() {
        let start = Instant::now();
        let mut all: Vec<_> = (0..20).map(|n| candidate(n, "8.8.8.8", start, n)).collect();
        all.extend((20..25).map(|n| candidate(n, &format!("9.{n}.1.1"), start, n + 100)));
        assert_eq!(choose(all), Some(PeerId::new(19)));
    }

    #[test]
    fn merit_protects() {
        let start = Instant::now();
        let mut all: Vec<_> = (0..4).map(|n| candidate(n, "8.8.8.8", start, n)).collect();
        let ping = |ms| Some(Duration::from_millis(ms));
        all[3].best_ping = ping(1);
        all[2].last_block = Some(start);
        all[1].last_tx = Some(start);
        assert_eq!(choose(all.clone()), Some(PeerId::new(0)));
        all[0].best_ping = ping(9);
        assert_eq!(choose(all), None);

        // Only so many by ping: of ten near ones the far ones remain.
        let mut near: Vec<_> = (0..10).map(|n| candidate(n, "8.8.8.8", start, n)).collect();
        for (n, candidate) in near.iter_mut().enumerate() {
            candidate.best_ping = ping(100 - n as u64);
        }
        assert_eq!(choose(near), Some(PeerId::new(5)));
    }
}
