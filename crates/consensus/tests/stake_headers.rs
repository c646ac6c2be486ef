//! What header rules alone say of stake blocks, and what they leave open (docs/decisions/0036).

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use mvs_consensus::difficulty::required_bits;
use mvs_consensus::header::{HeaderRejection, Parent, accept_header, check_headers};
use mvs_consensus::header_view::{HeaderChain, HeaderInfo};
use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::hash::{MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

/// A branch of headers that nobody owns a stake for.
struct Forger {
    params: Params,
    chain: HeaderChain,
    tip: Parent,
    secs: u32,
}

impl Forger {
    fn new(run_limits_above: u32) -> Self {
        let mut params = Params::devnet();
        params.pos_enabled_height = 1;
        params.stake.run_limits_above = Height::new(run_limits_above);
        let genesis = &params.genesis.header;
        let mut chain = HeaderChain::new();
        chain.push(genesis);
        let tip = Parent { hash: genesis.hash(), height: Height::GENESIS };
        Self { secs: genesis.timestamp.unix_secs(), params, chain, tip }
    }

    fn next(&self) -> Header {
        let height = self.tip.height.next().unwrap();
        let timestamp = Timestamp::from_unix_secs(self.secs);
        let bits =
            required_bits(&self.params, &self.chain, BlockVersion::POS, timestamp, height).unwrap();
        Header {
            version: BlockVersion::POS,
            previous: self.tip.hash,
            merkle: MerkleRoot::ZERO,
            timestamp,
            bits: bits.unwrap(),
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: height,
        }
    }

    fn offer(&mut self, header: Header) -> Result<(), HeaderRejection> {
        let caches = CacheSet::new(1);
        let checked = check_headers(&self.params, &caches, vec![header.clone()]).remove(0);
        let checked = checked.expect("stake headers have no seal");
        let now = u64::from(self.secs);
        let placed = accept_header(&self.params, &self.chain, self.tip, checked, now)?;
        self.tip = Parent { hash: placed.hash(), height: placed.height() };
        self.chain.push(&header);
        Ok(())
    }
}

#[test]
fn a_forger_pays_nothing_and_raises_the_difficulty_at_will() {
    let mut forger = Forger::new(u32::MAX);
    let first = forger.next().bits.value();
    for _ in 0..100 {
        let header = forger.next();
        forger.offer(header).unwrap();
    }
    // Two at the least difficulty, then 18/2048 more each: more than twofold after a hundred.
    let last = forger.next().bits.value();
    assert!(last > first * 2 && last < first * 3, "{first} {last}");
}

#[test]
fn what_headers_do_check() {
    let mut forger = Forger::new(1);
    let code = |forger: &mut Forger, change: fn(&mut Header)| {
        let mut header = forger.next();
        change(&mut header);
        forger.offer(header).unwrap_err().code()
    };
    assert_eq!(code(&mut forger, |h| h.bits = Difficulty::from_u64(1)), "header.bits");
    assert_eq!(code(&mut forger, |h| h.number = Height::new(2)), "header.number");
    let back =
        |h: &mut Header| h.timestamp = Timestamp::from_unix_secs(h.timestamp.unix_secs() - 1);
    assert_eq!(code(&mut forger, back), "header.time_backwards");
    let ahead =
        |h: &mut Header| h.timestamp = Timestamp::from_unix_secs(h.timestamp.unix_secs() + 39);
    assert_eq!(code(&mut forger, ahead), "not_yet.too_early");
    let mut early = Forger::new(1);
    early.params.pos_enabled_height = 2;
    assert_eq!(code(&mut early, |_| {}), "header.stake_too_early");
}

#[test]
fn a_forger_needs_work_for_every_twenty_fifth_block() {
    let mut forger = Forger::new(1);
    // A run is counted from the last block of the other kind.
    let work = HeaderInfo {
        version: BlockVersion::POW,
        timestamp: Timestamp::from_unix_secs(forger.secs),
        bits: Difficulty::from_u64(10),
    };
    forger.chain.push(work);
    forger.tip.height = Height::new(1);
    for _ in 0..24 {
        let header = forger.next();
        forger.offer(header).unwrap();
    }
    let header = forger.next();
    assert_eq!(forger.offer(header).unwrap_err().code(), "header.pos_run");
}
