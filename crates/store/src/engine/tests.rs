//! The engine against a model: a map of coins and a list of blocks.

mod corrupt;
mod crash;
mod failed_sync;
mod faults;
mod kill;
mod killed;
mod lookups;
mod model;
mod readers;
mod running;
mod sessions;
mod small_disk;
mod tail;

use super::*;
use crate::sim::SimRng;

/// Images of power cuts to look at in all: 500, or what `MVS_STORE_IMAGES` says. A tenth of them is of
/// the chain's layer, whose test reads the variable too.
fn engine_images() -> u64 {
    let images = std::env::var("MVS_STORE_IMAGES").ok().map_or(500, |n| n.parse().unwrap());
    if cfg!(miri) { 20 } else { images / 10 * 9 }
}

/// How often to do something: fewer times under Miri, more when asked for by `STORE_TEST_FACTOR`.
fn times(normal: u64, miri: u64) -> u64 {
    let factor = std::env::var("STORE_TEST_FACTOR").ok().and_then(|f| f.parse().ok()).unwrap_or(1);
    if cfg!(miri) { miri } else { normal * factor }
}

/// Sizes at which a few blocks fill segments, double shards and call for cleaning.
fn tiny(rng: &mut SimRng) -> Options {
    Options {
        network_id: 7,
        undo_horizon: [0, 1, 3, 6][rng.below(4) as usize],
        segment_bytes: [1024, 2048, 4096][rng.below(3) as usize],
        grow_bytes: 256,
        checkpoint_bytes: 1024 << rng.below(4),
        index: TableOptions {
            shard_bits: rng.below(3) as u8,
            first_line_bits: 0,
            load_percent: 75,
        },
        waste_percent: 10,
        clean_step_bytes: 512 << rng.below(4),
        snapshot_changes_max: 200,
        replay_changes_max: 30,
        background: false,
        write_ahead: true,
    }
}
