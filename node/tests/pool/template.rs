//! Templates: what they choose, that the chain takes them, and how solutions come back.

use std::sync::Arc;

use mvs_consensus::header_view::HeaderView as _;
use mvs_consensus::params::Fork;
use mvs_consensus::subsidy::block_subsidy;
use mvs_node::mempool::{FeeRate, MempoolConfig};
use mvs_node::mining::{
    MAX_COINBASE_DATA_BYTES, Payout, Solution, SubmitError, TemplateConfig, TemplateError,
    Templates, WorkTemplate,
};
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{CertStatus, CertType, Payload};
use mvs_primitives::block::Block;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{BlockHash, MixHash, SealHash, TxId};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::transaction::Transaction;
use testkit::build::person::{ALICE, BOB, MINER, etp, symbol};
use testkit::build::seal_header;
use testkit::build::tx::TxDraft;

use super::check;
use super::support::{World, params, permissive};

const FEE: u64 = 10_000;

fn payout() -> Payout {
    Payout::to(MINER.script())
}

fn build(world: &World, config: &TemplateConfig, payout: &Payout) -> WorkTemplate {
    WorkTemplate::build(&world.tip(), &world.pool, config, payout, world.clock())
        .expect("there is work")
}

/// Seals a template and gives the block to the chain.
fn solve(world: &mut World, template: &WorkTemplate) {
    let mut header = template.header().clone();
    seal_header(&mut header, world.chain.caches());
    let block = template.solve(header.nonce, header.mix_hash);
    assert_eq!(block.header, header);
    world.append(&block.to_bytes());
}

fn ids(template: &WorkTemplate) -> Vec<TxId> {
    template.transactions().iter().map(|tx| tx.txid()).collect()
}

#[test]
fn an_empty_pool_gives_a_block_of_subsidy_and_data() {
    let mut world = World::new(permissive());
    let payout = Payout { data: b"made by a test".to_vec(), ..payout() };
    let template = build(&world, &TemplateConfig::default(), &payout);
    let height = world.tip().next_height();
    let subsidy = block_subsidy(world.chain.params(), BlockVersion::POW, height);
    let [coinbase] = template.transactions() else { panic!("one coinbase") };
    assert_eq!(coinbase.outputs, [Output::etp(subsidy, MINER.script())]);
    let script = coinbase.inputs[0].script.as_bytes();
    assert!(script.ends_with(b"made by a test"));
    assert_eq!((template.height(), template.fees()), (height, Amount::ZERO));
    assert_eq!(template.seal_hash(), template.header().seal_hash());
    solve(&mut world, &template);

    let data = vec![1; MAX_COINBASE_DATA_BYTES + 1];
    let payout = Payout { data, ..payout };
    let config = TemplateConfig::default();
    let error = WorkTemplate::build(&world.tip(), &world.pool, &config, &payout, world.now);
    assert_eq!(error.unwrap_err().code(), "template.coinbase_data");
}

#[test]
fn time_never_runs_back_and_follows_the_clock() {
    let world = World::new(permissive());
    let tip_time = world.tip().time().unix_secs();
    let at = |now: u64| {
        let config = TemplateConfig::default();
        WorkTemplate::build(&world.tip(), &world.pool, &config, &payout(), now)
    };
    assert_eq!(at(u64::from(tip_time)).unwrap().header().timestamp.unix_secs(), tip_time);
    let later = at(u64::from(tip_time) + 77).unwrap();
    assert_eq!(later.header().timestamp.unix_secs(), tip_time + 77);
    // A clock that is a little behind is mended, one that is far behind cannot judge.
    assert_eq!(at(u64::from(tip_time) - 20).unwrap().header().timestamp.unix_secs(), tip_time);
    let error = at(u64::from(tip_time) - 1_000).unwrap_err();
    assert_eq!(error.code(), "not_yet.too_early");
}

#[test]
fn a_poor_parent_is_taken_for_its_rich_child() {
    let mut world = World::new(permissive());
    let parent = world.pay(&world.coins[..1], 1, FEE);
    let previous = world.take(&parent);
    let middling = world.pay(&world.coins[1..2], 1, 3 * FEE);
    world.take(&middling);
    let child = world.pay(&[previous], 1, 20 * FEE);
    world.take(&child);
    let poor = world.pay(&world.coins[2..3], 1, FEE + 1);
    world.take(&poor);
    let all = build(&world, &TemplateConfig::default(), &payout());
    let expected = [&parent, &child, &middling, &poor].map(Transaction::txid);
    assert_eq!(ids(&all)[1..], expected);
    assert_eq!(all.fees().units(), FEE + 3 * FEE + 20 * FEE + FEE + 1);

    let config = TemplateConfig {
        min_rate: FeeRate::of(Amount::from_units(2 * FEE), 200),
        ..TemplateConfig::default()
    };
    assert_eq!(ids(&build(&world, &config, &payout()))[1..], expected[..3]);
    solve(&mut world, &all);
    assert!(world.pool.is_empty());
}

#[test]
fn a_small_block_takes_what_pays_most_and_fits() {
    let mut world = World::new(permissive());
    let mut txs = Vec::new();
    for coin in 0..20 {
        let tx = world.pay(&world.coins[coin..=coin], 1, FEE * (1 + coin as u64));
        world.take(&tx);
        txs.push(tx);
    }
    let large = world.pay(&world.coins[20..60], 1, 1_000 * FEE);
    world.take(&large);
    let config = TemplateConfig { max_block_bytes: 2_500, ..TemplateConfig::default() };
    let template = build(&world, &config, &payout());
    let block = template.solve(0, MixHash::ZERO);
    assert!(block.nominal_size() <= 2_500 && block.nominal_size() > 2_200);
    // The large one pays best and does not fit; of the others the best paying come first.
    let best: Vec<TxId> = txs.iter().rev().map(Transaction::txid).collect();
    let chosen = &ids(&template)[1..];
    assert_eq!(chosen, &best[..chosen.len()]);
    assert!(chosen.len() >= 10);
    solve(&mut world, &template);
    check::consistent(&world);
}

#[test]
fn signature_operations_are_bounded_over_all_transactions() {
    let mut params = params();
    params.limits.block_sigops = 20;
    let mut world = World::with_params(params, permissive(), 10);
    for coin in 0..8 {
        let tx = world.pay(&world.coins[coin..=coin], 4, FEE * (1 + coin as u64));
        world.take(&tx);
    }
    let template = build(&world, &TemplateConfig::default(), &payout());
    // One for the coinbase, four for each.
    assert_eq!(template.transactions().len(), 1 + 4);
    solve(&mut world, &template);
    assert_eq!(world.pool.len(), 4);
}

#[test]
fn deposits_get_their_rewards() {
    let mut world = World::new(permissive());
    let deposit = |coins: u64| {
        let script = Script::pay_key_hash_with_lock_height(25_200, &ALICE.key_hash());
        Output::etp(etp(coins), script)
    };
    // Twice the same deposit in one transaction and once more in another: three rewards, of which
    // no two may be the same transaction.
    let draft = TxDraft::new(4).spend(world.coins[0]).pay(deposit(10)).pay(deposit(10));
    let two = world.sign(draft.rest(ALICE));
    world.take(&two);
    let one = world.sign(TxDraft::new(4).spend(world.coins[1]).pay(deposit(10)).rest(ALICE));
    world.take(&one);
    let template = build(&world, &TemplateConfig::default(), &payout());
    let coinbases = template.transactions().iter().filter(|tx| tx.is_coinbase()).count();
    assert_eq!(coinbases, 4);
    let reward = Amount::from_units(10 * 95_890);
    assert_eq!(template.transactions()[1].outputs[0].value, reward);
    assert!(template.refused().is_empty());
    solve(&mut world, &template);
    assert!(world.pool.is_empty());
}

/// A world in which Alice's asset may be mined (chain.md 6.5).
fn with_mined_asset() -> World {
    let mut world = World::new(permissive());
    let draft = TxDraft::new(4)
        .spend(world.coins[0])
        .pay(ALICE.issue("GOLD", 1_000, 0, "alice"))
        .pay(ALICE.cert("GOLD", CertType::DOMAIN, CertStatus::AUTO_ISSUE, "alice"));
    let issue = world.sign(draft.rest(ALICE));
    let content = Some("initial:100,interval:3,base:0.1");
    let cert = ALICE.cert_with("GOLD", CertType::MINING, CertStatus::ISSUE, "alice", content);
    let mining = world.sign(TxDraft::new(4).spend(world.coins[1]).pay(cert).rest(ALICE));
    let draft = TxDraft::new(4)
        .spend(world.coins[2])
        .pay(ALICE.issue("IRON", 1_000, 0, "alice"))
        .pay(ALICE.cert("IRON", CertType::DOMAIN, CertStatus::AUTO_ISSUE, "alice"));
    let other = world.sign(draft.rest(ALICE));
    world.mine(vec![issue, mining, other]);
    world
}

#[test]
fn an_asset_is_mined_beside_coin_until_nothing_is_left() {
    let mut world = with_mined_asset();
    let asset = Some(symbol("GOLD"));
    let payout = Payout { asset, ..payout() };
    let mut minted = Vec::new();
    for _ in 0..12 {
        let template = build(&world, &TemplateConfig::default(), &payout);
        let outputs = &template.transactions()[0].outputs;
        minted.push(match outputs.get(1).map(|output| &output.attachment.payload) {
            Some(Payload::AssetTransfer(transfer)) => transfer.quantity.units(),
            None => 0,
            other => panic!("{other:?}"),
        });
        solve(&mut world, &template);
    }
    // A tenth after every three blocks, rounded to nothing at last.
    assert_eq!(minted, [100, 100, 10, 10, 10, 1, 1, 1, 0, 0, 0, 0]);
    let held: u64 = world
        .chain
        .state()
        .coins()
        .filter_map(|(_, coin)| coin.output.attachment.asset())
        .filter(|(held, _)| **held == symbol("GOLD"))
        .map(|(_, quantity)| AssetAmount::units(quantity))
        .sum();
    assert_eq!(held, 1_000 + 233);

    for name in ["IRON", "NEVER"] {
        let payout = Payout { asset: Some(symbol(name)), ..payout.clone() };
        let config = TemplateConfig::default();
        let error = WorkTemplate::build(&world.tip(), &world.pool, &config, &payout, world.clock());
        assert_eq!(error.unwrap_err().code(), "template.asset_not_minable", "{name}");
    }
}

#[test]
fn no_work_where_a_work_block_may_not_come() {
    let mut params = params();
    params.checkpoints.push(mvs_consensus::params::KnownBlock {
        height: mvs_primitives::height::Height::new(4),
        hash: BlockHash::from_bytes([1; 32]),
    });
    params.version_4_required = Fork::Never;
    let world = World::with_params(params, permissive(), 3);
    let config = TemplateConfig::default();
    let built = WorkTemplate::build(&world.tip(), &world.pool, &config, &payout(), world.clock());
    let error = built.unwrap_err();
    assert!(matches!(error, TemplateError::NotAllowed(_)), "{error}");
    assert_eq!(error.code(), "header.checkpoint");
}

#[test]
fn work_changes_with_the_tip_at_once_and_with_the_pool_at_intervals() {
    let mut world = World::new(permissive());
    let mut templates = Templates::new(TemplateConfig::default());
    let get = |templates: &mut Templates, world: &World, later: u64| {
        let now = world.clock() + later;
        templates.work(&world.tip(), &world.pool, &payout(), now).unwrap()
    };
    let first = get(&mut templates, &world, 0);
    let tx = world.pay(&world.coins[..1], 1, FEE);
    world.take(&tx);
    assert!(Arc::ptr_eq(&first, &get(&mut templates, &world, 9)), "too soon");
    let second = get(&mut templates, &world, 10);
    assert_eq!(second.transactions().len(), 2);
    assert!(Arc::ptr_eq(&second, &get(&mut templates, &world, 69)), "nothing new");
    let third = get(&mut templates, &world, 70);
    assert!(!Arc::ptr_eq(&second, &third), "old");
    world.mine_empty(1);
    let fourth = get(&mut templates, &world, 70);
    assert_eq!(fourth.parent(), world.chain.tip());
    // Each payout has work of its own.
    let bob = Payout::to(BOB.script());
    let now = world.clock() + 70;
    let fifth = templates.work(&world.tip(), &world.pool, &bob, now).unwrap();
    assert_eq!(fifth.transactions()[0].outputs[0].script, BOB.script());
    assert!(Arc::ptr_eq(&fourth, &get(&mut templates, &world, 70)));
}

#[test]
fn solutions_are_taken_for_recent_work_on_the_tip_once() {
    let mut world = World::new(permissive());
    let config = TemplateConfig { kept_templates: 3, ..TemplateConfig::default() };
    let mut templates = Templates::new(config);
    let mut work = Vec::new();
    for step in 0..4u64 {
        let now = world.clock() + 100 * step;
        work.push(templates.work(&world.tip(), &world.pool, &payout(), now).unwrap().seal_hash());
    }
    let tip = world.chain.tip().hash;
    let mix = MixHash::from_bytes([4; 32]);
    let solution = |work, nonce| Solution { work, nonce, mix_hash: mix };
    assert_eq!(templates.submit(tip, solution(work[0], 1)), Err(SubmitError::UnknownWork(work[0])));
    let block = templates.submit(tip, solution(work[1], 7)).unwrap();
    assert_eq!((block.header.nonce, block.header.mix_hash), (7, mix));
    assert_eq!(block.header.seal_hash(), work[1]);
    // Its block was not taken in, so it may come again; afterwards not.
    assert!(templates.submit(tip, solution(work[1], 7)).is_ok());
    templates.taken(solution(work[1], 7));
    assert_eq!(templates.submit(tip, solution(work[1], 7)), Err(SubmitError::Duplicate));
    assert!(templates.submit(tip, solution(work[1], 8)).is_ok());
    assert!(templates.submit(tip, solution(work[3], 7)).is_ok());
    let nothing = SealHash::from_bytes([0; 32]);
    assert_eq!(templates.submit(tip, solution(nothing, 7)).unwrap_err().code(), "work.unknown");
    world.mine_empty(1);
    let tip = world.chain.tip().hash;
    assert_eq!(templates.submit(tip, solution(work[3], 9)).unwrap_err().code(), "work.stale");
}

#[test]
fn a_real_solution_becomes_the_tip() {
    let mut world = World::new(MempoolConfig::default());
    let tx = world.pay(&world.coins[..2], 2, FEE);
    world.take(&tx);
    let mut templates = Templates::new(TemplateConfig::default());
    let work = templates.work(&world.tip(), &world.pool, &payout(), world.clock()).unwrap();
    let mut header = work.header().clone();
    seal_header(&mut header, world.chain.caches());
    let tip = world.chain.tip().hash;
    let Header { nonce, mix_hash, .. } = header;
    let solution = Solution { work: work.seal_hash(), nonce, mix_hash };
    let block: Block = templates.submit(tip, solution).unwrap();
    let outcome = world.append(&block.to_bytes());
    assert_eq!(outcome.confirmed.len(), 1);
    assert_eq!(world.chain.tip().hash, header.hash());
    assert!(world.chain.headers().header_at(world.chain.tip().height).unwrap().is_some());
    let paid = OutPoint::new(work.transactions()[0].txid(), 0);
    assert_eq!(world.find(&paid).unwrap().script, MINER.script());
}
