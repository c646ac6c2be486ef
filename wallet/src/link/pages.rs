//! Lists that a node hands out in pages.

use std::collections::HashSet;

use mvs_rpc_api::types::address::{AddressUnspent, UnspentCoin};

/// Coins of a page that are asked for.
pub(super) const PAGE: u32 = 1_000;
/// Coins of an address that are read at most.
const MOST_COINS: usize = 50_000;
/// Pages that are read at most. A page may be empty although there are more: the node looks through a
/// long history of spent outputs in parts.
const MOST_PAGES: usize = 1_000;
/// Longest name of a place where a page begins, in bytes.
const MOST_PLACE_BYTES: usize = 256;

/// The coins of the pages so far.
#[derive(Debug, Default)]
pub(super) struct Pages {
    coins: Vec<UnspentCoin>,
    pages: usize,
    next: Option<String>,
    /// Where pages began: a node that comes back to one goes in circles.
    places: HashSet<String>,
}

impl Pages {
    /// Takes a page; tells whether there are more. The error says why this cannot go on.
    pub(super) fn take(&mut self, page: AddressUnspent) -> Result<bool, String> {
        self.pages = self.pages.saturating_add(1);
        self.coins.extend(page.coins);
        if self.coins.len() > MOST_COINS {
            return Err(format!("more than {MOST_COINS} unspent outputs"));
        }
        self.next = page.next;
        let Some(next) = &self.next else { return Ok(false) };
        if self.pages >= MOST_PAGES {
            return Err(format!("more than {MOST_PAGES} pages"));
        }
        if next.len() > MOST_PLACE_BYTES || !self.places.insert(next.clone()) {
            return Err("its pages go in circles".to_owned());
        }
        Ok(true)
    }

    /// Returns where the next page begins.
    pub(super) fn next(&self) -> Option<String> {
        self.next.clone()
    }

    pub(super) fn into_coins(self) -> Vec<UnspentCoin> {
        self.coins
    }
}

#[cfg(test)]
mod tests {
    use mvs_rpc_api::types::address::AddressUnspent;
    use serde_json::json;

    use super::{MOST_COINS, MOST_PAGES, PAGE, Pages};

    fn page(coins: usize, next: Option<&str>) -> AddressUnspent {
        let coin = json!({
            "txid": "", "index": 0, "height": 1, "is_coinbase": false,
            "output": {
                "value": 1, "script": {"hex": "", "text": "", "pattern": "non_standard"},
                "attachment": {"version": 1, "type": "etp"},
            },
        });
        let page = json!({"tip": "", "height": 1, "coins": vec![coin; coins], "next": next});
        serde_json::from_value(page).unwrap()
    }

    #[test]
    fn pages_come_to_an_end() {
        let mut pages = Pages::default();
        assert_eq!(pages.take(page(2, Some("a"))), Ok(true));
        assert_eq!(pages.next().as_deref(), Some("a"));
        assert_eq!(pages.take(page(0, Some("b"))), Ok(true), "all of a part was spent");
        assert_eq!(pages.take(page(1, None)), Ok(false));
        assert_eq!(pages.into_coins().len(), 3);

        let mut pages = Pages::default();
        for place in ["a", "b"] {
            assert_eq!(pages.take(page(0, Some(place))), Ok(true));
        }
        assert!(pages.take(page(0, Some("a"))).is_err(), "in circles");
        assert!(Pages::default().take(page(1, Some(&"x".repeat(257)))).is_err());

        let mut pages = Pages::default();
        let ends =
            (0..=MOST_PAGES).position(|n| pages.take(page(0, Some(&n.to_string()))).is_err());
        assert_eq!(ends, Some(MOST_PAGES - 1));
        let mut pages = Pages::default();
        let full = usize::try_from(PAGE).unwrap();
        let ends = (0..200).position(|n| pages.take(page(full, Some(&n.to_string()))).is_err());
        assert_eq!(ends, Some(MOST_COINS / full));
    }
}
