//! The end of the chain, as the rules on loose transactions see it.

use mvs_consensus::error::Fault;
use mvs_consensus::header::Parent;
use mvs_consensus::header_view::{HeaderView, median_time_past};
use mvs_consensus::params::Params;
use mvs_consensus::state::StateView;
use mvs_consensus::tx::{Place, TxContext};
use mvs_primitives::height::Height;
use mvs_primitives::time::Timestamp;

/// The block that the next one builds on, with the headers and the state up to it.
///
/// It borrows from whatever the chain owner publishes, so a worker thread makes its own from the
/// same snapshot.
#[derive(Clone, Copy)]
pub struct Tip<'a> {
    params: &'a Params,
    block: Parent,
    next: Height,
    time: Timestamp,
    median_time_past: u32,
    headers: &'a dyn HeaderView,
    state: &'a dyn StateView,
}

impl<'a> Tip<'a> {
    /// Describes the tip `block`; `headers` and `state` are those of the chain that ends in it.
    ///
    /// # Errors
    /// A fault when the headers do not reach the tip, or the chain is at the last 32-bit height.
    pub fn new(
        params: &'a Params,
        block: Parent,
        headers: &'a dyn HeaderView,
        state: &'a dyn StateView,
    ) -> Result<Self, Fault> {
        let next = block.height.next().ok_or(Fault::Broken("there is no height above the tip"))?;
        let missing = Fault::Broken("the headers do not reach the tip");
        let Some(header) = headers.header_at(block.height)? else { return Err(missing) };
        let Some(median) = median_time_past(&headers, next)? else { return Err(missing) };
        Ok(Self {
            params,
            block,
            next,
            time: header.timestamp,
            median_time_past: median.unix_secs(),
            headers,
            state,
        })
    }

    /// Returns the network.
    pub const fn params(&self) -> &'a Params {
        self.params
    }

    /// Returns hash and height of the tip.
    pub const fn block(&self) -> Parent {
        self.block
    }

    /// Returns the height of the next block.
    pub const fn next_height(&self) -> Height {
        self.next
    }

    /// Returns the timestamp of the tip.
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// Returns the median time past of the next block, as Unix time.
    pub const fn median_time_past(&self) -> u32 {
        self.median_time_past
    }

    /// Returns the headers up to the tip.
    pub const fn headers(&self) -> &'a dyn HeaderView {
        self.headers
    }

    /// Returns the state after the tip.
    pub const fn state(&self) -> &'a dyn StateView {
        self.state
    }

    /// Returns where loose transactions are judged: as if they came into the next block.
    pub(super) const fn context(&self) -> TxContext<'a> {
        TxContext {
            params: self.params,
            height: self.next,
            tip: self.block.height,
            block_time: self.time,
            median_time_past: self.median_time_past,
            headers: self.headers,
            state: self.state,
            place: Place::Pool,
        }
    }
}

impl std::fmt::Debug for Tip<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tip").field("block", &self.block).finish_non_exhaustive()
    }
}
