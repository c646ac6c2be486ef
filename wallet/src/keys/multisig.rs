//! Addresses that several keys spend from together (wallet.md 5).

use mvs_primitives::address::Address;
use mvs_primitives::hash::hash160;
use mvs_primitives::script::Script;

use crate::keys::public_key::PublicKey;

/// Most keys that a script can be spent with: it is pushed as one element of at most 520 bytes
/// (chain.md 4.1), and each key takes 34.
pub const MAX_KEYS: usize = 15;

/// Keys or a number of signatures that make no usable address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MultisigError {
    /// Fewer than 2 or more than 15 keys.
    #[error("{found} keys; there must be 2 to 15, or nobody could ever spend from the address")]
    KeyCount {
        /// How many there are.
        found: usize,
    },
    /// Zero signatures, or more than there are keys.
    #[error("{required} signatures of {total} keys is not possible")]
    Required {
        /// Signatures asked for.
        required: u8,
        /// Keys given.
        total: usize,
    },
    /// One key twice.
    #[error("the key {key} is there twice")]
    Duplicate {
        /// The key.
        key: PublicKey,
    },
}

impl MultisigError {
    /// Every code that [`MultisigError::code`] can give.
    pub const CODES: [&'static str; 3] =
        ["multisig.key_count", "multisig.required", "multisig.duplicate"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::KeyCount { .. } => Self::CODES[0],
            Self::Required { .. } => Self::CODES[1],
            Self::Duplicate { .. } => Self::CODES[2],
        }
    }
}

/// So many signatures of these keys. The keys are in ascending order of their bytes, whatever
/// order they were given in, so all who take part get the same address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Multisig {
    required: u8,
    keys: Vec<PublicKey>,
}

impl Multisig {
    /// Puts keys together.
    ///
    /// # Errors
    /// [`MultisigError`] when no usable address comes of it.
    pub fn new(required: u8, mut keys: Vec<PublicKey>) -> Result<Self, MultisigError> {
        let total = keys.len();
        if !(2..=MAX_KEYS).contains(&total) {
            return Err(MultisigError::KeyCount { found: total });
        }
        if required == 0 || usize::from(required) > total {
            return Err(MultisigError::Required { required, total });
        }
        keys.sort_unstable();
        if let Some([key, _]) = keys.array_windows().find(|[a, b]| a == b) {
            return Err(MultisigError::Duplicate { key: *key });
        }
        Ok(Self { required, keys })
    }

    /// Returns how many signatures it takes.
    pub const fn required(&self) -> u8 {
        self.required
    }

    /// Returns the keys in ascending order.
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Returns the script that a spender shows.
    pub fn redeem_script(&self) -> Script {
        let keys: Vec<&[u8]> = self.keys.iter().map(|key| key.as_bytes().as_slice()).collect();
        Script::pay_multisig(self.required, &keys).expect("the counts were checked")
    }

    /// Returns the address: pay to script hash.
    pub fn address(&self) -> Address {
        Address::ScriptHash(hash160(self.redeem_script().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::Multisig;
    use crate::keys::network::Network;
    use crate::keys::private_key::PrivateKey;
    use crate::keys::public_key::PublicKey;
    use crate::keys::secret::Secret;

    fn keys(count: u8) -> Vec<PublicKey> {
        let key = |n| PrivateKey::from_secret(Secret::copy_of(&[n; 32]), true).unwrap();
        (1..=count).map(|n| key(n).public_key()).collect()
    }

    #[test]
    fn the_order_of_keys_does_not_matter() {
        let mut given = keys(3);
        let one = Multisig::new(2, given.clone()).unwrap();
        given.reverse();
        let two = Multisig::new(2, given).unwrap();
        assert_eq!(one, two);
        // wallet.md 5: sorted as lower-case hex text.
        let mut texts: Vec<String> = one.keys().iter().map(ToString::to_string).collect();
        texts.sort();
        assert_eq!(texts, one.keys().iter().map(ToString::to_string).collect::<Vec<_>>());
        let script = one.redeem_script();
        assert_eq!(script.len(), 3 + 3 * 34);
        assert_eq!((script.as_bytes()[0], script.as_bytes()[104]), (0x52, 0xae));
        for network in Network::ALL {
            assert!(one.address().to_text(network.address_format()).starts_with('3'));
        }
    }

    #[test]
    fn what_nobody_could_spend_is_refused() {
        let code = |required, keys| Multisig::new(required, keys).unwrap_err().code();
        assert_eq!(code(1, keys(1)), "multisig.key_count");
        assert_eq!(code(1, keys(16)), "multisig.key_count");
        assert_eq!(code(0, keys(2)), "multisig.required");
        assert_eq!(code(3, keys(2)), "multisig.required");
        assert_eq!(code(1, [keys(2), keys(1)].concat()), "multisig.duplicate");
        assert!(Multisig::new(15, keys(15)).unwrap().redeem_script().len() <= 520);
    }
}
