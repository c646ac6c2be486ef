//! Stake blocks: what is asked before one is signed, the search for its time, and the signatures.
//!
//! ```text
//! node --StakeTemplate--> Template::read --search--> time --check--> CheckedTemplate --sign--> SignedStake
//! ```
//!
//! The node chooses transactions and says what the next header looks like. It is not believed in
//! anything that moves coin: the coinstake gives back exactly what it spends to the same key, and the
//! coinbase pays whom the wallet named. The rest of the block is the node's affair: at worst it is
//! refused, and then nothing of it has happened.

mod search;
mod template;

pub use search::{Candidate, Found, SLICE, Search};
pub use template::{CheckedTemplate, SignedStake, Template, TemplateFault, Wanted, can_stake};
