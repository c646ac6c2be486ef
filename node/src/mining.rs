//! Block templates and solved blocks.
//!
//! ```text
//! tip + pool + payout --Templates::work--> WorkTemplate --miner--> nonce, mix --Templates::submit--> Block
//! tip + pool + stake  --StakeTemplate::build--> header, coinstake to sign --wallet--> Block
//! ```
//!
//! A template ends by running the real rules on itself (`judge_template` of the consensus crate), so
//! that no miner works on a block that we would refuse. The blocks that come out are offered to the
//! chain owner like those of any peer.
//!
//! Start reading in `mining/template.rs` and `mining/work.rs`.

mod coinbase;
mod error;
mod stake;
mod template;
mod work;

pub use coinbase::{MAX_COINBASE_DATA_BYTES, Payout};
pub use error::{SubmitError, TemplateError};
pub use stake::{MAX_STAKE_INPUTS, StakeBlock, StakeRequest, StakeTemplate, can_stake};
pub use template::{TemplateConfig, WorkTemplate};
pub use work::{Solution, Templates};
