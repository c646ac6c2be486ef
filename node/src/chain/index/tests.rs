use std::sync::Arc;

use mvs_consensus::header_view::HeaderView;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;
use proptest::prelude::{Strategy, any, proptest};

use super::{
    BlockIndex, HeadersAfter, Limits, Standing, UndoneHeader, headers_after, locator, locator_limit,
};
use crate::chain::intake::{HeadersStop, place, screen};
use crate::chain::testing::{NOW, TestChain, WRONG_BITS, check, params};
use crate::chain::trunk::Trunk;

fn offer(index: &mut BlockIndex, trunk: &TestChain, headers: Vec<Header>) -> Option<HeadersStop> {
    let screened = screen(&trunk.params, index, trunk, headers, NOW).unwrap();
    let checked = check(&trunk.params, screened.fresh);
    let count = checked.len();
    let checked = checked.into_iter().map(|(hash, header)| (hash, Ok(header))).collect();
    let placed = place(&trunk.params, index, trunk, checked, NOW).unwrap();
    assert!(placed.stop.is_none(), "{:?}", placed.stop);
    assert_eq!(placed.held, count);
    index.assert_consistent(trunk);
    screened.stop
}

fn start() -> (TestChain, BlockIndex) {
    (TestChain::new(&Arc::new(params())), BlockIndex::new(Limits::default()))
}

/// Moves the trunk to `to`, as the owner does after a commit.
fn follow(index: &mut BlockIndex, from: &TestChain, to: &TestChain) {
    let fork = (0..=from.height().min(to.height()))
        .rev()
        .find(|height| from.hash(*height) == to.hash(*height))
        .unwrap();
    let undone = from
        .all_above(fork)
        .into_iter()
        .map(|header| UndoneHeader { hash: header.hash(), header })
        .collect();
    let tip = to.tip();
    let path = index.path_to(&tip.hash).expect("the new tip is held");
    index.follow(to, Height::new(fork), undone, &path, tip.height).unwrap();
    index.assert_consistent(to);
}

#[test]
fn the_heaviest_branch_wins_and_the_first_of_equals_stays() {
    let (trunk, mut index) = start();
    assert_eq!(index.best(&trunk).height, Height::GENESIS);
    let (a, b) = (trunk.clone().grow(5, 1), trunk.clone().grow(5, 2));
    assert!(offer(&mut index, &trunk, a.all_above(0)).is_none());
    assert!(offer(&mut index, &trunk, b.all_above(0)).is_none());
    assert_eq!(index.best(&trunk).hash, a.hash(5));
    let longer = b.clone().grow(1, 2);
    assert!(offer(&mut index, &trunk, longer.all_above(5)).is_none());
    assert_eq!(index.best(&trunk).hash, longer.hash(6));
    let ends = index.heavier_than(trunk.tip().work);
    assert_eq!(ends.iter().map(|end| end.hash).collect::<Vec<_>>(), [longer.hash(6), a.hash(5)]);
    // The connected chain is not replaced by an equal one.
    follow(&mut index, &trunk, &a);
    assert!(index.heavier_than(b.tip().work).len() == 1);
    assert_eq!(index.standing(&a, &a.hash(3)).unwrap(), Standing::Trunk(Height::new(3)));
}

/// Branches of one stake header each, above the last blocks of a chain: heavier than what forks below.
fn free_branches(chain: &TestChain, count: u32) -> Vec<TestChain> {
    let at = |number: u32| chain.cut(chain.height() - number / 200);
    (0..count).map(|number| at(number).grow(1, 50 + (number % 200) as u8)).collect()
}

#[test]
fn headers_that_cost_nothing_push_nothing_out() {
    let (trunk, mut index) = start();
    let (a, b) = (trunk.clone().grow(24, 1), trunk.clone().grow(30, 2));
    offer(&mut index, &trunk, a.all_above(0));
    follow(&mut index, &trunk, &a);
    offer(&mut index, &a, b.all_above(0));
    follow(&mut index, &a, &b);
    // What was connected once was judged; it is lighter than all that is told now.
    assert!(index.get(&a.hash(24)).is_some());
    for source in 0..40 {
        index.set_source(Some(source));
        for branch in free_branches(&b, 600) {
            offer(&mut index, &b, branch.all_above(branch.height() - 1));
        }
    }
    assert!(index.len() <= 24 + 512);
    for height in 1..=24 {
        assert!(index.get(&a.hash(height)).is_some(), "height {height}");
    }
}

#[test]
fn each_source_has_its_share_of_what_costs_nothing() {
    let (trunk, mut index) = start();
    let b = trunk.clone().grow(30, 2);
    offer(&mut index, &trunk, b.all_above(0));
    follow(&mut index, &trunk, &b);
    let honest = b.cut(20).grow(3, 3);
    index.set_source(Some(1));
    offer(&mut index, &b, honest.all_above(20));
    index.set_source(Some(2));
    for branch in free_branches(&b, 600) {
        offer(&mut index, &b, branch.all_above(branch.height() - 1));
        assert!(index.len() <= 3 + index.limits().free_branches + 1);
    }
    assert!(index.get(&honest.hash(23)).is_some());
    // One long list is bounded as well.
    let limits = Limits { free_headers: 20, ..Limits::default() };
    let mut index = BlockIndex::new(limits);
    index.set_source(Some(2));
    offer(&mut index, &b, b.cut(2).grow(26, 9).all_above(2));
    assert!(index.is_empty());
    offer(&mut index, &b, b.cut(2).grow(20, 9).all_above(2));
    assert_eq!(index.len(), 20);
}

#[test]
fn headers_that_cost_nothing_do_not_put_us_behind() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(24, 1);
    offer(&mut index, &trunk, a.all_above(0));
    assert_eq!(index.best(&trunk).height, Height::new(24));
    assert_eq!(index.backed_ahead(&trunk), 0);
    // Once they were connected their stake was judged: left for another branch, they count.
    let b = trunk.clone().grow(30, 2);
    follow(&mut index, &trunk, &a);
    offer(&mut index, &a, b.all_above(0));
    follow(&mut index, &a, &b);
    let longer = a.clone().grow(9, 1);
    offer(&mut index, &b, longer.all_above(24));
    assert_eq!(index.best(&b).hash, longer.hash(33));
    assert_eq!(index.backed_ahead(&b), 24);
}

#[test]
fn screening_names_the_first_fault_and_keeps_what_is_right() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(9, 1);
    let mut headers = a.all_above(0);
    headers[5].bits = WRONG_BITS;
    let stop = offer(&mut index, &trunk, headers).unwrap();
    assert_eq!(stop.code(), "header.bits");
    assert_eq!(index.len(), 5);

    let mut headers = a.all_above(0);
    headers.swap(6, 7);
    assert_eq!(offer(&mut index, &trunk, headers).unwrap().code(), "headers.not_consecutive");
    assert_eq!(index.len(), 6);

    let orphan = a.headers(8, 9);
    assert_eq!(offer(&mut index, &trunk, orphan).unwrap().code(), "not_yet.no_parent");

    let mut early = a.next(1);
    early.timestamp = Timestamp::from_unix_secs(u32::MAX);
    early.previous = a.hash(6);
    early.number = Height::new(7);
    let now = 1_500_000_000;
    let screened = screen(&trunk.params, &index, &trunk, vec![early], now).unwrap();
    // A wrong difficulty is said first: only what is otherwise right is worth keeping.
    assert_eq!(screened.stop.unwrap().code(), "header.bits");
    let screened = screen(&trunk.params, &index, &trunk, a.headers(6, 9), 10).unwrap();
    assert_eq!(screened.stop.unwrap().code(), "not_yet.too_early");
    assert!(screened.fresh.is_empty());
}

#[test]
fn invalid_blocks_take_their_descendants_along() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(10, 1);
    let child = a.cut(7).grow(5, 2);
    let sibling = a.cut(3).grow(2, 3);
    for (chain, above) in [(&a, 0), (&child, 7), (&sibling, 3)] {
        assert!(offer(&mut index, &trunk, chain.all_above(above)).is_none());
    }
    assert_eq!(index.best(&trunk).hash, child.hash(12));
    let gone = index.mark_invalid(&a.hash(5));
    index.assert_consistent(&trunk);
    assert_eq!(gone.len(), 6 + 5);
    assert_eq!(index.best(&trunk).hash, sibling.hash(5), "a.hash(4) is lighter than the sibling");
    assert_eq!(index.standing(&trunk, &child.hash(12)).unwrap(), Standing::Invalid);
    for headers in [a.all_above(0), child.headers(11, 12), child.clone().grow(1, 9).all_above(12)] {
        let stop = offer(&mut index, &trunk, headers).unwrap();
        assert_eq!(stop.code(), "headers.known_invalid");
    }
}

#[test]
fn a_reorganisation_and_back() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(20, 1);
    let b = a.cut(8).grow(20, 2);
    let on_b = b.cut(15).grow(3, 3);
    offer(&mut index, &trunk, a.all_above(0));
    follow(&mut index, &trunk, &a.cut(11));
    follow(&mut index, &a.cut(11), &a);
    assert!(index.is_empty());
    offer(&mut index, &a, b.all_above(8));
    offer(&mut index, &a, on_b.all_above(15));
    assert_eq!(index.best(&a).hash, b.hash(28));
    follow(&mut index, &a, &b);
    assert_eq!(index.len(), 12 + 3);
    let path = index.path_to(&on_b.hash(18)).unwrap();
    assert_eq!((path.fork, path.top()), (Height::new(15), Height::new(18)));
    assert_eq!(index.work(&a.hash(20)), Some(a.tip().work));
    let longer = a.clone().grow(30, 1);
    offer(&mut index, &b, longer.all_above(20));
    assert_eq!(index.best(&b).hash, longer.hash(50));
    follow(&mut index, &b, &longer);
    assert_eq!(index.path_to(&on_b.hash(18)).unwrap().fork, Height::new(8));
}

#[test]
fn views_of_branches_equal_those_of_whole_chains() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(30, 1);
    offer(&mut index, &trunk, a.all_above(0));
    let b = a.cut(12).grow(9, 2);
    offer(&mut index, &trunk, b.all_above(12));
    follow(&mut index, &trunk, &a.cut(5));
    let connected = a.cut(5);
    let (parent, mut view) = index.view_to(&connected, &b.hash(20)).unwrap().unwrap();
    assert_eq!(parent.height, Height::new(20));
    view.push(&b.headers(20, 21)[0]).unwrap();
    for height in 0..=22 {
        let height = Height::new(height);
        assert_eq!(view.header_at(height).unwrap(), b.header_at(height).unwrap(), "{height}");
        for version in [BlockVersion::POW, BlockVersion::POS, BlockVersion::DPOS] {
            for lowest in [0, 3, 20] {
                let lowest = Height::new(lowest);
                assert_eq!(
                    view.last_of_version(version, height, lowest).unwrap(),
                    b.last_of_version(version, height, lowest).unwrap()
                );
            }
        }
    }
}

#[test]
fn spam_displaces_spam() {
    let (trunk, _) = start();
    let limits = Limits { ahead: 100, beside: 50, branches: 4, depth: 60, ..Limits::default() };
    let mut index = BlockIndex::new(limits);
    let a = trunk.clone().grow(100, 1);
    offer(&mut index, &trunk, a.all_above(0));
    assert_eq!(index.len(), 100);
    assert_eq!(
        offer(&mut index, &trunk, a.clone().grow(1, 1).all_above(100)).unwrap().code(),
        "headers.full"
    );
    let contender = a.cut(40).grow(45, 2);
    offer(&mut index, &trunk, contender.all_above(40));
    for salt in 3..40 {
        let spam = a.cut(u32::from(salt)).grow(20, salt);
        offer(&mut index, &trunk, spam.all_above(u32::from(salt)));
        assert!(index.len() <= 150 && index.branches.len() <= 4);
    }
    assert!(index.get(&contender.hash(85)).is_some(), "the heaviest side branch stays");
    // Once the trunk is far above the fork, the branch cannot win any more.
    follow(&mut index, &trunk, &a);
    assert!(index.get(&contender.hash(85)).is_some());
    let longer = a.clone().grow(1, 1);
    offer(&mut index, &a, longer.all_above(100));
    follow(&mut index, &a, &longer);
    assert!(index.get(&contender.hash(85)).is_none());
    assert_eq!(
        offer(&mut index, &longer, contender.all_above(40)).unwrap().code(),
        "headers.too_deep"
    );
}

#[test]
fn locators_find_the_common_block() {
    let (trunk, mut index) = start();
    let a = trunk.clone().grow(300, 1);
    let b = a.cut(250).grow(30, 2);
    offer(&mut index, &trunk, a.all_above(0));
    follow(&mut index, &trunk, &a);
    offer(&mut index, &a, b.all_above(250));
    let asked = locator(&index, &a, &b.hash(280), Height::new(300)).unwrap();
    assert!(asked.len() <= locator_limit(Height::new(280)));
    assert_eq!(asked[0], b.hash(280));
    assert_eq!(asked.last(), Some(&a.hash(0)));
    let answer =
        |locator: &[BlockHash], stop, most| headers_after(&a, locator, &stop, most).unwrap();
    let HeadersAfter::Headers(headers) = answer(&asked, BlockHash::ZERO, 10) else {
        panic!("headers follow");
    };
    let fork = asked.iter().find_map(|hash| a.height_of(hash).unwrap()).unwrap();
    assert!(fork <= Height::new(250));
    assert_eq!(headers[0].number, fork.next().unwrap());
    assert_eq!(headers.len(), 10);
    // As recorded from the first node: the stop is included; an unknown end means silence.
    let from_genesis = [a.hash(0)];
    let HeadersAfter::Headers(headers) = answer(&from_genesis, a.hash(7), 500) else {
        panic!("headers follow");
    };
    assert_eq!(headers.len(), 7);
    assert_eq!(answer(&[a.hash(9), BlockHash::ZERO], BlockHash::ZERO, 5), HeadersAfter::Silence);
    assert_eq!(answer(&[a.hash(300), a.hash(0)], BlockHash::ZERO, 5), HeadersAfter::Silence);
    assert_eq!(answer(&[a.hash(0); 65], BlockHash::ZERO, 5), HeadersAfter::TooLong);
    let HeadersAfter::Headers(headers) = answer(&[], BlockHash::ZERO, 5) else {
        panic!("an empty locator starts at the genesis block");
    };
    assert_eq!(headers[0].number, Height::new(1));
}

#[derive(Debug, Clone)]
enum Step {
    /// Grow a new branch from a branch (by number) at a height.
    Fork { from: usize, at: u32, count: u32 },
    /// Move the trunk to the heaviest branch, or part of the way.
    Connect { part: u32 },
    /// A block of a branch is invalid.
    Invalid { from: usize, at: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fork = (any::<usize>(), any::<u32>(), 1..12u32).prop_map(|(from, at, count)| Step::Fork {
        from,
        at,
        count,
    });
    let connect = (0..4u32).prop_map(|part| Step::Connect { part });
    let invalid = (any::<usize>(), any::<u32>()).prop_map(|(from, at)| Step::Invalid { from, at });
    proptest::collection::vec(proptest::prop_oneof![4 => fork, 2 => connect, 1 => invalid], 1..25)
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever happens, the best branch is the heaviest one without an invalid block, and the
    /// index stays consistent.
    #[test]
    fn the_best_is_the_heaviest_valid_branch(steps in steps()) {
        let (mut trunk, mut index) = start();
        let mut chains = vec![trunk.clone()];
        let mut bad: Vec<BlockHash> = Vec::new();
        for (salt, step) in (1u8..).zip(steps) {
            match step {
                Step::Fork { from, at, count } => {
                    let from = &chains[from % chains.len()];
                    let at = at % (from.height() + 1);
                    let chain = from.cut(at).grow(count, salt);
                    offer(&mut index, &trunk, chain.all_above(0));
                    chains.push(chain);
                }
                Step::Connect { part } => {
                    let best = index.best(&trunk);
                    let Some(chain) = chains.iter().find(|chain| {
                        chain.height() >= best.height.value()
                            && chain.hash(best.height.value()) == best.hash
                    }) else { panic!("the best branch is one of ours") };
                    let to = chain.cut(best.height.value().saturating_sub(part));
                    if to.tip().work > trunk.tip().work {
                        follow(&mut index, &trunk, &to);
                        trunk = to;
                    }
                }
                Step::Invalid { from, at } => {
                    let chain = &chains[from % chains.len()];
                    let hash = chain.hash(at % (chain.height() + 1));
                    if index.get(&hash).is_some() {
                        index.mark_invalid(&hash);
                        index.assert_consistent(&trunk);
                        bad.push(hash);
                    }
                }
            }
            let valid_part = |chain: &TestChain| {
                let first_bad =
                    (0..=chain.height()).find(|height| bad.contains(&chain.hash(*height)));
                chain.cut(first_bad.map_or(chain.height(), |height| height - 1))
            };
            let heaviest = chains.iter().map(|chain| valid_part(chain).tip().work).max();
            assert_eq!(Some(index.best(&trunk).work), heaviest);
        }
    }
}
