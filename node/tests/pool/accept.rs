//! What enters, and what does not.

use super::check;
use super::support::{World, permissive};

#[test]
fn a_chain_of_payments_enters_and_is_mined() {
    let mut world = World::new(permissive());
    let coin = world.coins[0];
    let first = world.pay(&[coin], 2, 10_000);
    let output = world.take(&first);
    let second = world.pay(&[output], 1, 20_000);
    world.take(&second);
    check::consistent(&world);
    assert_eq!(world.pool.len(), 2);
    let outcome = world.mine(vec![first, second]);
    assert_eq!(outcome.confirmed.len(), 2);
    assert!(world.pool.is_empty());
}
