//! The pool over a stop and a start, through a real file.

use std::path::PathBuf;

use mvs_consensus::script::CacheUse;
use mvs_node::mempool::{LoadWarning, Loaded, Mempool, Origin, load};

use super::check;
use super::support::{World, permissive, tip_of};

const FEE: u64 = 10_000;
const MAX_BYTES: u64 = 1 << 20;

/// A fresh folder of this test.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("pool-{name}"));
    if folder.exists() {
        std::fs::remove_dir_all(&folder).unwrap();
    }
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A pool with chains and lone transactions, of different ages.
fn filled() -> World {
    let mut world = World::new(permissive());
    for coin in 0..6 {
        let mut previous = world.coins[coin];
        for _ in 0..=coin {
            let tx = world.pay(&[previous], 1, FEE + coin as u64);
            previous = world.take(&tx);
            world.now += 7;
        }
    }
    world
}

fn restore(world: &mut World, loaded: Loaded) {
    let tip = tip_of(&world.chain);
    for saved in loaded.transactions {
        let staged = world.pool.stage(saved.tx, Origin::Local).expect("the pool is empty");
        let cache = CacheUse::ReadWrite(&world.signatures);
        let verdict =
            staged.seen_at(saved.first_seen_secs).verify(&tip, &world.pool.config().policy, cache);
        world.pool.admit(&tip, verdict, world.now).expect("it was good before");
    }
}

#[test]
fn a_pool_survives_a_restart() {
    let mut world = filled();
    let path = folder("restart").join("mempool.dat");
    let genesis = world.chain.params().genesis.header.hash();
    assert_eq!(world.pool.save(&path, &genesis).unwrap(), 21);
    // A second time over the first.
    assert_eq!(world.pool.save(&path, &genesis).unwrap(), 21);
    let before = std::mem::replace(&mut world.pool, Mempool::new(permissive()));
    world.now += 1_000;
    let loaded = load(&path, &genesis, MAX_BYTES).unwrap();
    assert_eq!(loaded.warnings, []);
    restore(&mut world, loaded);
    check::consistent(&world);
    assert_eq!(world.pool.len(), before.len());
    for entry in before.iter() {
        let again = world.pool.get(&entry.txid()).unwrap();
        assert_eq!(again.first_seen_secs(), entry.first_seen_secs());
        assert_eq!(again.ancestors(), entry.ancestors());
    }
    let files: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(files.len(), 1, "nothing is left beside the file");
}

#[test]
fn no_file_is_an_empty_pool_and_an_unreadable_one_an_error() {
    let folder = folder("none");
    let genesis = mvs_primitives::hash::BlockHash::ZERO;
    assert_eq!(load(&folder.join("none"), &genesis, MAX_BYTES).unwrap(), Loaded::default());
    let error = load(&folder, &genesis, MAX_BYTES).unwrap_err();
    assert!(error.to_string().contains("cannot read"), "{error}");
    let pool = Mempool::new(permissive());
    let error = pool.save(&folder.join("no/such/folder"), &genesis).unwrap_err();
    assert!(error.to_string().contains("cannot create"), "{error}");
    // What stands in the way stays.
    let error = pool.save(&folder, &genesis).unwrap_err();
    assert!(error.to_string().contains("cannot replace"), "{error}");
    assert!(folder.is_dir());
}

#[test]
fn a_damaged_file_costs_what_is_damaged_and_what_depends_on_it() {
    let world = filled();
    let path = folder("damaged").join("mempool.dat");
    let genesis = world.chain.params().genesis.header.hash();
    world.pool.save(&path, &genesis).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let loaded = load(&path, &genesis, MAX_BYTES).unwrap();
    assert_eq!(loaded.transactions.len(), 20);
    assert!(matches!(loaded.warnings[..], [LoadWarning::Damaged { .. }]));
    // Those whose parent is lost wait for it like any other.
    let mut again = World::on(world.chain.clone(), Mempool::new(permissive()));
    let mut missing = 0;
    for saved in loaded.transactions {
        match again.offer(saved.tx.transaction()) {
            Ok(_) => {}
            Err(mvs_consensus::error::Rejection::Rule(reject)) => {
                assert!(reject.is_missing_parent(), "{reject}");
                missing += 1;
            }
            Err(fault) => panic!("{fault}"),
        }
    }
    check::consistent(&again);
    assert_eq!(again.pool.len() + missing, 20);
}

#[test]
fn only_so_much_of_a_file_is_read() {
    let world = filled();
    let path = folder("large").join("mempool.dat");
    let genesis = world.chain.params().genesis.header.hash();
    world.pool.save(&path, &genesis).unwrap();
    let loaded = load(&path, &genesis, 2_000).unwrap();
    assert!(loaded.transactions.len() > 4 && loaded.transactions.len() < 12);
    assert!(loaded.warnings.contains(&LoadWarning::TooLarge { read: 2_000 }));
}
