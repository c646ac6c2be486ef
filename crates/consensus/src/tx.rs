//! Rules on transactions, in the order in which they are asked (chain.md 7 and 8.3.6).
//!
//! * `check`: what the transaction alone shows, given the network and the height of the tip. The
//!   wallet uses it before it signs.
//! * `connect`: what needs the state. It is one list; the rules on attachments are in
//!   [`crate::attachment`].

mod check;
mod claims;
mod connect;
mod inputs;
mod locks;

pub(crate) use check::deposit_period;
pub use check::{TxKind, check_tx};
pub use claims::{Claim, PoolClaims, PoolConflict};
pub use connect::{ConnectedTx, Place, TxContext, connect_tx};
pub(crate) use inputs::InputSymbols;
