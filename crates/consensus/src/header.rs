//! Headers: from bytes that decode to a place in the chain (chain.md 8.1, 8.2).
//!
//! ```text
//! Header --check_headers (seal, in batches)--> CheckedHeader --accept_header--> PlacedHeader
//! ```
//!
//! The seal is the dear part. [`screen_header`] asks everything else first, so that a node can drop
//! spam before it evaluates ethash or builds a cache for an epoch that a header merely claims.

use mvs_pow::{CacheSet, PowError, Work};
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;

use crate::difficulty::required_bits;
use crate::error::{Fault, HeaderRuleError, NotYet, Rejection, broken, demand};
use crate::header_view::{HeaderView, median_time_past, run_length};
use crate::params::{Params, PosGenesisRule};

/// A header whose seal holds. A stake block's seal is its stake, which only
/// [`crate::block::connect_block`] can judge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedHeader {
    header: Header,
    hash: BlockHash,
}

impl CheckedHeader {
    /// For a template, which has no seal yet and never becomes a block that is connected.
    pub(crate) fn unsealed(header: Header) -> Self {
        Self { hash: header.hash(), header }
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns its hash.
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }
}

/// A header at its place in a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedHeader {
    header: Header,
    hash: BlockHash,
    height: Height,
    median_time_past: u32,
    is_before_stake: bool,
}

impl PlacedHeader {
    /// The genesis block's header; nothing about it is checked.
    pub(crate) fn genesis(header: Header) -> Self {
        Self {
            hash: header.hash(),
            median_time_past: header.timestamp.unix_secs(),
            height: Height::GENESIS,
            is_before_stake: true,
            header,
        }
    }

    /// Returns the header.
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Returns its hash.
    pub const fn hash(&self) -> BlockHash {
        self.hash
    }

    /// Returns its height: the position in the branch.
    pub const fn height(&self) -> Height {
        self.height
    }

    /// Returns the median of the timestamps of the up to eleven blocks before it.
    pub const fn median_time_past(&self) -> u32 {
        self.median_time_past
    }

    /// Tells whether this is a stake block before which no other comes, as chain.md 9.3 counts.
    pub const fn is_before_stake(&self) -> bool {
        self.is_before_stake
    }
}

/// The block that a header builds on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its hash.
    pub hash: BlockHash,
    /// Its height.
    pub height: Height,
}

/// The answer to a header: rule, not yet, or our own failure.
#[derive(Debug, thiserror::Error)]
pub enum HeaderRejection {
    /// A rule is broken.
    #[error(transparent)]
    Rule(#[from] HeaderRuleError),
    /// It cannot be judged now.
    #[error(transparent)]
    NotYet(#[from] NotYet),
    /// We could not judge.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl HeaderRejection {
    /// Returns the stable code; `fault` for our own failures.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rule(rule) => rule.code(),
            Self::NotYet(wait) => wait.code(),
            Self::Fault(_) => "fault",
        }
    }
}

/// Checks versions and seals, many at once: 32 seals together cost a tenth each of one alone.
///
/// Stake headers pass here. Answers are in the order of the headers.
pub fn check_headers(
    params: &Params,
    caches: &CacheSet,
    headers: Vec<Header>,
) -> Vec<Result<CheckedHeader, Rejection<HeaderRuleError>>> {
    let mut works = Vec::with_capacity(headers.len());
    let prepared: Vec<_> = headers
        .iter()
        .map(|header| {
            check_version(params, header)?;
            if header.version == BlockVersion::POW {
                works.push(work_of(header)?);
            }
            Ok(())
        })
        .collect();
    let mut seals = caches.verify_many(&works).into_iter();
    headers
        .into_iter()
        .zip(prepared)
        .map(|(header, prepared)| {
            prepared.map_err(broken)?;
            if header.version == BlockVersion::POW {
                let seal = seals.next().ok_or(Fault::Broken("a seal has no answer"))?;
                seal.map_err(|error| seal_rejection(&header, &error))?;
            }
            Ok(CheckedHeader { hash: header.hash(), header })
        })
        .collect()
}

fn check_version(params: &Params, header: &Header) -> Result<(), HeaderRuleError> {
    let known = match header.version {
        BlockVersion::POW => true,
        BlockVersion::POS => params.pos_allowed,
        _ => false,
    };
    demand(known, HeaderRuleError::Version { found: header.version.number() })
}

/// Returns what ethash has to verify for a header.
fn work_of(header: &Header) -> Result<Work, HeaderRuleError> {
    Work::of_header(
        u64::from(header.number.value()),
        *header.seal_hash().as_bytes(),
        header.nonce,
        *header.mix_hash.as_bytes(),
        header.bits.value(),
    )
    .map_err(|_| HeaderRuleError::SealEpoch { number: header.number })
}

fn seal_rejection(header: &Header, error: &PowError) -> Rejection<HeaderRuleError> {
    match error {
        PowError::MixMismatch { .. } => broken(HeaderRuleError::SealMix),
        PowError::ResultAboveBoundary { .. } => {
            broken(HeaderRuleError::SealBoundary { bits: header.bits })
        }
        PowError::EpochOutOfRange { .. } => {
            broken(HeaderRuleError::SealEpoch { number: header.number })
        }
        other => Rejection::Fault(Fault::Storage(other.to_string())),
    }
}

/// Checks everything about a header but its seal, against the branch that ends in `parent`.
///
/// A node asks this before [`check_headers`]; [`accept_header`] asks it again, so nothing hangs on
/// the order.
///
/// # Errors
/// The first rule that is broken, or why it must wait.
pub fn screen_header(
    params: &Params,
    view: &dyn HeaderView,
    parent: Parent,
    header: &Header,
    now_secs: u64,
) -> Result<(), HeaderRejection> {
    check_version(params, header)?;
    if header.previous != parent.hash {
        return Err(NotYet::NoParent { parent: header.previous }.into());
    }
    let Some(height) = parent.height.next() else {
        let (found, parent) = (header.number, parent.height);
        return Err(HeaderRuleError::Number { found, parent }.into());
    };
    if params.strictness.header_number {
        let (found, parent) = (header.number, parent.height);
        demand(found == height, HeaderRuleError::Number { found, parent })?;
    }
    let is_stake = header.version == BlockVersion::POS;
    let too_early = HeaderRuleError::StakeTooEarly { height, first: params.pos_enabled_height };
    demand(!is_stake || params.is_pos_era(height), too_early)?;
    if let Some(expected) = params.checkpoint_at(height) {
        let known = header.hash() == *expected;
        demand(known, HeaderRuleError::Checkpoint { height, expected: *expected })?;
    }
    check_run(params, view, header.version, height)?;
    let required = required_bits(params, &view, header.version, header.timestamp, height)?
        .ok_or(Fault::Broken("the parent's header is missing"))?;
    demand(header.bits == required, HeaderRuleError::Bits { found: header.bits, required })?;
    // Last, because it may mean "ask again": only what is otherwise right is worth keeping.
    check_time(params, view, header, height, now_secs)
}

/// chain.md 8.1.3.
fn check_run(
    params: &Params,
    view: &dyn HeaderView,
    version: BlockVersion,
    height: Height,
) -> Result<(), HeaderRejection> {
    if height <= params.stake.run_limits_above {
        return Ok(());
    }
    let Some(run) = run_length(&view, version, height)? else { return Ok(()) };
    if version == BlockVersion::POS {
        let max = params.stake.max_pos_run;
        Ok(demand(run <= max, HeaderRuleError::PosRun { run, max })?)
    } else {
        let max = params.stake.max_pow_run;
        Ok(demand(run <= max, HeaderRuleError::PowRun { run, max })?)
    }
}

/// chain.md 8.1.5. Limits are inclusive; an equal timestamp is allowed.
fn check_time(
    params: &Params,
    view: &dyn HeaderView,
    header: &Header,
    height: Height,
    now_secs: u64,
) -> Result<(), HeaderRejection> {
    let timestamp = header.timestamp.unix_secs();
    let limit_secs = if !params.strict_time.is_active(header.number) {
        params.loose_future_secs
    } else {
        let parent = height
            .previous()
            .map(|parent| view.header_at(parent))
            .transpose()?
            .flatten()
            .ok_or(Fault::Broken("the parent's header is missing"))?
            .timestamp
            .unix_secs();
        demand(timestamp >= parent, HeaderRuleError::TimeBackwards { found: timestamp, parent })?;
        if params.is_pos_era(height) { params.pos_future_secs } else { params.strict_future_secs }
    };
    if u64::from(timestamp) > now_secs.saturating_add(u64::from(limit_secs)) {
        return Err(NotYet::TooEarly { timestamp, now: now_secs, limit_secs }.into());
    }
    Ok(())
}

/// Gives a header its place in the branch that ends in `parent`.
///
/// `view` holds the headers of that branch up to the parent; `now_secs` is our clock as Unix time.
///
/// # Errors
/// The first rule that is broken, or why it must wait.
pub fn accept_header(
    params: &Params,
    view: &dyn HeaderView,
    parent: Parent,
    checked: CheckedHeader,
    now_secs: u64,
) -> Result<PlacedHeader, HeaderRejection> {
    let CheckedHeader { header, hash } = checked;
    screen_header(params, view, parent, &header, now_secs)?;
    let height = parent.height.next().ok_or(Fault::Broken("a screened header has a height"))?;
    let median_time_past = median_time_past(&view, height)?
        .ok_or(Fault::Broken("headers of the branch are missing"))?
        .unix_secs();
    // Only stake blocks are asked; for others the walk back would be for nothing.
    let is_before_stake =
        header.version == BlockVersion::POS && is_before_stake(params, view, height)?;
    Ok(PlacedHeader { header, hash, height, median_time_past, is_before_stake })
}

/// chain.md 9.3: whether no stake block comes before a height.
fn is_before_stake(params: &Params, view: &dyn HeaderView, height: Height) -> Result<bool, Fault> {
    match params.pos_genesis.rule {
        PosGenesisRule::UpTo(last) => Ok(height <= last),
        PosGenesisRule::FirstInChain => {
            let Some(parent) = height.previous() else { return Ok(true) };
            let lowest = Height::new(params.pos_enabled_height.saturating_add(1));
            Ok(view.last_of_version(BlockVersion::POS, parent, lowest)?.is_none())
        }
    }
}
