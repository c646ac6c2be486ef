//! Stake templates, on the chains of the stake cases.

use std::sync::LazyLock;

use mvs_node::mempool::{Mempool, Tip};
use mvs_node::mining::{
    MAX_STAKE_INPUTS, Payout, StakeRequest, StakeTemplate, TemplateConfig, TemplateError,
};
use mvs_primitives::block::{Block, BlockSig};
use mvs_primitives::encode::Encode;
use mvs_primitives::input::OutPoint;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::time::Timestamp;
use testkit::build::person::{ALICE, BOB, MINER, PEOPLE, Person};
use testkit::build::tx::{TxDraft, sign_input};
use testkit::cases::base::Bases;
use testkit::chain::MemoryChain;

use super::support::{World, permissive, tip_of};

static BASES: LazyLock<Bases> = LazyLock::new(Bases::build);

/// Coins of somebody on a chain, best first.
fn coins_of(chain: &MemoryChain, person: Person) -> Vec<OutPoint> {
    let own = chain.state().coins().filter(|(_, coin)| {
        coin.output.is_etp() && coin.output.script == person.script() && !coin.is_coinbase
    });
    let mut own: Vec<_> = own.map(|(outpoint, coin)| (coin.output.value, *outpoint)).collect();
    own.sort_unstable_by(|a, b| b.cmp(a));
    own.into_iter().map(|(_, outpoint)| outpoint).collect()
}

fn staker(chain: &MemoryChain) -> Person {
    let deposits = chain.state().all_stake_deposits();
    let owners: Vec<_> = deposits.map(|(address, _)| *address).collect();
    PEOPLE.into_iter().find(|person| owners.contains(&person.address())).expect("somebody stakes")
}

fn request(person: Person, inputs: Vec<OutPoint>) -> StakeRequest {
    let payout = Payout::to(MINER.script());
    StakeRequest { key: person.key(), inputs, split: false, payout }
}

fn clock(tip: &Tip<'_>) -> u64 {
    u64::from(tip.time().unix_secs()) + 30
}

fn build(
    chain: &MemoryChain,
    pool: &Mempool,
    request: &StakeRequest,
) -> Result<StakeTemplate, TemplateError> {
    let tip = tip_of(chain);
    StakeTemplate::build(&tip, pool, &TemplateConfig::default(), request, clock(&tip))
}

/// Does what a wallet does.
fn sign(template: &StakeTemplate, person: Person) -> Block {
    let from = template.header().timestamp.unix_secs();
    // A real chain takes times up to `last_secs`; tests do not wait.
    let timestamp = template.search().unwrap_or_else(|| {
        (from..).map(Timestamp::from_unix_secs).find(|t| template.kernel_meets(*t)).unwrap()
    });
    let mut coinstake = template.coinstake().clone();
    let scripts: Vec<Script> = (0..)
        .zip(template.spent())
        .map(|(index, coin)| {
            let signature = sign_input(&coinstake, index, &coin.output.script, person);
            ScriptBuilder::new().push(&signature).push(&person.key()).build()
        })
        .collect();
    for (input, script) in coinstake.inputs.iter_mut().zip(scripts) {
        input.script = script;
    }
    let block = template.assemble(coinstake, timestamp);
    let signature = person.sign(*block.header().hash().as_bytes());
    block.sign(BlockSig::from_compact(signature.serialize_compact()))
}

#[test]
fn a_staker_makes_blocks_from_templates() {
    let chain = BASES.after_stake.chain().clone();
    let person = staker(&chain);
    let mut world = World::on(chain, Mempool::new(permissive()));
    for (round, split) in [false, true, true].into_iter().enumerate() {
        let other = if person == ALICE { BOB } else { ALICE };
        let rich = coins_of(&world.chain, other)[round];
        let payment = world.sign(TxDraft::new(4).spend(rich).rest(other));
        world.take(&payment);
        let coins = coins_of(&world.chain, person);
        let good = coins.iter().find_map(|coin| {
            let request = StakeRequest { split, ..request(person, vec![*coin]) };
            build(&world.chain, &world.pool, &request).ok()
        });
        let template = good.expect("one of the coins may be staked");
        assert!(template.refused().is_empty() && template.weight() > 0);
        assert_eq!(template.coinstake().outputs.len(), if split { 3 } else { 2 });
        assert_eq!(template.parent(), world.chain.tip());
        let block = sign(&template, person);
        assert_eq!(block.transactions.len(), 3);
        let outcome = world.append(&block.to_bytes());
        assert_eq!(outcome.confirmed.len(), 1);
    }
}

#[test]
fn what_the_pool_spends_is_not_staked_and_what_is_staked_is_not_spent() {
    let chain = BASES.after_stake.chain().clone();
    let person = staker(&chain);
    let mut world = World::on(chain, Mempool::new(permissive()));
    let coins = coins_of(&world.chain, person);
    let coin = *coins
        .iter()
        .find(|coin| build(&world.chain, &world.pool, &request(person, vec![**coin])).is_ok())
        .expect("one of the coins may be staked");
    let spend = world.sign(TxDraft::new(4).spend(coin).rest(person));
    world.take(&spend);
    let error = build(&world.chain, &world.pool, &request(person, vec![coin])).unwrap_err();
    assert_eq!(error.code(), "template.stake_missing");
}

#[test]
fn each_reason_to_have_no_stake_template() {
    let code = |chain: &MemoryChain, request: &StakeRequest| {
        let pool = Mempool::new(permissive());
        build(chain, &pool, request).err().map(|error| error.code())
    };
    let chain = BASES.after_stake.chain();
    let person = staker(chain);
    let coins = coins_of(chain, person);
    let nothing = OutPoint::new(mvs_primitives::hash::TxId::ZERO, 0);
    let other = PEOPLE
        .into_iter()
        .find(|other| {
            let deposits = chain.state().all_stake_deposits();
            let mut owners = deposits.map(|(address, _)| *address);
            !owners.any(|owner| owner == other.address()) && !coins_of(chain, *other).is_empty()
        })
        .expect("not everybody stakes");
    let others = coins_of(chain, other);
    let inputs = Some("template.stake_inputs");
    assert_eq!(code(chain, &request(person, Vec::new())), inputs);
    assert_eq!(code(chain, &request(person, vec![coins[0]; MAX_STAKE_INPUTS + 1])), inputs);
    assert_eq!(code(chain, &request(person, vec![nothing])), Some("template.stake_missing"));
    assert_eq!(code(chain, &request(person, vec![others[0]])), Some("template.stake_owner"));
    let doubled = code(chain, &request(person, vec![coins[0]; 2]));
    assert!(matches!(doubled, Some("tx.duplicate_input" | "stake.age")), "{doubled:?}");
    let found: Vec<_> =
        others.iter().filter_map(|coin| code(chain, &request(other, vec![*coin]))).collect();
    assert!(found.contains(&"stake.deposit"), "{found:?}");
    // Below the stake era no stake block may come.
    let work = BASES.work.chain();
    let coin = coins_of(work, ALICE)[0];
    let early = code(work, &request(ALICE, vec![coin]));
    assert!(
        matches!(early, Some("header.stake_too_early" | "stake.deposit" | "stake.age")),
        "{early:?}"
    );
}
