//! What can be wrong: four kinds of answer that are never mixed.
//!
//! * *Garbage* is `mvs_primitives::encode::DecodeError`: the bytes are no block. Drop the peer.
//! * *Rule broken* is [`HeaderRuleError`], [`BlockRuleError`] or [`TxRuleError`]: mark it invalid,
//!   penalise the sender. [`BodyMismatch`] is its gentle sister: the transactions are not those that
//!   the header means, which says nothing about the header; drop the body and ask somebody else.
//! * *Not yet* is [`NotYet`]: keep it, ask again later.
//! * *Fault* is [`Fault`]: our disk or our bug. Stop cleanly and blame nobody.
//!
//! One variant per rule, so listing the variants lists the rules. [`RULES`] is that list; the file
//! `RULES.md` is written from it.

mod block;
mod header;
mod stake;
mod tx;

pub use block::{BlockRuleError, BodyMismatch};
pub use header::{HeaderRuleError, NotYet};
pub use stake::StakeRuleError;
pub use tx::TxRuleError;

/// One rule of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Stable code, used by RPC, logs, reject messages and test cases. A code that ends in `*`
    /// stands for those of an inner list.
    pub code: &'static str,
    /// What the rule demands.
    pub text: &'static str,
    /// Where it is written.
    pub source: &'static str,
    /// Since when it holds.
    pub since: &'static str,
}

/// Every rule, in the order in which it is asked.
pub const RULES: &[&[Rule]] = &[
    HeaderRuleError::RULES,
    BodyMismatch::RULES,
    BlockRuleError::RULES,
    StakeRuleError::RULES,
    TxRuleError::RULES,
];

/// Our own failure: a broken disk, a violated promise. It says nothing about anybody's block.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The state could not be read.
    #[error("the chain state cannot be read: {0}")]
    Storage(String),
    /// Something that must hold does not.
    #[error("a promise between parts of this program is broken: {0}")]
    Broken(&'static str),
}

/// The answer of a stage that looks at our state.
#[derive(Debug, thiserror::Error)]
pub enum Rejection<E: std::error::Error + 'static> {
    /// A rule is broken.
    #[error(transparent)]
    Rule(E),
    /// We could not judge.
    #[error(transparent)]
    Fault(Fault),
}

impl<E: std::error::Error> Rejection<E> {
    /// Changes the rule, keeping a fault as it is.
    pub fn map_rule<F: std::error::Error>(self, change: impl FnOnce(E) -> F) -> Rejection<F> {
        match self {
            Self::Rule(rule) => Rejection::Rule(change(rule)),
            Self::Fault(fault) => Rejection::Fault(fault),
        }
    }
}

impl<E: std::error::Error> From<Fault> for Rejection<E> {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Turns a rule error into the answer of a stage.
pub(crate) const fn broken<E: std::error::Error>(rule: E) -> Rejection<E> {
    Rejection::Rule(rule)
}

/// Demands that a rule holds.
pub(crate) fn demand<E: std::error::Error>(holds: bool, otherwise: E) -> Result<(), E> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Defines a rule enum: each variant has its message, code, source and height of activation.
macro_rules! rules {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $(
                $(#[doc = $doc:literal])+
                #[error($($message:tt)*)]
                #[rule($code:literal, $source:literal, $since:literal)]
                $variant:ident $( { $($fields:tt)* } )? $( ( $($tuple:tt)* ) )?,
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[non_exhaustive]
        pub enum $name {
            $(
                $(#[doc = $doc])+
                #[error($($message)*)]
                $variant $( { $($fields)* } )? $( ( $($tuple)* ) )?,
            )+
        }

        impl $name {
            /// The rules of this enum, one for each variant.
            pub const RULES: &'static [crate::error::Rule] = &[
                $(crate::error::Rule {
                    code: $code,
                    // Each line of a doc comment begins with a space; between lines it is wanted.
                    text: concat!($($doc),+).trim_ascii_start(),
                    source: $source,
                    since: $since,
                },)+
            ];

            /// Returns the stable code of the rule that is broken.
            pub const fn own_code(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $code,)+
                }
            }
        }
    };
}
pub(crate) use rules;

#[cfg(test)]
mod tests {
    use super::RULES;

    #[test]
    fn codes_are_unique_and_well_formed() {
        let mut codes: Vec<_> = RULES.iter().flat_map(|part| part.iter()).map(|r| r.code).collect();
        let total = codes.len();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), total);
        for code in codes {
            assert!(code.contains('.'), "{code}");
            assert!(
                code.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._*".contains(&b)),
                "{code}"
            );
        }
    }
}
