//! Finds the addresses of a restored wallet.
//!
//! Words do not say how many addresses a wallet has used. So addresses are looked at in order until a
//! long enough run of unused ones, the *gap*. What "used" means is the caller's question to answer.

use mvs_primitives::address::Address;

use crate::keys::derive::{DeriveError, ExtendedPublicKey};
use crate::keys::path::{Chain, Scheme};

/// How far to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchLimits {
    /// Unused addresses in a row after which the search of a chain ends.
    pub gap: u32,
    /// Addresses of each chain that are looked at in any case.
    pub at_least: u32,
    /// Addresses of each chain after which the search ends in any case.
    pub at_most: u32,
    /// Accounts without any use after which the search for accounts ends.
    pub account_gap: u32,
}

impl SearchLimits {
    /// For paths of BIP44: its gap of 20, one account at a time.
    pub const BIP44: Self = Self { gap: 20, at_least: 0, at_most: MAX_ADDRESSES, account_gap: 1 };
    /// For existing wallets: they make addresses ahead of use, and look at 250 (wallet.md 2).
    pub const DIRECT: Self = Self { gap: 250, at_least: 0, at_most: MAX_ADDRESSES, account_gap: 1 };

    /// Returns the usual limits of a scheme.
    pub const fn of(scheme: Scheme) -> Self {
        match scheme {
            Scheme::Direct => Self::DIRECT,
            Scheme::Bip44 { .. } => Self::BIP44,
        }
    }
}

/// No existing wallet makes more addresses at once (wallet.md 2); bounds a search that is told that
/// everything is used.
pub const MAX_ADDRESSES: u32 = 0xf_ffff;
/// Bounds the search for accounts in the same way.
pub const MAX_ACCOUNTS: u32 = 1000;

/// Where the search looked in one chain, and what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainReport {
    /// Which chain.
    pub chain: Chain,
    /// Addresses 0 up to this one, not included, were looked at.
    pub searched: u32,
    /// How many of them have been used.
    pub used: u32,
    /// The last used one.
    pub last_used: Option<u32>,
    /// The longest run of unused addresses before a used one: how close the search came to ending
    /// too early.
    pub longest_gap: u32,
    /// Whether the search ended at its bound, not at a gap: there may be more.
    pub is_cut: bool,
}

impl ChainReport {
    /// Returns the first address that has not been used and has no used one behind it.
    pub const fn next_index(&self) -> u32 {
        match self.last_used {
            Some(last) => last + 1, // below MAX_ADDRESSES
            None => 0,
        }
    }
}

/// Where the search looked in one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountReport {
    /// Which account.
    pub scheme: Scheme,
    /// The limits that it kept to.
    pub limits: SearchLimits,
    /// Its chains.
    pub chains: Vec<ChainReport>,
}

impl AccountReport {
    /// Tells whether any address of it has been used.
    pub fn is_used(&self) -> bool {
        self.chains.iter().any(|chain| chain.used > 0)
    }
}

/// Why a search ended early. `E` is what the question whether an address is used fails with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError<E> {
    /// Keys could not be derived.
    #[error(transparent)]
    Derive(#[from] DeriveError),
    /// Nobody could tell whether an address has been used.
    #[error("cannot tell whether an address has been used: {0}")]
    Question(E),
}

/// Searches one account.
///
/// To widen a search, search again with larger limits: the same addresses are looked at and more.
/// `is_used` is asked once for each address, in order, chain by chain.
///
/// # Errors
/// [`SearchError`] when a key or an answer cannot be had. A place of the tree without a key (one in
/// 2^127) counts as an unused address.
pub fn search_account<E>(
    account: &ExtendedPublicKey,
    scheme: Scheme,
    limits: SearchLimits,
    mut is_used: impl FnMut(Chain, u32, &Address) -> Result<bool, E>,
) -> Result<AccountReport, SearchError<E>> {
    let mut chains = Vec::new();
    for &chain in scheme.chains() {
        let mut report = ChainReport {
            chain,
            searched: 0,
            used: 0,
            last_used: None,
            longest_gap: 0,
            is_cut: false,
        };
        let at_most = limits.at_most.min(MAX_ADDRESSES);
        // One step down is shared by all addresses of a chain.
        let steps = scheme.address_steps(chain, 0).unwrap_or_default();
        let parent = account.derive(steps.split_last().map_or(&[][..], |(_, parent)| parent))?;
        loop {
            let run = report.searched - report.next_index();
            if run >= limits.gap && report.searched >= limits.at_least {
                break;
            }
            if report.searched >= at_most {
                report.is_cut = true;
                break;
            }
            let index = report.searched;
            report.searched += 1;
            let Some(step) = crate::keys::path::ChildNumber::normal(index) else { break };
            let address = match parent.child(step) {
                Ok(key) => key.public_key().address(),
                Err(DeriveError::NoKey { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            if is_used(chain, index, &address).map_err(SearchError::Question)? {
                report.longest_gap = report.longest_gap.max(index - report.next_index());
                report.used += 1;
                report.last_used = Some(index);
            }
        }
        chains.push(report);
    }
    Ok(AccountReport { scheme, limits, chains })
}

/// Searches accounts of BIP44 in order, until as many in a row as `limits.account_gap` have never
/// been used. `account_key` gives the public key of an account by its number.
///
/// The reports of unused accounts are in the result, for people to see where it looked.
///
/// # Errors
/// As [`search_account`], and what `account_key` fails with.
pub fn search_accounts<E>(
    limits: SearchLimits,
    mut account_key: impl FnMut(u32) -> Result<ExtendedPublicKey, DeriveError>,
    mut is_used: impl FnMut(u32, Chain, u32, &Address) -> Result<bool, E>,
) -> Result<Vec<AccountReport>, SearchError<E>> {
    let mut reports = Vec::new();
    let mut unused = 0;
    for account in 0..MAX_ACCOUNTS {
        if unused >= limits.account_gap.max(1) {
            break;
        }
        let key = account_key(account)?;
        let report =
            search_account(&key, Scheme::Bip44 { account }, limits, |chain, index, address| {
                is_used(account, chain, index, address)
            })?;
        unused = if report.is_used() { 0 } else { unused + 1 };
        reports.push(report);
    }
    Ok(reports)
}

#[cfg(test)]
mod tests {
    use super::{SearchError, SearchLimits, search_account, search_accounts};
    use crate::keys::derive::ExtendedPrivateKey;
    use crate::keys::network::Network;
    use crate::keys::path::{Chain, Scheme};
    use std::convert::Infallible;

    fn master() -> ExtendedPrivateKey {
        ExtendedPrivateKey::master(&[7; 64]).unwrap()
    }

    #[test]
    fn a_search_ends_at_a_gap_and_says_where_it_looked() {
        let used = [0, 3, 22];
        let limits = SearchLimits { gap: 20, ..SearchLimits::DIRECT };
        let search = |limits| {
            search_account(&master().to_public(), Scheme::Direct, limits, |chain, index, _| {
                assert_eq!(chain, Chain::Receive);
                Ok::<_, Infallible>(used.contains(&index))
            })
            .unwrap()
            .chains[0]
        };
        let report = search(limits);
        assert_eq!((report.used, report.last_used, report.searched), (3, Some(22), 43));
        assert_eq!((report.longest_gap, report.next_index(), report.is_cut), (18, 23, false));
        // With a gap of 18 the address 22 is not found; a wider search finds it.
        let short = search(SearchLimits { gap: 18, ..limits });
        assert_eq!((short.last_used, short.searched), (Some(3), 22));
        let forced = search(SearchLimits { gap: 1, at_least: 30, ..limits });
        assert_eq!((forced.last_used, forced.searched), (Some(22), 30));
        let cut = search(SearchLimits { at_most: 10, ..limits });
        assert_eq!((cut.last_used, cut.searched, cut.is_cut), (Some(3), 10, true));
        let none = search(SearchLimits { gap: 0, ..limits });
        assert_eq!((none.searched, none.is_cut), (0, false));
    }

    #[test]
    fn accounts_are_searched_until_an_unused_one() {
        let key = |account| {
            let path = Scheme::Bip44 { account }.account_path(Network::Mainnet).unwrap();
            Ok(master().derive_path(&path)?.to_public())
        };
        let is_used = |account, chain, index, _: &_| {
            Ok::<_, Infallible>(account < 2 && chain == Chain::Change && index == 4)
        };
        let reports = search_accounts(SearchLimits::BIP44, key, is_used).unwrap();
        assert_eq!(reports.iter().map(|r| r.is_used()).collect::<Vec<_>>(), [true, true, false]);
        assert_eq!(reports[1].chains[1].last_used, Some(4));
        assert_eq!(reports[1].chains[0].searched, 20);
    }

    #[test]
    fn a_question_without_answer_is_no_no() {
        let answer = search_account(
            &master().to_public(),
            Scheme::Direct,
            SearchLimits::DIRECT,
            |_, index, _| if index < 5 { Ok(false) } else { Err("node gone") },
        );
        assert!(matches!(answer, Err(SearchError::Question("node gone"))));
    }
}
