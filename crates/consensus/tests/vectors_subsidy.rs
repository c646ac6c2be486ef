//! Subsidies at every decay, and the powers behind them. The rows of `subsidy.json` are checked in
//! `testnet/kit`.

use mvs_consensus::double::pow;
use mvs_consensus::params::Params;
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::header::BlockVersion;
use mvs_primitives::height::Height;
use serde_json::Value;

mod common;

use common::list;

#[test]
fn powers_of_the_decay_are_correctly_rounded() {
    let table: Value = serde_json::from_str(include_str!("data/pow095.json")).unwrap();
    let bits = list(&table, "bits");
    assert_eq!(bits.len(), 1001);
    for (exponent, expected) in bits.iter().enumerate() {
        let found = format!("{:016x}", pow(0.95, exponent as u32).to_bits());
        assert_eq!(found, expected.as_str().unwrap(), "0.95^{exponent}");
    }
}

/// The subsidy as the document writes it, with this platform's `pow`.
fn with_the_platforms_pow(params: &Params, version: BlockVersion, height: Height) -> u64 {
    let bucket = height.value() / params.subsidy.bucket_blocks;
    let decay = 0.95f64.powf(f64::from(bucket));
    if version == BlockVersion::POS {
        return ((0.3 * 1e8 * decay).round() as u64).min(30_000_000);
    }
    if height.value() < params.pos_enabled_height {
        return (300_000_000.0 * decay).trunc() as u64;
    }
    let base = if bucket <= 4 { 3.0 } else { 2.5 };
    ((base * 1e8 * decay).round() as u64).min(300_000_000)
}

#[test]
fn every_bucket_agrees_with_this_platform() {
    for params in [Params::mainnet(), Params::testnet(), Params::devnet()] {
        let last = u32::MAX / params.subsidy.bucket_blocks;
        for bucket in 0..=last.min(1000) {
            let first = bucket * params.subsidy.bucket_blocks;
            for height in [first, first.saturating_add(params.subsidy.bucket_blocks - 1)] {
                for version in [BlockVersion::POW, BlockVersion::POS] {
                    let height = Height::new(height);
                    let found = block_subsidy(&params, version, height).units();
                    let platform = with_the_platforms_pow(&params, version, height);
                    assert_eq!(found, platform, "{} {version:?} {height}", params.name);
                }
            }
        }
    }
}
