//! The whole registry as bytes, for checkpoints.

use mvs_consensus::state::StakeDeposit;
use mvs_primitives::address::Address;
use mvs_primitives::encode::{DecodeError, Decoder};

use super::Registry;
use super::histories::{Histories, History};
use super::record::{Record, put_count, take_count};

/// The form of [`Registry::to_disk`].
const FORMAT: u32 = 1;

/// Bytes that are no registry, or no change of one, as this store writes it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The bytes do not parse.
    #[error("the registry's bytes do not parse: {0}")]
    Wire(#[from] DecodeError),
    /// The bytes parse, but are not what is written.
    #[error("the registry's bytes are not in their canonical form")]
    NotCanonical,
    /// A byte that stands for nothing.
    #[error("a registry's {what} byte is {found}")]
    Tag {
        /// What the byte stands for.
        what: &'static str,
        /// The byte.
        found: u8,
    },
    /// Another format.
    #[error("registry format {0} is not known")]
    Format(u32),
    /// Names or deposits out of order, or a name without a record.
    #[error("the registry's {0} are out of order")]
    Order(&'static str),
    /// The digest is not that of the records.
    #[error("the registry's digest is {found:032x}, its records give {computed:032x}")]
    Digest {
        /// What was recorded.
        found: u128,
        /// What the records give.
        computed: u128,
    },
}

/// Ends the reading: nothing may be left, and nothing may have been in another form.
pub(super) fn finish(from: &Decoder<'_>) -> Result<(), RegistryError> {
    from.finish()?;
    if from.departures() == 0 { Ok(()) } else { Err(RegistryError::NotCanonical) }
}

impl Registry {
    /// Returns the whole as bytes: format, digest, then assets, certificates, identities, homes,
    /// items and deposits, each counted and in order.
    pub fn to_disk(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.extend_from_slice(&self.digest.to_le_bytes());
        self.assets.put(&mut out);
        self.certs.put(&mut out);
        self.dids.put(&mut out);
        self.homes.put(&mut out);
        self.mits.put(&mut out);
        put_count(self.deposits.size(), &mut out);
        for ((address, _), deposit) in self.deposits.iter() {
            address.put(&mut out);
            deposit.put(&mut out);
        }
        out
    }

    /// Reads what [`Registry::to_disk`] wrote, and computes the digest anew.
    ///
    /// # Errors
    /// [`RegistryError`] for anything else.
    pub fn from_disk(bytes: &[u8]) -> Result<Self, RegistryError> {
        let mut from = Decoder::new(bytes, bytes.len())?;
        let format = from.u32_le("format")?;
        if format != FORMAT {
            return Err(RegistryError::Format(format));
        }
        let found = u128::from_le_bytes(from.array("digest")?);
        let mut read = Self::empty();
        let mut computed = 0;
        read.assets.fill(&mut from, &mut computed)?;
        read.certs.fill(&mut from, &mut computed)?;
        read.dids.fill(&mut from, &mut computed)?;
        read.homes.fill(&mut from, &mut computed)?;
        read.mits.fill(&mut from, &mut computed)?;
        read.digest = computed;
        let count = take_count(&mut from, Address::MIN_BYTES + StakeDeposit::MIN_BYTES)?;
        let mut last = None;
        for _ in 0..count {
            let address = Address::take(&mut from)?;
            let deposit = StakeDeposit::take(&mut from)?;
            let key = (address, deposit.outpoint);
            if last.is_some_and(|last| last >= key) {
                return Err(RegistryError::Order("deposits"));
            }
            last = Some(key);
            read.insert_deposit(address, deposit).map_err(|_| RegistryError::Order("deposits"))?;
        }
        finish(&from)?;
        if read.digest == found {
            Ok(read)
        } else {
            Err(RegistryError::Digest { found, computed: read.digest })
        }
    }
}

impl<K: Ord + Clone + Record, S: Clone + PartialEq + Record> Histories<K, S> {
    fn put(&self, out: &mut Vec<u8>) {
        put_count(self.len(), out);
        for (key, history) in self.iter() {
            key.put(out);
            put_count(history.len(), out);
            history.iter().for_each(|state| state.put(out));
        }
    }

    fn fill(&mut self, from: &mut Decoder<'_>, digest: &mut u128) -> Result<(), RegistryError> {
        let names = take_count(from, K::MIN_BYTES.saturating_add(8))?;
        let mut last: Option<K> = None;
        for _ in 0..names {
            let key = K::take(from)?;
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(RegistryError::Order("names"));
            }
            let records = take_count(from, S::MIN_BYTES)?;
            for _ in 0..records {
                *digest = self.push(&key, S::take(from)?, *digest);
            }
            if self.get(&key).is_none_or(History::is_empty) {
                return Err(RegistryError::Order("names"));
            }
            last = Some(key);
        }
        Ok(())
    }
}
