//! Chains of headers that cost nothing to make: stake headers carry no seal, and header rules do not
//! ask for their stake.

use std::collections::HashMap;
use std::sync::Arc;

use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::Fault;
use mvs_consensus::header::{CheckedHeader, check_headers};
use mvs_consensus::header_view::{HeaderChain, HeaderInfo, HeaderView};
use mvs_consensus::params::Params;
use mvs_pow::CacheSet;
use mvs_primitives::difficulty::{Difficulty, Work};
use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

use super::trunk::{Trunk, TrunkTip};

/// A clock ahead of every timestamp here.
pub(crate) const NOW: u64 = u64::MAX / 2;

/// Devnet with stake blocks from height 1 on and no limits on their runs.
pub(crate) fn params() -> Params {
    let mut params = Params::devnet();
    params.name = "headers".to_owned();
    params.pos_enabled_height = 1;
    params.stake.run_limits_above = Height::new(u32::MAX);
    params
}

/// A branch from the genesis block on, which is also a trunk.
#[derive(Debug, Clone)]
pub(crate) struct TestChain {
    pub(crate) params: Arc<Params>,
    headers: Vec<(Header, BlockHash, Work)>,
    view: HeaderChain,
    by_hash: HashMap<BlockHash, u32>,
}

impl TestChain {
    pub(crate) fn new(params: &Arc<Params>) -> Self {
        let genesis = params.genesis.header.clone();
        let mut chain = Self {
            params: Arc::clone(params),
            headers: Vec::new(),
            view: HeaderChain::new(),
            by_hash: HashMap::new(),
        };
        chain.push(genesis);
        chain
    }

    pub(crate) fn push(&mut self, header: Header) {
        let work = self.headers.last().map_or(Work::ZERO, |last| last.2).plus(header.bits);
        self.view.push(&header);
        let hash = header.hash();
        self.by_hash.insert(hash, self.headers.len() as u32);
        self.headers.push((header, hash, work));
    }

    pub(crate) fn height(&self) -> u32 {
        self.headers.len() as u32 - 1
    }

    /// Grows by headers that differ from those of another salt.
    pub(crate) fn grow(mut self, count: u32, salt: u8) -> Self {
        for _ in 0..count {
            let header = self.next(salt);
            self.push(header);
        }
        self
    }

    pub(crate) fn next(&self, salt: u8) -> Header {
        let (last, hash, _) = self.headers.last().expect("genesis is there");
        let number = last.number.next().expect("short");
        let timestamp = Timestamp::from_unix_secs(last.timestamp.unix_secs() + 24);
        let version = BlockVersion::POS;
        let bits = required_bits(&self.params, &self.view, version, timestamp, number);
        Header {
            version,
            previous: *hash,
            merkle: MerkleRoot::from_bytes([salt; 32]),
            timestamp,
            bits: bits.unwrap().expect("the parent is there"),
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number,
        }
    }

    /// The same chain up to a height.
    pub(crate) fn cut(&self, height: u32) -> Self {
        let mut cut = self.clone();
        cut.truncate(height);
        cut
    }

    pub(crate) fn truncate(&mut self, height: u32) {
        for (_, hash, _) in self.headers.split_off(height as usize + 1) {
            self.by_hash.remove(&hash);
        }
        self.view.truncate_to(Height::new(height));
    }

    pub(crate) fn hash(&self, height: u32) -> BlockHash {
        self.headers[height as usize].1
    }

    /// The headers above a height, up to and including another.
    pub(crate) fn headers(&self, above: u32, up_to: u32) -> Vec<Header> {
        self.headers[above as usize + 1..=up_to as usize].iter().map(|h| h.0.clone()).collect()
    }

    pub(crate) fn all_above(&self, above: u32) -> Vec<Header> {
        self.headers(above, self.height())
    }
}

/// Checks seals of headers that have none.
pub(crate) fn check(params: &Params, headers: Vec<Header>) -> Vec<(BlockHash, CheckedHeader)> {
    let caches = CacheSet::new(1);
    let hashes: Vec<_> = headers.iter().map(Header::hash).collect();
    let checked = check_headers(params, &caches, headers).into_iter().map(Result::unwrap);
    hashes.into_iter().zip(checked).collect()
}

impl HeaderView for TestChain {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        self.view.header_at(height)
    }
    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        self.view.last_of_version(version, highest, lowest)
    }
}

impl Trunk for TestChain {
    fn tip(&self) -> TrunkTip {
        let (header, hash, work) = self.headers.last().expect("genesis is there");
        TrunkTip { hash: *hash, height: header.number, work: *work }
    }
    fn hash_at(&self, height: Height) -> Result<Option<BlockHash>, Fault> {
        Ok(self.headers.get(height.value() as usize).map(|h| h.1))
    }
    fn height_of(&self, hash: &BlockHash) -> Result<Option<Height>, Fault> {
        Ok(self.by_hash.get(hash).copied().map(Height::new))
    }
    fn full_header(&self, height: Height) -> Result<Option<Header>, Fault> {
        Ok(self.headers.get(height.value() as usize).map(|h| h.0.clone()))
    }
    fn work_at(&self, height: Height) -> Result<Option<Work>, Fault> {
        Ok(self.headers.get(height.value() as usize).map(|h| h.2))
    }
}

/// A difficulty that no rule asks for.
pub(crate) const WRONG_BITS: Difficulty = Difficulty::from_u64(3);
