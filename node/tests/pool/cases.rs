//! The rule cases that are offered as loose transactions: a pool without a policy of its own says
//! what the rules say.

use mvs_consensus::error::Rejection;
use mvs_consensus::script::CacheUse;
use mvs_node::mempool::{LooseTx, Mempool, Origin};
use mvs_primitives::encode::Decode;
use mvs_primitives::transaction::Transaction;
use testkit::cases::{Offer, all};

use super::support::{permissive, tip_of};

#[test]
fn loose_cases_get_the_verdict_of_the_rules() {
    let (mut good, mut bad) = (0, 0);
    for case in all() {
        let Offer::LooseTx(bytes) = &case.offer else { continue };
        let Ok(transaction) = Transaction::decode(bytes) else { continue };
        let chain = case.base.chain();
        let mut pool = Mempool::new(permissive());
        let tx = LooseTx::from(transaction);
        let tip = tip_of(chain);
        let found = match pool.accept(&tip, tx, Origin::Peer, CacheUse::Off, case.now_secs) {
            Ok(_) => None,
            Err(Rejection::Rule(reject)) => Some(reject.code()),
            Err(Rejection::Fault(fault)) => panic!("{}: {fault}", case.name),
        };
        assert_eq!(found, case.code, "{}", case.name);
        match found {
            None => good += 1,
            Some(_) => bad += 1,
        }
    }
    assert!(good >= 50 && bad >= 80, "only {good} good and {bad} bad cases");
}
