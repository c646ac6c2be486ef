//! Where in the tree of keys a key is: `m/44'/2302'/0'/0/5`.

use std::fmt;
use std::str::FromStr;

use crate::keys::network::Network;

/// The first hardened child number (BIP32).
const HARDENED: u32 = 1 << 31;

/// One step down the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildNumber(u32);

impl ChildNumber {
    /// Returns the step to child `index` that public keys can take as well; `None` from 2^31 on.
    pub const fn normal(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index)) } else { None }
    }

    /// Returns the step to child `index` that only private keys can take; `None` from 2^31 on.
    pub const fn hardened(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index | HARDENED)) } else { None }
    }

    /// Wraps the number as BIP32 writes it: hardened ones have the top bit.
    pub const fn from_u32(number: u32) -> Self {
        Self(number)
    }

    /// Returns the number as BIP32 writes it.
    pub const fn to_u32(self) -> u32 {
        self.0
    }

    /// Tells whether only private keys can take this step.
    pub const fn is_hardened(self) -> bool {
        self.0 >= HARDENED
    }

    /// Returns the number without the hardening bit.
    pub const fn index(self) -> u32 {
        self.0 & !HARDENED
    }
}

impl fmt::Display for ChildNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.index(), if self.is_hardened() { "'" } else { "" })
    }
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// It does not begin with `m`.
    #[error("a path begins with m, as in m/44'/2302'/0'/0/5")]
    Root,
    /// A step is no number below 2^31, with or without a mark for hardening.
    #[error("step {step} of the path is no number from 0 to 2147483647, with ' behind if hardened")]
    Step {
        /// Which step, from 1.
        step: usize,
    },
    /// More than 255 steps.
    #[error("a path has at most 255 steps")]
    TooLong,
}

impl PathError {
    /// Every code that [`PathError::code`] can give.
    pub const CODES: [&'static str; 3] = ["path.root", "path.step", "path.too_long"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Root => "path.root",
            Self::Step { .. } => "path.step",
            Self::TooLong => "path.too_long",
        }
    }
}

/// A way down the tree from the master key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct DerivationPath(Vec<ChildNumber>);

impl DerivationPath {
    /// The longest path: depth is one byte in BIP32.
    pub const MAX_STEPS: usize = 255;

    /// Returns the master's own path, `m`.
    pub const fn master() -> Self {
        Self(Vec::new())
    }

    /// Returns the path one step further down.
    #[must_use]
    pub fn child(mut self, step: ChildNumber) -> Self {
        self.0.push(step);
        self
    }

    /// Returns the steps.
    pub fn steps(&self) -> &[ChildNumber] {
        &self.0
    }
}

impl FromStr for DerivationPath {
    type Err = PathError;

    /// Reads `m/44'/2302'/0'/0/5`; `h` and `H` harden as well.
    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('/');
        if !matches!(parts.next(), Some("m" | "M")) {
            return Err(PathError::Root);
        }
        let mut steps = Vec::new();
        for (position, part) in parts.enumerate() {
            if position == Self::MAX_STEPS {
                return Err(PathError::TooLong);
            }
            let wrong = PathError::Step { step: position + 1 };
            let digits = part.strip_suffix(['\'', 'h', 'H']);
            let number = digits.unwrap_or(part);
            if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(wrong);
            }
            let step = number.parse().ok().and_then(|index| match digits {
                Some(_) => ChildNumber::hardened(index),
                None => ChildNumber::normal(index),
            });
            steps.push(step.ok_or(wrong)?);
        }
        Ok(Self(steps))
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

/// How an account's addresses lie in the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// What every existing wallet of the network does: address i is `m/i`, with no accounts and no
    /// chain for change (wallet.md 2).
    Direct,
    /// BIP44: `m/44'/coin'/account'/chain/i`, chain 0 to receive and 1 for change.
    Bip44 {
        /// The account's number, below 2^31.
        account: u32,
    },
}

impl Scheme {
    /// Returns the path of the key from which the public side of the account follows; `None` if
    /// the account's number is 2^31 or more.
    pub fn account_path(self, network: Network) -> Option<DerivationPath> {
        match self {
            Self::Direct => Some(DerivationPath::master()),
            Self::Bip44 { account } => {
                let steps = [44, network.coin_type(), account].map(ChildNumber::hardened);
                steps.into_iter().collect::<Option<Vec<_>>>().map(DerivationPath)
            }
        }
    }

    /// Returns the steps from the account's key to address `index` of a chain. In the direct scheme
    /// change goes among the receiving addresses.
    pub fn address_steps(self, chain: Chain, index: u32) -> Option<Vec<ChildNumber>> {
        let index = ChildNumber::normal(index)?;
        Some(match self {
            Self::Direct => vec![index],
            Self::Bip44 { .. } => vec![ChildNumber(chain.number()), index],
        })
    }

    /// Returns the chains that the scheme has.
    pub const fn chains(self) -> &'static [Chain] {
        match self {
            Self::Direct => &[Chain::Receive],
            Self::Bip44 { .. } => &[Chain::Receive, Chain::Change],
        }
    }
}

/// What addresses are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chain {
    /// Given to people who pay.
    Receive,
    /// Takes the remainder of one's own payments.
    Change,
}

impl Chain {
    /// Returns the chain's child number in BIP44.
    pub const fn number(self) -> u32 {
        match self {
            Self::Receive => 0,
            Self::Change => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, ChildNumber, DerivationPath, PathError, Scheme};
    use crate::keys::network::Network;

    #[test]
    fn paths_read_and_print() {
        for text in ["m", "m/0", "m/44'/2302'/0'/0/5", "m/2147483647'/2147483647"] {
            assert_eq!(text.parse::<DerivationPath>().unwrap().to_string(), text);
        }
        assert_eq!("M/1h/2H".parse::<DerivationPath>().unwrap().to_string(), "m/1'/2'");
        assert_eq!("0/1".parse::<DerivationPath>(), Err(PathError::Root));
        for bad in ["m/", "m/x", "m/+1", "m/2147483648", "m/-1", "m/1''", "m/'"] {
            assert_eq!(bad.parse::<DerivationPath>().unwrap_err().code(), "path.step", "{bad}");
        }
        let longest = format!("m{}", "/1".repeat(255));
        assert_eq!(longest.parse::<DerivationPath>().unwrap().steps().len(), 255);
        assert_eq!(format!("{longest}/1").parse::<DerivationPath>(), Err(PathError::TooLong));
    }

    #[test]
    fn schemes_have_their_paths() {
        let account = Scheme::Bip44 { account: 3 };
        assert_eq!(account.account_path(Network::Mainnet).unwrap().to_string(), "m/44'/2302'/3'");
        assert_eq!(account.account_path(Network::Private).unwrap().to_string(), "m/44'/1'/3'");
        assert_eq!(Scheme::Direct.account_path(Network::Mainnet).unwrap().to_string(), "m");
        assert_eq!(Scheme::Bip44 { account: 1 << 31 }.account_path(Network::Mainnet), None);
        let steps = account.address_steps(Chain::Change, 7).unwrap();
        assert_eq!(steps.iter().map(|step| step.to_u32()).collect::<Vec<_>>(), [1, 7]);
        assert_eq!(Scheme::Direct.address_steps(Chain::Receive, 1 << 31), None);
        assert_eq!(ChildNumber::hardened(5).unwrap().index(), 5);
    }
}
