//! Blocks: from a body that fits its header to a change of state (chain.md 2.4 and 8).
//!
//! ```text
//! PlacedHeader + BlockBody --check_block--> CheckedBlock
//!     --connect_block--> PendingBlock --scripts, on any threads--> ConnectedBlock
//!     --connect_checkpointed_block (below a checkpoint)----------> ConnectedBlock
//! ```

mod body;
mod check;
mod connect;
mod delta;
mod pending;
mod reward;
mod signature;
mod stake;
mod template;

pub use body::BlockBody;
pub use check::{BodyRejection, CheckedBlock, check_block};
pub use connect::{connect_block, connect_checkpointed_block, connect_genesis, is_vouched_for};
pub use pending::{ConnectedBlock, PendingBlock, ScriptJob, ScriptVerdict};
pub use stake::{check_stake_deposit, check_staked_coin, deposit_window};
pub use template::{TemplateRejection, judge_template};
