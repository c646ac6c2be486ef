//! Headers from peers, judged in cheap-first order: known, connected to something, time, number,
//! difficulty; then, in batches on any threads, the seal; then their place.
//!
//! ```text
//! [Header] --screen--> Screened --mvs_consensus::header::check_headers--> --place--> held
//! ```

use mvs_consensus::error::{Fault, HeaderRuleError, Rejection};
use mvs_consensus::header::{CheckedHeader, HeaderRejection, Parent, accept_header, screen_header};
use mvs_consensus::params::Params;
use mvs_primitives::hash::BlockHash;
use mvs_primitives::header::Header;
use mvs_primitives::height::Height;

use super::index::{BlockIndex, Standing};
use super::trunk::Trunk;

/// Why a list of headers was not taken to its end.
#[derive(Debug, thiserror::Error)]
pub enum HeadersStop {
    /// Nobody told us the block that the first one builds on: ask for what lies between.
    #[error("the parent {parent} is not known")]
    NoParent {
        /// Hash of the parent.
        parent: BlockHash,
    },
    /// One does not build on the one before it.
    #[error("header {index} does not build on the one before it")]
    NotConsecutive {
        /// Index in the list.
        index: usize,
    },
    /// One is invalid, or builds on an invalid block.
    #[error("the block {hash} is known to be invalid")]
    KnownInvalid {
        /// Hash of the invalid block.
        hash: BlockHash,
    },
    /// One breaks a rule.
    #[error("the header {hash} breaks a rule: {rule}")]
    Rule {
        /// Hash of the header.
        hash: BlockHash,
        /// The rule.
        rule: HeaderRuleError,
    },
    /// One is too far ahead of the clock: nobody's fault, and right a little later.
    #[error("the header {hash} is ahead of the clock")]
    TooEarly {
        /// Hash of the header.
        hash: BlockHash,
    },
    /// They leave our chain so deep that it cannot be undone, or below the last checkpoint.
    #[error("the headers leave our chain at height {fork}, too far below the tip")]
    TooDeep {
        /// The last common height.
        fork: Height,
    },
    /// The index holds as much as it may ahead of the connected chain: ask again when it moved.
    #[error("enough headers are known")]
    Full,
}

impl HeadersStop {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoParent { .. } => "not_yet.no_parent",
            Self::NotConsecutive { .. } => "headers.not_consecutive",
            Self::KnownInvalid { .. } => "headers.known_invalid",
            Self::Rule { rule, .. } => rule.code(),
            Self::TooEarly { .. } => "not_yet.too_early",
            Self::TooDeep { .. } => "headers.too_deep",
            Self::Full => "headers.full",
        }
    }

    /// Returns the header that it speaks of, if it is one.
    pub const fn hash(&self) -> Option<BlockHash> {
        match self {
            Self::KnownInvalid { hash } | Self::Rule { hash, .. } | Self::TooEarly { hash } => {
                Some(*hash)
            }
            Self::NoParent { .. }
            | Self::NotConsecutive { .. }
            | Self::TooDeep { .. }
            | Self::Full => None,
        }
    }
}

/// Headers of which only the seal is still to be verified.
#[derive(Debug, Default)]
pub struct Screened {
    /// New ones, consecutive.
    pub fresh: Vec<Header>,
    /// The last one that is known already, in this list or as the parent of the fresh ones.
    pub last_known: Option<BlockHash>,
    /// Why the list was not taken to its end.
    pub stop: Option<HeadersStop>,
}

/// Judges a list of headers as far as that costs next to nothing.
///
/// # Errors
/// [`Fault`] when the trunk cannot be read.
pub fn screen(
    params: &Params,
    index: &BlockIndex,
    trunk: &impl Trunk,
    headers: Vec<Header>,
    now_secs: u64,
) -> Result<Screened, Fault> {
    let mut screened = Screened::default();
    let mut headers = headers.into_iter().enumerate();
    let mut previous: Option<BlockHash> = None;
    // Those that are known cost one look-up each.
    let first = loop {
        let Some((position, header)) = headers.next() else { return Ok(screened) };
        let hash = header.hash();
        if previous.is_some_and(|previous| header.previous != previous) {
            screened.stop = Some(HeadersStop::NotConsecutive { index: position });
            return Ok(screened);
        }
        match index.standing(trunk, &hash)? {
            Standing::Unknown => break header,
            Standing::Invalid => {
                screened.stop = Some(HeadersStop::KnownInvalid { hash });
                return Ok(screened);
            }
            Standing::Trunk(_) | Standing::Beside(_) => {
                previous = Some(hash);
                screened.last_known = Some(hash);
            }
        }
    };
    let Some((mut parent, mut view)) = index.view_to(trunk, &first.previous)? else {
        let parent = first.previous;
        screened.stop = Some(match index.is_invalid(&parent) {
            true => HeadersStop::KnownInvalid { hash: parent },
            false => HeadersStop::NoParent { parent },
        });
        return Ok(screened);
    };
    screened.last_known = Some(parent.hash);
    if let Some(stop) = check_depth(params, index, trunk, view.fork()) {
        screened.stop = Some(stop);
        return Ok(screened);
    }
    let mut room = index.room_ahead(trunk, &parent.hash);
    let mut next = Some((0, first));
    while let Some((position, header)) = next {
        if room == 0 {
            screened.stop = Some(HeadersStop::Full);
            break;
        }
        room -= 1;
        if header.previous != parent.hash {
            screened.stop = Some(HeadersStop::NotConsecutive { index: position });
            break;
        }
        match screen_header(params, &view, parent, &header, now_secs) {
            Ok(()) => {}
            Err(HeaderRejection::Fault(fault)) => return Err(fault),
            Err(HeaderRejection::NotYet(_)) => {
                screened.stop = Some(HeadersStop::TooEarly { hash: header.hash() });
                break;
            }
            Err(HeaderRejection::Rule(rule)) => {
                screened.stop = Some(HeadersStop::Rule { hash: header.hash(), rule });
                break;
            }
        }
        let height = parent.height.next().ok_or(Fault::Broken("a screened header has a height"))?;
        parent = Parent { hash: header.hash(), height };
        view.push(&header)?;
        screened.fresh.push(header);
        next = headers.next();
    }
    Ok(screened)
}

/// chain.md 8.3: nothing is connected that leaves the chain below the last checkpoint; and the store
/// can undo only so much.
fn check_depth(
    params: &Params,
    index: &BlockIndex,
    trunk: &impl Trunk,
    fork: Height,
) -> Option<HeadersStop> {
    let tip = trunk.tip().height;
    let checkpoint = params.last_checkpoint();
    let below_checkpoint = tip >= checkpoint && fork < checkpoint;
    let too_deep = tip.blocks_since(fork) > index.limits().depth;
    (below_checkpoint || too_deep).then_some(HeadersStop::TooDeep { fork })
}

/// What became of headers whose seals were verified.
#[derive(Debug, Default)]
pub struct Placed {
    /// How many are new in the index.
    pub held: usize,
    /// The last of them.
    pub last: Option<BlockHash>,
    /// Why the others are not.
    pub stop: Option<HeadersStop>,
}

/// Gives headers their place, after their seals were verified. In the meantime the chain may have
/// moved and others may have brought the same headers; both are fine.
///
/// # Errors
/// [`Fault`] of ours.
pub fn place(
    params: &Params,
    index: &mut BlockIndex,
    trunk: &impl Trunk,
    checked: Vec<(BlockHash, Result<CheckedHeader, Rejection<HeaderRuleError>>)>,
    now_secs: u64,
) -> Result<Placed, Fault> {
    let mut placed = Placed::default();
    let mut checked = checked.into_iter().peekable();
    while let Some((hash, _)) = checked.peek() {
        match index.standing(trunk, hash)? {
            Standing::Unknown => break,
            Standing::Invalid => {
                placed.stop = Some(HeadersStop::KnownInvalid { hash: *hash });
                return Ok(placed);
            }
            Standing::Trunk(_) | Standing::Beside(_) => {
                placed.last = Some(*hash);
                checked.next();
            }
        }
    }
    let mut accepted = Vec::new();
    {
        let parent = match checked.peek() {
            None => return Ok(placed),
            Some((_, Ok(first))) => first.header().previous,
            Some((_, Err(_))) => BlockHash::ZERO,
        };
        let mut foot = index.view_to(trunk, &parent)?;
        for (index, (hash, result)) in checked.enumerate() {
            let header = match result {
                Ok(header) => header,
                Err(Rejection::Fault(fault)) => return Err(fault),
                Err(Rejection::Rule(rule)) => {
                    placed.stop = Some(HeadersStop::Rule { hash, rule });
                    break;
                }
            };
            let Some((parent, view)) = foot.as_mut() else {
                placed.stop = Some(HeadersStop::NoParent { parent });
                break;
            };
            if header.header().previous != parent.hash {
                placed.stop = Some(HeadersStop::NotConsecutive { index });
                break;
            }
            match accept_header(params, &*view, *parent, header, now_secs) {
                Ok(header) => {
                    *parent = Parent { hash, height: header.height() };
                    view.push(header.header())?;
                    accepted.push(header);
                }
                Err(HeaderRejection::Fault(fault)) => return Err(fault),
                Err(HeaderRejection::NotYet(_)) => {
                    placed.stop = Some(HeadersStop::TooEarly { hash });
                    break;
                }
                Err(HeaderRejection::Rule(rule)) => {
                    placed.stop = Some(HeadersStop::Rule { hash, rule });
                    break;
                }
            }
        }
    }
    placed.last = accepted.last().map(|header| header.hash()).or(placed.last);
    placed.held = index.append(trunk, accepted)?;
    Ok(placed)
}
