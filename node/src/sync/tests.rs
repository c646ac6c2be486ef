use std::time::Duration;

use proptest::prelude::{ProptestConfig, Strategy, any, proptest};

use super::{HeadersEnd, HeadersOutcome, Settings};
use crate::chain::testing::TestChain;
use crate::chain::trunk::Trunk;
use sim::{Script, Sim};

mod sim;

const MINUTE: Duration = Duration::from_secs(60);

fn reaches(height: u32) -> impl FnMut(&Sim) -> bool {
    move |sim| sim.trunk.height() >= height
}

#[test]
fn honest_peers_share_the_work() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(4_000, 1);
    let mut sim = Sim::new(&genesis);
    let peers: Vec<_> = (0..3).map(|_| sim.connect(Script::honest(&chain))).collect();
    sim.run_until(MINUTE, reaches(4_000));
    for peer in &peers {
        assert!(sim.delivered[peer] > 800, "{:?}", sim.delivered);
    }
    assert_eq!(sim.duplicates, 0);
    assert!(sim.dropped.is_empty());
    assert!(sim.most_held <= 1_100, "{} bodies waited", sim.most_held);
    assert!(sim.index.is_empty() && sim.bodies.is_empty());
}

#[test]
fn a_slow_peer_does_not_hold_up_the_window() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(4_000, 1);
    let fast_alone = {
        let mut sim = Sim::new(&genesis);
        sim.connect(Script::honest(&chain));
        sim.run_until(MINUTE, reaches(4_000));
        sim.now
    };
    let mut sim = Sim::new(&genesis);
    let slow = sim.connect(Script { per_block: Duration::from_secs(5), ..Script::honest(&chain) });
    let fast = sim.connect(Script::honest(&chain));
    sim.run_until(3 * MINUTE, reaches(4_000));
    assert!(!sim.dropped.contains_key(&slow) && !sim.dropped.contains_key(&fast));
    assert!(sim.now < fast_alone + 20 * Duration::from_secs(1), "took {:?}", sim.now);
}

#[test]
fn a_silent_peer_is_replaced_and_dropped() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    let mute = sim.connect(Script { no_headers: true, no_blocks: true, ..Script::honest(&chain) });
    let withholds = sim.connect(Script { no_blocks: true, ..Script::honest(&chain) });
    let honest = sim.connect(Script { is_outbound: false, ..Script::honest(&chain) });
    sim.run_until(3 * MINUTE, reaches(3_000));
    assert!(sim.now < Duration::from_secs(20), "took {:?}", sim.now);
    sim.run_for(3 * MINUTE);
    assert!(sim.dropped.contains_key(&withholds));
    assert!(!sim.dropped.contains_key(&honest));
    assert!(sim.dropped.contains_key(&mute));
}

#[test]
fn the_first_node_with_its_habits() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    // From scratch it gives 500 at a time.
    let mut sim = Sim::new(&genesis);
    let deaf_until = Duration::from_secs(1);
    sim.connect(Script { like_first_node: true, deaf_until, ..Script::honest(&chain) });
    sim.run_until(MINUTE, reaches(3_000));
    assert!(sim.now >= Duration::from_secs(3), "the first request was lost");
    assert!(sim.reconnected.is_empty());

    // Near its tip it gives 10.
    let mut sim = Sim::new(&chain.cut(2_500));
    sim.connect(Script { like_first_node: true, ..Script::honest(&chain) });
    sim.run_until(MINUTE, reaches(3_000));
    assert!(sim.reconnected.is_empty());
}

#[test]
fn a_connection_that_fell_behind_is_opened_anew() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(6_000, 1);
    let mut sim = Sim::new(&genesis);
    // It claims to be far ahead, but answers as it does to a neighbour.
    let peer = sim.connect(Script {
        like_first_node: true,
        chain: chain.cut(1_900),
        claims: Some(1_900),
        ..Script::honest(&chain)
    });
    sim.run_until(MINUTE, reaches(1_900));
    assert!(sim.reconnected.is_empty());
    assert!(sim.dropped.is_empty());
    sim.extend(peer, 5, 1);
    sim.run_until(MINUTE, reaches(1_905));
}

#[test]
fn a_liar_about_its_height_does_not_stop_us() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(2_000, 1);
    let mut sim = Sim::new(&genesis);
    let liar = sim.connect(Script { claims: Some(4_000_000), ..Script::honest(&chain.cut(100)) });
    let mute = sim.connect(Script {
        claims: Some(3_000_000),
        no_headers: true,
        no_blocks: true,
        ..Script::honest(&chain)
    });
    let honest = sim.connect(Script::honest(&chain));
    sim.run_until(5 * MINUTE, reaches(2_000));
    assert!(!sim.dropped.contains_key(&honest));
    let _ = (liar, mute);
    sim.extend(honest, 3, 1);
    sim.run_until(Duration::from_secs(5), reaches(2_003));
}

#[test]
fn half_empty_peers_give_what_they_have() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(2_000, 1);
    let mut sim = Sim::new(&genesis);
    for below in [300, 900, 1_500] {
        sim.connect(Script { bodies_below: below, ..Script::honest(&chain) });
    }
    let whole = sim.connect(Script::honest(&chain));
    sim.run_until(2 * MINUTE, reaches(2_000));
    assert!(!sim.dropped.contains_key(&whole));
}

#[test]
fn false_bodies_are_asked_for_elsewhere() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(1_500, 1);
    let mut sim = Sim::new(&genesis);
    sim.connect(Script { mutates: true, ..Script::honest(&chain) });
    sim.connect(Script::honest(&chain));
    sim.run_until(2 * MINUTE, reaches(1_500));
}

#[test]
fn an_invalid_block_in_the_heaviest_branch() {
    let genesis = Sim::genesis();
    let common = genesis.clone().grow(500, 1);
    let bad = common.clone().grow(300, 2);
    let good = common.clone().grow(200, 3);
    let mut sim = Sim::new(&genesis);
    sim.invalid.insert(bad.hash(640));
    sim.connect(Script::honest(&bad));
    sim.connect(Script::honest(&good));
    let tip = good.tip().hash;
    sim.run_until(5 * MINUTE, |sim| sim.trunk.tip().hash == tip);
}

#[test]
fn a_peer_that_the_operator_named_stays_even_if_it_sends_no_blocks() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(1_000, 1);
    let mut sim = Sim::new(&genesis);
    let manual = Script { no_blocks: true, is_manual: true, ..Script::honest(&chain) };
    sim.connect(manual);
    sim.connect(Script::honest(&chain));
    sim.run_until(2 * MINUTE, reaches(1_000));
    sim.run_for(2 * MINUTE);
    assert!(sim.dropped.is_empty(), "{:?}", sim.dropped);
}

#[test]
fn withheld_blocks_of_a_heavier_branch_do_not_stop_us() {
    let genesis = Sim::genesis();
    let common = genesis.clone().grow(500, 1);
    let withheld = common.clone().grow(300, 2);
    let good = common.clone().grow(200, 3);
    let mut sim = Sim::new(&genesis);
    sim.connect(Script { no_blocks: true, ..Script::honest(&withheld) });
    let honest = sim.connect(Script::honest(&good));
    sim.run_until(5 * MINUTE, reaches(700));
    assert!(!sim.dropped.contains_key(&honest));
    sim.extend(honest, 1, 3);
    sim.run_until(Duration::from_secs(5), reaches(701));
}

#[test]
fn a_long_reorganisation() {
    let genesis = Sim::genesis();
    let common = genesis.clone().grow(100, 1);
    let old = common.clone().grow(3_000, 2);
    let new = common.clone().grow(3_300, 3);
    let mut sim = Sim::new(&old);
    sim.connect(Script::honest(&new));
    let tip = new.tip().hash;
    sim.run_until(2 * MINUTE, |sim| sim.trunk.tip().hash == tip);
    // And back.
    let longer = old.clone().grow(400, 4);
    sim.connect(Script::honest(&longer));
    let tip = longer.tip().hash;
    sim.run_until(2 * MINUTE, |sim| sim.trunk.tip().hash == tip);
}

#[test]
fn a_deep_reorganisation_does_not_look_at_every_block_again_for_each_that_comes() {
    let genesis = Sim::genesis();
    let old = genesis.clone().grow(5_000, 2);
    let new = genesis.clone().grow(5_300, 3);
    let mut sim = Sim::new(&old);
    // One that has nothing for us is always free for more.
    sim.connect(Script::honest(&old));
    sim.connect(Script::honest(&new));
    let tip = new.tip().hash;
    sim.run_until(2 * MINUTE, |sim| sim.trunk.tip().hash == tip);
    assert!(sim.looks.get() < 5_300 * 250, "{} looks", sim.looks.get());
}

/// Headers of stake blocks cost nothing, and all headers here are such.
#[test]
fn a_branch_that_cost_nothing_fills_no_memory() {
    let genesis = Sim::genesis();
    let ours = genesis.clone().grow(300, 1);
    let free = genesis.clone().grow(900, 2);
    let settings = Settings { body_bytes: 100 * sim::BLOCK_BYTES, ..Settings::default() };
    let mut sim = Sim::with_settings(&ours, settings);
    sim.connect(Script { withholds: Some(1), ..Script::honest(&free) });
    sim.run_for(3 * MINUTE);
    assert!((1..=150).contains(&sim.most_held), "{} bodies waited", sim.most_held);
    assert_eq!(sim.trunk.height(), 300);
    // Somebody who has the blocks is enough: one at a time they come even then.
    let mut all = Sim::with_settings(&ours, settings);
    all.connect(Script::honest(&genesis.clone().grow(450, 3)));
    all.run_until(10 * MINUTE, reaches(450));
}

/// A heavier branch of which nobody has the blocks must not keep us from asking others as before.
#[test]
fn what_was_not_announced_is_found_behind_a_branch_that_cost_nothing() {
    let genesis = Sim::genesis();
    let ours = genesis.clone().grow(60, 1);
    let free = genesis.clone().grow(200, 2);
    let mut sim = Sim::new(&ours);
    let honest = sim.connect(Script { like_first_node: true, ..Script::honest(&ours) });
    sim.run_for(Duration::from_secs(5));
    sim.connect(Script { no_blocks: true, is_outbound: false, ..Script::honest(&free) });
    sim.run_until(MINUTE, |sim| sim.index.best(&sim.trunk).height.value() == 200);
    sim.extend_in_silence(honest, 2, 1);
    sim.run_until(5 * MINUTE, reaches(62));
}

#[test]
fn it_resumes_with_other_peers() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    for stop in [700, 1_400, 2_100, 3_000] {
        sim.connect(Script::honest(&chain));
        sim.connect(Script::honest(&chain));
        sim.run_until(MINUTE, reaches(stop));
        for id in sim.peer_ids() {
            sim.disconnect(id);
        }
        assert_eq!(sim.planner.blocks_in_flight(), 0);
    }
}

/// Ten headers a second: 300 s for the chain below.
fn dripping(chain: &TestChain) -> Script {
    let latency = Duration::from_secs(1);
    Script { most_headers: 10, latency, ..Script::honest(chain) }
}

#[test]
fn a_leader_that_drips_makes_way() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    let slow = sim.connect(Script { claims: Some(90_000), ..dripping(&chain) });
    let fast = sim.connect(Script::honest(&chain));
    sim.run_until(15 * Duration::from_secs(1), |sim| {
        sim.index.best(&sim.trunk).height.value() == 3_000
    });
    assert!(sim.asked_headers[&slow] > 5 && sim.asked_headers[&fast] >= 2);
    sim.run_until(MINUTE, reaches(3_000));
    assert!(sim.dropped.is_empty(), "{:?}", sim.dropped);
}

#[test]
fn of_slow_leaders_the_fastest_leads_in_the_end_and_none_is_dropped() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    for _ in 0..3 {
        sim.connect(dripping(&chain));
    }
    let better = sim.connect(Script { most_headers: 50, ..dripping(&chain) });
    sim.run_until(2 * MINUTE, reaches(3_000));
    let asked = &sim.asked_headers;
    assert!(asked.iter().all(|(id, count)| *id == better || *count < 20), "{asked:?}");
    assert!(sim.dropped.is_empty(), "{:?}", sim.dropped);
}

#[test]
fn a_slow_peer_that_is_the_only_one_leads_on() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(1_000, 1);
    let mut sim = Sim::new(&genesis);
    sim.connect(dripping(&chain));
    sim.run_until(2 * MINUTE, reaches(1_000));
    assert!(sim.dropped.is_empty(), "{:?}", sim.dropped);
}

#[test]
fn a_leader_that_was_refused_rests() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(1_000, 1);
    let mut sim = Sim::new(&genesis);
    let liar = sim.connect(Script { breaks_rules: true, ..Script::honest(&chain) });
    sim.run_for(5 * MINUTE);
    assert!(sim.asked_headers[&liar] <= 8, "{:?}", sim.asked_headers);
    sim.connect(Script { claims: Some(10), ..Script::honest(&chain) });
    sim.run_until(Duration::from_secs(10), reaches(1_000));
}

/// The heaviest headers fill the room ahead, their blocks do not come, and the peer may not be dropped.
#[test]
fn a_leader_that_waits_for_ever_makes_way() {
    let genesis = Sim::genesis();
    let common = genesis.clone().grow(100, 1);
    let withheld = common.clone().grow(3_000, 2);
    let good = common.clone().grow(500, 3);
    let mut sim = Sim::new(&genesis);
    let limits = crate::chain::index::Limits { ahead: 1_000, ..Default::default() };
    sim.index = crate::chain::index::BlockIndex::new(limits);
    sim.connect(Script { no_blocks: true, is_manual: true, ..Script::honest(&withheld) });
    sim.run_for(Duration::from_secs(5));
    sim.connect(Script::honest(&good));
    sim.run_until(MINUTE, reaches(600));
}

#[test]
fn headers_that_find_no_room_are_not_asked_for_again_and_again() {
    let trunk = Sim::genesis().grow(100, 1);
    let branch = trunk.cut(50).grow(40, 2);
    let mut sim = Sim::new(&trunk);
    let limits = crate::chain::index::Limits { free_headers: 20, ..Default::default() };
    sim.index = crate::chain::index::BlockIndex::new(limits);
    sim.index.set_source(Some(7));
    let peer = sim.connect(Script { claims: Some(1_000), ..Script::honest(&branch) });
    sim.run_for(MINUTE);
    assert!(sim.index.is_empty());
    assert!(sim.asked_headers[&peer] <= 5, "{:?}", sim.asked_headers);
}

#[test]
fn a_leader_of_headers_that_cost_nothing_and_lead_nowhere_makes_way() {
    let trunk = Sim::genesis().grow(100, 1);
    let mut sim = Sim::new(&trunk);
    let claims = Some(90_000);
    let leader = sim.connect(Script { claims, no_headers: true, ..Script::honest(&trunk) });
    let other =
        sim.connect(Script { no_headers: true, ..Script::honest(&trunk.clone().grow(9, 3)) });
    assert!(sim.planner.leader.is_some_and(|now| now.peer == leader));
    let nowhere = trunk.cut(50).grow(40, 2);
    sim.offer(nowhere.all_above(50));
    for _ in 0..12 {
        sim.run_for(Duration::from_secs(1));
        let (last, end) = (Some(nowhere.tip().hash), HeadersEnd::Taken);
        let outcome = HeadersOutcome { count: 2_000, held: 2_000, last, end };
        sim.tell(leader, &outcome);
    }
    assert!(sim.planner.leader.is_none_or(|now| now.peer != leader));
    assert!(sim.asked_headers[&other] > 0);
}

#[test]
fn an_announcement_is_not_the_answer() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    let latency = Duration::from_secs(2);
    let peer = sim.connect(Script { latency, ..Script::honest(&chain) });
    sim.run_for(Duration::from_secs(1));
    sim.extend(peer, 1, 1);
    sim.run_for(Duration::from_millis(800));
    assert_eq!(sim.asked_headers[&peer], 1, "the answer is on its way");
    sim.run_until(MINUTE, |sim| sim.index.best(&sim.trunk).height.value() == 3_001);
    assert_eq!(sim.asked_headers[&peer], 2);
}

#[test]
fn an_announced_block_is_fetched_at_once() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(50, 1);
    let mut sim = Sim::new(&chain);
    let peers: Vec<_> = (0..4).map(|_| sim.connect(Script::honest(&chain))).collect();
    sim.run_for(Duration::from_secs(10));
    let before = sim.now;
    sim.extend(peers[2], 1, 1);
    sim.run_until(Duration::from_secs(1), reaches(51));
    // One way for the header, there and back for the block.
    assert!(sim.now - before <= Duration::from_millis(42), "{:?}", sim.now - before);
    assert_eq!(sim.delivered[&peers[2]], 1);
}

#[test]
fn the_index_never_gets_too_far_ahead() {
    let genesis = Sim::genesis();
    let chain = genesis.clone().grow(3_000, 1);
    let mut sim = Sim::new(&genesis);
    sim.index = crate::chain::index::BlockIndex::new(crate::chain::index::Limits {
        ahead: 1_000,
        ..Default::default()
    });
    sim.connect(Script { per_block: Duration::from_millis(5), ..Script::honest(&chain) });
    sim.run_until(5 * MINUTE, |sim| {
        assert!(sim.index.len() <= 1_000);
        sim.trunk.height() == 3_000
    });
}

fn scripts() -> impl Strategy<Value = (Vec<(u8, u16, u16)>, u16)> {
    (proptest::collection::vec((0..8u8, any::<u16>(), any::<u16>()), 0..5), any::<u16>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// With one honest peer that stays, we always get to its tip, whatever the others do, and it is
    /// never dropped.
    #[test]
    fn one_honest_peer_is_enough((others, place) in scripts()) {
        let genesis = Sim::genesis();
        let chain = genesis.clone().grow(1_200, 1);
        let mut sim = Sim::with_settings(&genesis, Settings { window: 256, ..Settings::default() });
        let mut honest = None;
        for (number, (kind, a, b)) in others.iter().enumerate() {
            if usize::from(place) % others.len() == number {
                honest = Some(sim.connect(Script::honest(&chain)));
            }
            let base = Script::honest(&chain.cut(u32::from(*a) % 1_200));
            let script = match kind {
                0 => Script { no_blocks: true, ..base },
                1 => Script { no_headers: true, claims: Some(u32::from(*b) * 1_000), ..base },
                2 => Script { per_block: Duration::from_millis(u64::from(*b)), ..base },
                3 => Script { mutates: true, ..base },
                4 => Script { bodies_below: u32::from(*b) % 1_200, ..base },
                5 => Script { latency: Duration::from_millis(u64::from(*b)), ..base },
                6 => Script { like_first_node: true, ..base },
                _ => Script::honest(&chain.cut(u32::from(*a) % 600).grow(300, 9)),
            };
            sim.connect(script);
        }
        let honest = honest.unwrap_or_else(|| sim.connect(Script::honest(&chain)));
        let tip = chain.tip().hash;
        sim.run_until(10 * MINUTE, |sim| sim.trunk.tip().hash == tip);
        assert!(!sim.dropped.contains_key(&honest), "{:?}", sim.dropped);
    }
}
