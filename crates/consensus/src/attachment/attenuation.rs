//! Locked assets: the model in an attenuation script, which frees a quantity step by step
//! (chain.md 7.8).
//!
//! A model is text: `PN=0;LH=20;TYPE=1;LQ=15;LP=60;UN=3`. Its period number (PN) and the blocks left in
//! the period (LH) change when part of the asset is spent; the rest never does.
//!
//! # Arithmetic
//! The ancestor computes in 64 bits that wrap around. Here everything is checked: a number outside
//! 64 bits, a division by zero or a period without an entry in its list is an error (in
//! [`AttenuationModel::distance`]: infinite). No model that an issue can create gets there.

use mvs_primitives::amount::AssetAmount;

mod initial;
mod parse;

pub use initial::make_initial;

/// The most unlocks of models with lists (types 2 and 3).
const MAX_LISTED_UNLOCKS: u64 = 100;
/// Inflation rates of type 3, in percent.
const INFLATION_PERCENT: std::ops::RangeInclusive<u64> = 1..=100_000;

/// How a model frees its quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Schedule {
    /// Type 1: the same quantity after each period of the same length.
    Fixed,
    /// Type 2: lists of period lengths and quantities.
    Custom(Lists),
    /// Type 3: the same lists, made from an inflation rate in percent.
    Inflation {
        /// The rate in percent.
        rate_percent: u64,
        /// The lists.
        lists: Lists,
    },
}

/// Period lengths in blocks (UC) and quantities (UQ), one of each per unlock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lists {
    periods: Vec<u64>,
    quantities: Vec<u64>,
}

/// A model that parses. Whether its numbers make sense is for the checks to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttenuationModel {
    period: u64,
    blocks_left: u64,
    locked: u64,
    total_blocks: u64,
    unlocks: u64,
    schedule: Schedule,
    /// The text from its second `;` on.
    constant_part: Vec<u8>,
}

/// What a locked output frees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The quantity that is free.
    ///
    /// For a model that does not fit its output it may be more than the output holds; the caller
    /// subtracts with a check.
    pub available: AssetAmount,
    /// The model of what stays locked; `None` when nothing does.
    pub parameter: Option<Vec<u8>>,
}

/// Why a model is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AttenuationError {
    /// A byte that is neither a letter nor a digit nor one of `,;=`.
    #[error("byte 0x{0:02x}; only letters, digits and , ; = are allowed")]
    Character(u8),
    /// Two commas in a row.
    #[error("two commas in a row")]
    CommaRun,
    /// Fewer pairs than any type needs.
    #[error("{0} pairs; at least 6 are needed")]
    TooFewPairs(usize),
    /// The first pair is not `PN=` or the second not `LH=`.
    #[error("the text must begin with PN= and LH=")]
    Order,
    /// A pair that is not `key=value`.
    #[error("pair {0} is not of the form key=value")]
    Pair(usize),
    /// The same key again.
    #[error("pair {0} repeats a key")]
    DuplicateKey(usize),
    /// A value that does not begin with a 64-bit number, or holds more than letters and digits.
    #[error("the value of pair {0} is not a number")]
    Value(usize),
    /// A type other than 1, 2 and 3.
    #[error("type {0} is none of 1, 2 and 3")]
    Type(u64),
    /// Keys are missing or too many for the type.
    #[error("the keys are not those of the model's type")]
    Keys,
    /// The period number is not below the number of unlocks.
    #[error("period {found} of {unlocks}")]
    Period {
        /// PN.
        found: u64,
        /// UN.
        unlocks: u64,
    },
    /// Locked quantity, lock period or number of unlocks is zero.
    #[error("locked quantity, lock period and number of unlocks must not be 0")]
    Zero,
    /// An issue in a later period than the first.
    #[error("a new model must begin in period 0, not {0}")]
    NotFirstPeriod(u64),
    /// More is locked than there is.
    #[error("{locked} locked of {amount}")]
    LockedTooMuch {
        /// LQ.
        locked: u64,
        /// Quantity of the output.
        amount: u64,
    },
    /// Type 3: the locked quantity is not the whole output.
    #[error("{locked} locked of {amount}; this type locks all")]
    LockedNotAll {
        /// LQ.
        locked: u64,
        /// Quantity of the output.
        amount: u64,
    },
    /// The blocks left do not fit the period.
    #[error("{found} blocks left in a period of {period}")]
    BlocksLeft {
        /// LH.
        found: u64,
        /// Blocks of the period (or of what is left of the lock).
        period: u64,
    },
    /// Fewer blocks or units than unlocks.
    #[error("lock period and locked quantity must not be below the number of unlocks")]
    BelowUnlocks,
    /// More unlocks than a model with lists may have.
    #[error("{0} unlocks; at most 100 are allowed")]
    TooManyUnlocks(u64),
    /// The inflation rate is out of range.
    #[error("inflation rate {0}; 1 to 100000 percent are allowed")]
    InflationRate(u64),
    /// A list has another length than there are unlocks.
    #[error("a list has {found} entries for {unlocks} unlocks")]
    ListLength {
        /// Entries.
        found: usize,
        /// UN.
        unlocks: u64,
    },
    /// A list holds a zero.
    #[error("a list holds a 0")]
    ListZero,
    /// A list does not sum up to its total.
    #[error("a list does not sum up to {total}")]
    ListSum {
        /// LP or LQ.
        total: u64,
    },
    /// Numbers outside 64 bits, or a period that has no length.
    #[error("the model's numbers lead out of 64 bits")]
    Arithmetic,
}

impl AttenuationError {
    /// Every code that [`AttenuationError::code`] can give.
    pub const CODES: [&'static str; 22] = [
        "attenuation.character",
        "attenuation.comma_run",
        "attenuation.too_few_pairs",
        "attenuation.order",
        "attenuation.pair",
        "attenuation.duplicate_key",
        "attenuation.value",
        "attenuation.type",
        "attenuation.keys",
        "attenuation.period",
        "attenuation.zero",
        "attenuation.not_first_period",
        "attenuation.locked_too_much",
        "attenuation.locked_not_all",
        "attenuation.blocks_left",
        "attenuation.below_unlocks",
        "attenuation.too_many_unlocks",
        "attenuation.inflation_rate",
        "attenuation.list_length",
        "attenuation.list_zero",
        "attenuation.list_sum",
        "attenuation.arithmetic",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Character(_) => "attenuation.character",
            Self::CommaRun => "attenuation.comma_run",
            Self::TooFewPairs(_) => "attenuation.too_few_pairs",
            Self::Order => "attenuation.order",
            Self::Pair(_) => "attenuation.pair",
            Self::DuplicateKey(_) => "attenuation.duplicate_key",
            Self::Value(_) => "attenuation.value",
            Self::Type(_) => "attenuation.type",
            Self::Keys => "attenuation.keys",
            Self::Period { .. } => "attenuation.period",
            Self::Zero => "attenuation.zero",
            Self::NotFirstPeriod(_) => "attenuation.not_first_period",
            Self::LockedTooMuch { .. } => "attenuation.locked_too_much",
            Self::LockedNotAll { .. } => "attenuation.locked_not_all",
            Self::BlocksLeft { .. } => "attenuation.blocks_left",
            Self::BelowUnlocks => "attenuation.below_unlocks",
            Self::TooManyUnlocks(_) => "attenuation.too_many_unlocks",
            Self::InflationRate(_) => "attenuation.inflation_rate",
            Self::ListLength { .. } => "attenuation.list_length",
            Self::ListZero => "attenuation.list_zero",
            Self::ListSum { .. } => "attenuation.list_sum",
            Self::Arithmetic => "attenuation.arithmetic",
        }
    }
}

impl Lists {
    fn period(&self, index: u64) -> Option<u64> {
        self.periods.get(usize::try_from(index).ok()?).copied()
    }

    fn quantity(&self, index: u64) -> Option<u64> {
        self.quantities.get(usize::try_from(index).ok()?).copied()
    }

    /// The rules of UC and UQ: one entry per unlock, none zero, summing up to LP and LQ.
    fn check(&self, model: &AttenuationModel) -> Result<(), AttenuationError> {
        let unlocks = model.unlocks;
        if unlocks > MAX_LISTED_UNLOCKS {
            return Err(AttenuationError::TooManyUnlocks(unlocks));
        }
        for (list, total) in [(&self.periods, model.total_blocks), (&self.quantities, model.locked)]
        {
            if u64::try_from(list.len()) != Ok(unlocks) {
                return Err(AttenuationError::ListLength { found: list.len(), unlocks });
            }
            if list.contains(&0) {
                return Err(AttenuationError::ListZero);
            }
            let sum = list.iter().try_fold(0u64, |sum, entry| sum.checked_add(*entry));
            if sum != Some(total) {
                return Err(AttenuationError::ListSum { total });
            }
        }
        Ok(())
    }
}

impl AttenuationModel {
    /// Reads a model.
    ///
    /// # Consensus
    /// chain.md 7.8, "Parse". QUIRK: runs of `;` and of `=` collapse, letters after a number's digits are
    /// ignored, TYPE counts modulo 256, a pair with an empty value is as good as absent.
    ///
    /// # Errors
    /// [`AttenuationError`] when the text is no model.
    pub fn parse(text: &[u8]) -> Result<Self, AttenuationError> {
        parse::parse(text)
    }

    /// Tells whether a text is a model: all that `CHECKATTENUATIONVERIFY` asks of it.
    pub fn is_model(text: &[u8]) -> bool {
        Self::parse(text).is_ok()
    }

    /// Returns the period number (PN) and the blocks left in that period (LH).
    pub const fn position(&self) -> (u64, u64) {
        (self.period, self.blocks_left)
    }

    /// Returns how the model frees its quantity.
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Returns the total locked quantity (LQ).
    pub const fn locked(&self) -> AssetAmount {
        AssetAmount::from_units(self.locked)
    }

    /// Returns the text from its second `;` on, which never changes.
    pub fn constant_part(&self) -> &[u8] {
        &self.constant_part
    }

    /// Checks what holds for every model.
    fn check_common(&self) -> Result<(), AttenuationError> {
        if self.period >= self.unlocks {
            return Err(AttenuationError::Period { found: self.period, unlocks: self.unlocks });
        }
        if self.locked == 0 || self.total_blocks == 0 {
            return Err(AttenuationError::Zero); // no unlocks at all fail above
        }
        Ok(())
    }

    /// Blocks of an ordinary period of type 1.
    fn even_period(&self) -> Result<u64, AttenuationError> {
        self.total_blocks.checked_div(self.unlocks).ok_or(AttenuationError::Arithmetic)
    }

    const fn check_not_below_unlocks(&self) -> Result<(), AttenuationError> {
        if self.total_blocks < self.unlocks || self.locked < self.unlocks {
            return Err(AttenuationError::BelowUnlocks);
        }
        Ok(())
    }

    /// The rules that type 3 has at the start and later.
    fn check_inflation(
        &self,
        rate_percent: u64,
        lists: &Lists,
        amount: u64,
    ) -> Result<(), AttenuationError> {
        self.check_not_below_unlocks()?;
        if self.locked != amount {
            return Err(AttenuationError::LockedNotAll { locked: self.locked, amount });
        }
        if !INFLATION_PERCENT.contains(&rate_percent) {
            return Err(AttenuationError::InflationRate(rate_percent));
        }
        lists.check(self)
    }

    /// Checks the model of an output that locks `amount` anew.
    ///
    /// # Consensus
    /// chain.md 7.8, "Initial check".
    ///
    /// # Errors
    /// [`AttenuationError`] with the first rule that is broken.
    pub fn check_initial(&self, amount: AssetAmount) -> Result<(), AttenuationError> {
        let amount = amount.units();
        if self.period != 0 {
            return Err(AttenuationError::NotFirstPeriod(self.period));
        }
        if self.locked > amount {
            return Err(AttenuationError::LockedTooMuch { locked: self.locked, amount });
        }
        self.check_common()?;
        let first_period = match &self.schedule {
            Schedule::Fixed | Schedule::Inflation { .. } => self.even_period()?,
            Schedule::Custom(lists) => lists.period(0).ok_or(AttenuationError::Keys)?,
        };
        if self.blocks_left != first_period {
            return Err(AttenuationError::BlocksLeft {
                found: self.blocks_left,
                period: first_period,
            });
        }
        match &self.schedule {
            Schedule::Fixed => self.check_not_below_unlocks(),
            Schedule::Custom(lists) => lists.check(self),
            Schedule::Inflation { rate_percent, lists } => {
                self.check_inflation(*rate_percent, lists, amount)
            }
        }
    }

    /// Checks the model of an output that holds `amount` of a locked asset.
    ///
    /// # Consensus
    /// chain.md 7.8, "Running check". QUIRK: type 3 demands that the *total* quantity is the output's, so
    /// what remains of it after a partial release is never valid.
    ///
    /// # Errors
    /// [`AttenuationError`] with the first rule that is broken.
    pub fn check_running(&self, amount: AssetAmount) -> Result<(), AttenuationError> {
        self.check_common()?;
        let longest = match &self.schedule {
            Schedule::Fixed => {
                let period = self.even_period()?;
                if self.period.checked_add(1) == Some(self.unlocks) {
                    // The last period is what the others leave: PN < UN, so the product is at most LP.
                    self.total_blocks
                        .checked_sub(self.period.saturating_mul(period))
                        .ok_or(AttenuationError::Arithmetic)?
                } else {
                    period
                }
            }
            Schedule::Custom(lists) => {
                lists.period(self.period).ok_or(AttenuationError::Arithmetic)?
            }
            Schedule::Inflation { rate_percent, lists } => {
                self.check_inflation(*rate_percent, lists, amount.units())?;
                lists.period(self.period).ok_or(AttenuationError::Arithmetic)?
            }
        };
        if self.blocks_left == 0 || self.blocks_left > longest {
            return Err(AttenuationError::BlocksLeft { found: self.blocks_left, period: longest });
        }
        Ok(())
    }

    /// Returns what an output of `amount` with this model frees after `blocks`, and the model of the
    /// remainder.
    ///
    /// # Consensus
    /// chain.md 7.8, `available(A, d, P)`. QUIRK: for type 1 with LP not divisible by UN there is a window
    /// in which the remainder's period number is UN or more and the freed quantity may exceed the
    /// output's; the running check refuses every such remainder.
    ///
    /// # Errors
    /// [`AttenuationError::Arithmetic`] when the model leads out of its lists or out of 64 bits.
    pub fn available(&self, amount: AssetAmount, blocks: u64) -> Result<Release, AttenuationError> {
        let everything = Release { available: amount, parameter: None };
        if amount.is_zero() {
            return Ok(everything);
        }
        let free = amount.units().saturating_sub(self.locked);
        if let Some(blocks_left) = self.blocks_left.checked_sub(blocks)
            && blocks_left > 0
        {
            return Ok(self.release(free, self.period, blocks_left));
        }
        let release = match &self.schedule {
            Schedule::Fixed => self.available_fixed(free, blocks),
            Schedule::Custom(lists) | Schedule::Inflation { lists, .. } => {
                self.available_listed(lists, free, blocks)
            }
        };
        match release {
            Some(Some(release)) => Ok(release),
            Some(None) => Ok(everything),
            None => Err(AttenuationError::Arithmetic),
        }
    }

    fn release(&self, available: u64, period: u64, blocks_left: u64) -> Release {
        let mut parameter = format!("PN={period};LH={blocks_left}").into_bytes();
        parameter.extend_from_slice(&self.constant_part);
        Release { available: AssetAmount::from_units(available), parameter: Some(parameter) }
    }

    /// `Some(None)` means everything, `None` numbers out of range.
    fn available_fixed(&self, free: u64, blocks: u64) -> Option<Option<Release>> {
        let length = self.total_blocks.checked_div(self.unlocks)?;
        let elapsed = blocks
            .checked_sub(self.blocks_left)?
            .checked_add(self.period.checked_add(1)?.checked_mul(length)?)?;
        if elapsed >= self.total_blocks {
            return Some(None);
        }
        let passed = elapsed
            .checked_div(length)?
            .checked_sub(self.period)?
            .min(self.total_blocks.checked_sub(self.period)?.checked_sub(1)?);
        let period = self.period.checked_add(passed)?;
        let next = period.checked_add(1)?;
        let end = if next == self.unlocks { self.total_blocks } else { next.checked_mul(length)? };
        let blocks_left = end.checked_sub(elapsed)?;
        let share = self.locked.checked_div(self.unlocks)?;
        let free = free.checked_add(passed.checked_mul(share)?)?;
        Some(Some(self.release(free, period, blocks_left)))
    }

    fn available_listed(&self, lists: &Lists, free: u64, blocks: u64) -> Option<Option<Release>> {
        let mut free = free.checked_add(lists.quantity(self.period)?)?;
        let mut blocks = blocks.checked_sub(self.blocks_left)?;
        let mut period = self.period.checked_add(1)?;
        while period < self.unlocks {
            let length = lists.period(period)?;
            let Some(rest) = blocks.checked_sub(length) else { break };
            free = free.checked_add(lists.quantity(period)?)?;
            blocks = rest;
            period = period.checked_add(1)?;
        }
        if period == self.unlocks {
            return Some(None);
        }
        let blocks_left = lists.period(period)?.checked_sub(blocks)?;
        Some(Some(self.release(free, period, blocks_left)))
    }

    /// Returns how many blocks lie between this model and a later one of the same lock; `new` is `None`
    /// when nothing is locked any more. The answer `None` is infinite.
    ///
    /// # Consensus
    /// chain.md 7.8, `distance(Pold, Pnew)`.
    pub fn distance(&self, new: Option<&Self>) -> Option<u64> {
        let (period, blocks_left) = match new {
            Some(new) => new.position(),
            None => (self.unlocks.checked_sub(1)?, 0),
        };
        if period < self.period {
            return None;
        }
        if period == self.period {
            return self.blocks_left.checked_sub(blocks_left);
        }
        // In 128 bits, as sums may pass through numbers that are negative or above 64 bits.
        let wide = i128::from;
        let [old_left, new_left] = [self.blocks_left, blocks_left].map(wide);
        let blocks = match &self.schedule {
            Schedule::Fixed => {
                let length = wide(self.total_blocks.checked_div(self.unlocks)?);
                if wide(period) + 1 == wide(self.unlocks) {
                    let until_period_end = (wide(self.period) + 1).checked_mul(length)?;
                    (wide(self.total_blocks) - new_left + old_left).checked_sub(until_period_end)?
                } else {
                    wide(period - self.period) // compared above
                        .checked_mul(length)?
                        .checked_add(old_left - new_left)?
                }
            }
            Schedule::Custom(lists) | Schedule::Inflation { lists, .. } => {
                let first = usize::try_from(self.period.checked_add(1)?).ok()?;
                let last = usize::try_from(period).ok()?;
                let passed = lists.periods.get(first..=last)?;
                passed.iter().copied().map(wide).sum::<i128>() + old_left - new_left
            }
        };
        u64::try_from(blocks).ok()
    }
}
