use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    AddressBook, BUCKET_PLACES, DAY, Group, HORIZON, MAX_ENTRIES, NEW_BUCKETS_OF_A_SOURCE,
};
use crate::p2p::codec::Magic;
use crate::p2p::message::{NetAddress, Services};
use crate::p2p::session::Random;

const NOW: u64 = 1_795_000_000;
const MAGIC: Magic = Magic::from_number(0x4d53_564d);

fn book() -> AddressBook {
    AddressBook::new(Random::from_key((3, 4)), false)
}

fn told(address: SocketAddr) -> NetAddress {
    NetAddress { seen_unix_secs: NOW as u32 - 60, services: Services::NETWORK, address }
}

/// The `n`-th address of the /16 with number `group`.
fn address(group: u16, n: u16) -> SocketAddr {
    let [a, b] = (group + 0x0b00).to_be_bytes();
    let [c, d] = n.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(a, b, c, d)), 5251)
}

#[test]
fn one_source_cannot_fill_the_book() {
    let mut book = book();
    let source = address(9999, 1).ip();
    for group in 0..200 {
        let flood: Vec<_> = (0..500).map(|n| told(address(group, n))).collect();
        book.add(&flood, source, NOW);
    }
    let most = (NEW_BUCKETS_OF_A_SOURCE * BUCKET_PLACES) as usize;
    assert!(book.len() <= most, "{}", book.len());
    assert!(book.len() > most / 2);
    assert_eq!(book.entries.len(), book.places.len());
}

#[test]
fn many_sources_do_not_pass_the_bound_nor_push_out_what_answered() {
    let mut book = book();
    let good: Vec<_> = (0..20).map(|n| address(n * 7, 1)).collect();
    for good in &good {
        book.connected(*good, Services::NETWORK, NOW);
    }
    assert_eq!(book.tried_len(), good.len());
    for source in 0..300u16 {
        let flood: Vec<_> = (0..200).map(|n| told(address(source % 90, n + source))).collect();
        book.add(&flood, address(source, 77).ip(), NOW);
    }
    assert!(book.len() <= MAX_ENTRIES);
    assert!(good.iter().all(|good| book.entries.contains_key(good)));
    assert_eq!(book.tried_len(), good.len());
}

#[test]
fn what_cannot_be_reached_is_not_taken() {
    let mut book = book();
    let source = address(1, 1).ip();
    for bad in ["0.0.0.0:0", "[::]:0", "8.8.8.8:0", "10.0.0.1:5251", "127.0.0.1:5251", "[::1]:1"] {
        assert_eq!(book.add(&[told(bad.parse().unwrap())], source, NOW), 0, "{bad}");
    }
    let old = NetAddress { seen_unix_secs: (NOW - HORIZON) as u32, ..told(address(1, 2)) };
    assert_eq!(book.add(&[old], source, NOW), 0);
    let future = NetAddress { seen_unix_secs: u32::MAX, ..told(address(1, 2)) };
    assert_eq!(book.add(&[future], source, NOW), 1);
    assert!(book.entries[&address(1, 2)].seen < NOW);
    assert_eq!(book.add(&[told(address(1, 2))], source, NOW), 0);

    let mut local = AddressBook::new(Random::from_key((3, 4)), true);
    assert_eq!(local.add(&[told("127.0.0.1:5251".parse().unwrap())], source, NOW), 1);
}

#[test]
fn failures_make_an_address_wait_and_then_worthless() {
    let mut book = book();
    let only = address(1, 1);
    book.add(&[told(only)], address(2, 2).ip(), NOW);
    let all = |_: SocketAddr, _: Group| true;
    assert_eq!(book.select(NOW, all), Some(only));
    book.attempt(only, NOW);
    assert_eq!(book.select(NOW + 59, all), None);
    assert_eq!(book.select(NOW + 60, all), Some(only));
    book.attempt(only, NOW + 60);
    assert_eq!(book.select(NOW + 60 + 119, all), None);
    assert_eq!(book.select(NOW + 60 + 120, all), Some(only));
    book.attempt(only, NOW + 180);
    assert_eq!(book.sample(10, NOW + 3600), []);
    book.connected(only, Services::NETWORK, NOW + 3600);
    assert_eq!(book.sample(10, NOW + 3600).len(), 1);
    assert_eq!(book.tried_len(), 1);
}

#[test]
fn selection_keeps_to_the_groups_it_is_given() {
    let mut book = book();
    for group in 0..50 {
        let some: Vec<_> = (0..50).map(|n| told(address(group, n))).collect();
        book.add(&some, address(group, 9).ip(), NOW);
    }
    let mut used = HashSet::new();
    for _ in 0..50 {
        let chosen = book.select(NOW, |_, group| !used.contains(&group)).unwrap();
        assert!(used.insert(Group::of(chosen)));
    }
    assert_eq!(book.select(NOW, |_, group| !used.contains(&group)), None);
}

#[test]
fn a_sample_is_a_part_without_repetition() {
    let mut book = book();
    for group in 0..100 {
        let some: Vec<_> = (0..50).map(|n| told(address(group, n))).collect();
        book.add(&some, address(group, 9).ip(), NOW);
    }
    let sample = book.sample(1000, NOW);
    assert!(sample.len() <= book.len() * 23 / 100 && sample.len() > 100, "{}", sample.len());
    let distinct: HashSet<_> = sample.iter().map(|entry| entry.address).collect();
    assert_eq!(distinct.len(), sample.len());
    assert_eq!(book.sample(5, NOW).len(), 5);
}

#[test]
fn places_differ_with_the_key() {
    let other = AddressBook::new(Random::from_key((5, 6)), false);
    let (book, source) = (book(), address(1, 1).ip());
    let place = |book: &AddressBook, n| book.new_place(address(n, 1), source);
    assert!((0..20).any(|n| place(&book, n) != place(&other, n)));
}

#[test]
fn the_file_brings_everything_back() {
    let path = crate::p2p::tests::folder("addresses").join("addresses");
    let load = || AddressBook::load(&path, MAGIC, Random::from_key((8, 9)), false).unwrap();
    let (empty, damage) = load();
    assert!(empty.is_empty() && !damage.is_any());

    let mut book = book();
    for group in 0..30 {
        let some: Vec<_> = (0..20).map(|n| told(address(group, n))).collect();
        book.add(&some, address(group, 9).ip(), NOW);
        book.connected(address(group, 3), Services::NETWORK, NOW - DAY);
        book.attempt(address(group, 4), NOW);
    }
    book.add(&[told("[2600:1::7]:5251".parse().unwrap())], address(1, 1).ip(), NOW);
    book.save(&path, MAGIC).unwrap();
    let (again, damage) = load();
    assert!(!damage.is_any(), "{damage:?}");
    book.entries.values_mut().for_each(|entry| entry.rest_until = 0); // a new process tries at once
    assert_eq!((again.key, again.entries), (book.key, book.entries));

    let (foreign, damage) =
        AddressBook::load(&path, Magic::from_number(7), Random::from_key((1, 1)), false).unwrap();
    assert!(foreign.is_empty() && damage.is_foreign);
}

#[test]
fn a_damaged_file_loses_what_is_damaged() {
    let path = crate::p2p::tests::folder("addresses-damaged").join("addresses");
    let mut book = book();
    let some: Vec<_> = (0..20).map(|n| told(address(n, n))).collect();
    book.add(&some, address(99, 9).ip(), NOW);
    book.save(&path, MAGIC).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    let load = || AddressBook::load(&path, MAGIC, Random::from_key((8, 9)), false).unwrap();

    // Cut anywhere, a byte flipped anywhere: never a panic, never an address twice.
    let mut rounds = 0;
    for at in (0..text.len()).step_by(13) {
        fs::write(&path, &text[..at]).unwrap();
        let (cut, damage) = load();
        assert!(damage.is_any() && cut.len() <= book.len());
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 0x55;
        fs::write(&path, bytes).unwrap();
        let (flipped, _) = load();
        assert!(flipped.len() <= book.len());
        rounds += 1;
    }
    assert!(rounds > 50);

    // A damaged file is written anew, and is whole then.
    fs::write(&path, text.replacen("new ", "knew ", 1)).unwrap();
    let (mut mended, damage) = load();
    assert_eq!((damage.lines, damage.is_cut), (1, false));
    mended.save(&path, MAGIC).unwrap();
    assert!(!load().1.is_any());
}
