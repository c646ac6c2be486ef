//! The bytes of one record, on disk and under the digest.

use mvs_consensus::state::{AssetState, CertKey, CertState, DidState, MitState, StakeDeposit};
use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{AssetDetail, Cert, CertType};
use mvs_primitives::encode::{Decode, DecodeError, Decoder, Encode};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::text::{DidName, MitSymbol, Symbol, Text};
use xxhash_rust::xxh3::xxh3_128;

use super::disk::RegistryError;

/// What a record is about; the first byte of what its digest covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Asset = 1,
    Cert = 2,
    Did = 3,
    Home = 4,
    Mit = 5,
    Deposit = 6,
}

/// A key or a state with a canonical form.
pub trait Record: Sized {
    /// The fewest bytes that one takes; bounds counts before anything is allocated.
    #[doc(hidden)]
    const MIN_BYTES: usize;

    /// Appends the canonical form.
    #[doc(hidden)]
    fn put(&self, out: &mut Vec<u8>);

    /// Reads the canonical form.
    #[doc(hidden)]
    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError>;
}

/// Returns what a record adds to the digest: xxh3-128 of kind, key, number in its history, state.
pub(super) fn digest_of<K: Record, S: Record>(
    kind: Kind,
    key: &K,
    index: usize,
    state: &S,
) -> u128 {
    let mut bytes = Vec::with_capacity(128);
    bytes.push(kind as u8); // the numbers are bytes
    key.put(&mut bytes);
    bytes.extend_from_slice(&(index as u64).to_le_bytes()); // widening
    state.put(&mut bytes);
    xxh3_128(&bytes)
}

/// Types whose wire form is their form on disk.
macro_rules! wire_records {
    ($($type:ty),+) => {
        $(impl Record for $type {
            const MIN_BYTES: usize = <$type as Decode>::MIN_BYTES;

            fn put(&self, out: &mut Vec<u8>) {
                self.encode(out);
            }

            fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
                Ok(<$type as Decode>::decode_from(from)?)
            }
        })+
    };
}

wire_records!(Symbol, DidName, MitSymbol, Text, AssetDetail, Cert, OutPoint);

impl Record for Height {
    const MIN_BYTES: usize = 4;

    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value().to_le_bytes());
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self::new(from.u32_le("height")?))
    }
}

impl Record for bool {
    const MIN_BYTES: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        match from.u8("flag")? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(RegistryError::Tag { what: "flag", found: other }),
        }
    }
}

impl Record for Address {
    const MIN_BYTES: usize = 1;

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::KeyHash(hash) => {
                out.push(1);
                out.extend_from_slice(hash);
            }
            Self::ScriptHash(hash) => {
                out.push(2);
                out.extend_from_slice(hash);
            }
            Self::Blackhole => out.push(3),
        }
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        match from.u8("address")? {
            1 => Ok(Self::KeyHash(from.array("address")?)),
            2 => Ok(Self::ScriptHash(from.array("address")?)),
            3 => Ok(Self::Blackhole),
            other => Err(RegistryError::Tag { what: "address", found: other }),
        }
    }
}

impl Record for CertKey {
    const MIN_BYTES: usize = <Symbol as Decode>::MIN_BYTES + 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.symbol.put(out);
        out.extend_from_slice(&self.cert_type.number().to_le_bytes());
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        let symbol = Symbol::take(from)?;
        let cert_type = CertType::from_number(from.u32_le("certificate type")?);
        Ok(Self { symbol, cert_type })
    }
}

impl Record for AssetState {
    const MIN_BYTES: usize = <AssetDetail as Decode>::MIN_BYTES + 16;

    fn put(&self, out: &mut Vec<u8>) {
        self.detail.put(out);
        self.height.put(out);
        self.issue_height.put(out);
        out.extend_from_slice(&self.supply.units().to_le_bytes());
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self {
            detail: Box::new(AssetDetail::take(from)?),
            height: Height::take(from)?,
            issue_height: Height::take(from)?,
            supply: AssetAmount::from_units(from.u64_le("supply")?),
        })
    }
}

impl Record for CertState {
    const MIN_BYTES: usize = <Cert as Decode>::MIN_BYTES + 4;

    fn put(&self, out: &mut Vec<u8>) {
        self.cert.put(out);
        self.height.put(out);
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self { cert: Box::new(Cert::take(from)?), height: Height::take(from)? })
    }
}

impl Record for DidState {
    const MIN_BYTES: usize = 3;

    fn put(&self, out: &mut Vec<u8>) {
        self.address.put(out);
        self.height.is_some().put(out);
        if let Some(height) = self.height {
            height.put(out);
        }
        self.is_transferred.put(out);
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self {
            address: Address::take(from)?,
            height: if bool::take(from)? { Some(Height::take(from)?) } else { None },
            is_transferred: bool::take(from)?,
        })
    }
}

impl Record for MitState {
    const MIN_BYTES: usize = 7;

    fn put(&self, out: &mut Vec<u8>) {
        self.address.put(out);
        self.height.put(out);
        self.is_transferred.put(out);
        self.content.put(out);
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self {
            address: Address::take(from)?,
            height: Height::take(from)?,
            is_transferred: bool::take(from)?,
            content: Text::take(from)?,
        })
    }
}

impl Record for StakeDeposit {
    const MIN_BYTES: usize = 36 + 8 + 4 + 8;

    fn put(&self, out: &mut Vec<u8>) {
        self.outpoint.put(out);
        out.extend_from_slice(&self.value.units().to_le_bytes());
        self.height.put(out);
        out.extend_from_slice(&self.lock.to_le_bytes());
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok(Self {
            outpoint: OutPoint::take(from)?,
            value: Amount::from_units(from.u64_le("deposit value")?),
            height: Height::take(from)?,
            lock: i64::from_le_bytes(from.array("deposit lock")?),
        })
    }
}

impl<A: Record, B: Record> Record for (A, B) {
    const MIN_BYTES: usize = A::MIN_BYTES + B::MIN_BYTES;

    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Decoder<'_>) -> Result<Self, RegistryError> {
        Ok((A::take(from)?, B::take(from)?))
    }
}

/// Appends a counted list.
pub(super) fn put_list<'a, R: Record + 'a>(
    items: impl ExactSizeIterator<Item = &'a R>,
    out: &mut Vec<u8>,
) {
    put_count(items.len(), out);
    items.for_each(|item| item.put(out));
}

pub(super) fn put_count(count: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&(count as u64).to_le_bytes()); // widening
}

/// Reads a count of things of at least `min_bytes` each.
pub(super) fn take_count(from: &mut Decoder<'_>, min_bytes: usize) -> Result<usize, RegistryError> {
    let count = from.u64_le("count")?;
    let fits = from.remaining() / min_bytes.max(1);
    usize::try_from(count).ok().filter(|count| *count <= fits).ok_or(RegistryError::Wire(
        DecodeError::Count { what: "records", count, remaining: from.remaining() },
    ))
}

pub(super) fn take_list<R: Record>(from: &mut Decoder<'_>) -> Result<Vec<R>, RegistryError> {
    let count = take_count(from, R::MIN_BYTES)?;
    let reserve = count.min(from.remaining() / size_of::<R>().max(1));
    let mut items = Vec::with_capacity(reserve);
    for _ in 0..count {
        items.push(R::take(from)?);
    }
    Ok(items)
}
