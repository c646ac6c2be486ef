//! Rules on stakes.

use mvs_primitives::amount::Amount;
use mvs_primitives::height::Height;

use super::rules;

rules! {
    /// A stake block whose stake breaks a rule (chain.md 9.2).
    pub enum StakeRuleError {
        /// The staker has a deposit that is old enough, large enough and locked long enough.
        #[error("the staker's address has no deposit that entitles it")]
        #[rule("stake.deposit", "chain.md 9.2.2", "stake era")]
        Deposit,
        /// The staked output is worth at least 1,000 ETP.
        #[error("the staked output is worth {found} units, at least {min} are needed")]
        #[rule("stake.value", "chain.md 9.2.3", "stake era")]
        Value {
            /// Units.
            found: Amount,
            /// Least units.
            min: Amount,
        },
        /// The staked output is old enough for the difficulty.
        #[error("the staked output of height {created} needs {needed} blocks of age")]
        #[rule("stake.age", "chain.md 9.2.3", "stake era")]
        Age {
            /// Height of the output.
            created: Height,
            /// Blocks of age needed.
            needed: u32,
        },
        /// The staked output is spendable.
        #[error("the staked output is still locked")]
        #[rule("stake.locked", "chain.md 9.2.4", "stake era")]
        Locked,
        /// The kernel hash meets the target.
        #[error("the stake kernel is above its target")]
        #[rule("stake.kernel", "chain.md 9.2.5", "stake era")]
        Kernel,
    }
}

impl StakeRuleError {
    /// Returns the stable code.
    pub const fn code(&self) -> &'static str {
        self.own_code()
    }
}
