//! What an entry says.

use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::block::Block;
use mvs_primitives::hash::TxId;
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::output::Output;

use super::Pair;

/// First byte of a key: an entry of a transaction.
const TX: u8 = 1;
/// First byte of a key: an entry of an address.
const ADDRESS: u8 = 2;
/// First byte of a key: an output that holds some of an asset.
const ASSET: u8 = 3;

/// The longest symbol that an entry repeats; longer ones exist in invalid attachments only.
const SYMBOL_BYTES_MAX: usize = 64;

/// Where a transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TxPlace {
    /// Height of its block.
    pub height: Height,
    /// Its number in the block.
    pub number: u32,
}

/// A place in an address's history, to go on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryCursor {
    /// The transaction.
    pub place: TxPlace,
    /// It is an output; the inputs of a transaction come first.
    pub is_output: bool,
    /// Number of the input or output.
    pub index: u32,
}

/// One line of an address's history: an output that pays it, or an input that spends one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressEntry {
    /// Where it stands.
    pub cursor: EntryCursor,
    /// The transaction.
    pub txid: TxId,
    /// For an input: the output that it spends.
    pub spends: Option<OutPoint>,
    /// Amount of the output paid or spent.
    pub value: Amount,
    /// Type number of the output's attachment, at most 7 (which stands for all unknown ones).
    pub attachment_type: u8,
    /// What the attachment names: asset, certificate, identity or item; empty when nothing.
    pub symbol: Box<[u8]>,
    /// Asset quantity, 0 when there is no asset.
    pub quantity: AssetAmount,
}

/// What entries say about an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputSummary {
    pub(super) address: Option<Address>,
    value: Amount,
    attachment_type: u8,
    symbol: Box<[u8]>,
    quantity: AssetAmount,
}

impl OutputSummary {
    pub(crate) fn of(output: &Output) -> Self {
        let symbol = symbol_of(&output.attachment);
        let quantity = output.attachment.asset().map_or(AssetAmount::ZERO, |(_, amount)| amount);
        Self {
            // As it is when it comes back from storage.
            address: output.script.without_marker_memory().address(),
            value: output.value,
            attachment_type: u8::try_from(output.attachment.type_number()).unwrap_or(7).min(7),
            symbol: if symbol.len() > SYMBOL_BYTES_MAX { Box::default() } else { symbol.into() },
            quantity,
        }
    }
}

fn symbol_of(attachment: &Attachment) -> &[u8] {
    match &attachment.payload {
        Payload::AssetDetail(detail) => detail.symbol.as_bytes(),
        Payload::AssetTransfer(transfer) => transfer.symbol.as_bytes(),
        Payload::Did(did) => did.symbol.as_bytes(),
        Payload::Cert(cert) => cert.symbol.as_bytes(),
        Payload::Mit(mit) => mit.symbol.as_bytes(),
        _ => &[],
    }
}

/// Bytes of an address in keys.
fn address_key(address: &Address) -> [u8; 22] {
    let mut key = [0u8; 22];
    let (tag, hash): (u8, &[u8]) = match address {
        Address::KeyHash(hash) => (1, hash),
        Address::ScriptHash(hash) => (2, hash),
        Address::Blackhole => (3, &[]),
    };
    key.iter_mut().zip([ADDRESS, tag].iter().chain(hash)).for_each(|(to, from)| *to = *from);
    key
}

fn place_key(place: TxPlace) -> [u8; 8] {
    let mut key = [0u8; 8];
    let (height, number) = key.split_at_mut(4);
    height.copy_from_slice(&place.height.value().to_be_bytes());
    number.copy_from_slice(&place.number.to_be_bytes());
    key
}

/// Returns the first key of a transaction, and the first one behind them.
pub(crate) fn tx_bounds(txid: &TxId) -> (Vec<u8>, Vec<u8>) {
    let first = [&[TX][..], txid.as_bytes()].concat();
    let end = [&first[..], &[0xff; 9]].concat();
    (first, end)
}

/// Returns the first key of an address's history, and the first one behind it.
pub(crate) fn address_bounds(address: &Address) -> (Vec<u8>, Vec<u8>) {
    let first = address_key(address).to_vec();
    let end = [&first[..], &[0xff; 14]].concat();
    (first, end)
}

/// Bytes of an asset in keys; `None` for symbols that no valid attachment has.
fn asset_key(symbol: &[u8]) -> Option<Vec<u8>> {
    let len = u8::try_from(symbol.len()).ok().filter(|_| symbol.len() <= SYMBOL_BYTES_MAX)?;
    Some([&[ASSET, len][..], symbol].concat())
}

/// Returns the first key of an asset's outputs, and the first one behind them.
pub(crate) fn asset_bounds(
    symbol: &[u8],
    after: Option<EntryCursor>,
) -> Option<(Vec<u8>, Vec<u8>)> {
    let key = asset_key(symbol)?;
    let end = [&key[..], &[0xff; 14]].concat();
    let first = match after {
        None => key,
        Some(after) => [&key[..], &after.tail(), &[0]].concat(),
    };
    Some((first, end))
}

/// Reads an asset's entry: its place and its transaction.
pub(crate) fn asset_entry(key: &[u8], value: &[u8]) -> Option<(EntryCursor, TxId)> {
    let (_, tail) = key.split_last_chunk::<13>()?;
    Some((EntryCursor::from_tail(tail)?, TxId::from_bytes(value.try_into().ok()?)))
}

impl EntryCursor {
    /// Returns the key of an address's entry.
    pub(crate) fn key(&self, address: &Address) -> Vec<u8> {
        [&address_key(address)[..], &self.tail()].concat()
    }

    /// Returns the end of a key: where in the chain.
    fn tail(&self) -> [u8; 13] {
        let mut tail = [0; 13];
        let direction = [u8::from(self.is_output)];
        let (place, index) = (place_key(self.place), self.index.to_be_bytes());
        let bytes = place.iter().chain(&direction).chain(&index).copied();
        tail.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        tail
    }

    fn from_key(key: &[u8]) -> Option<Self> {
        let (_, tail) = key.split_first_chunk::<22>()?;
        Self::from_tail(tail)
    }

    fn from_tail(tail: &[u8]) -> Option<Self> {
        let (place, rest) = tail.split_first_chunk::<8>()?;
        let ([direction], rest) = rest.split_first_chunk()?;
        let index = u32::from_be_bytes(rest.try_into().ok()?);
        Some(Self { place: place_from(place)?, is_output: *direction == 1, index })
    }
}

fn place_from(bytes: &[u8]) -> Option<TxPlace> {
    let (height, rest) = bytes.split_first_chunk()?;
    let number = u32::from_be_bytes(rest.try_into().ok()?);
    Some(TxPlace { height: Height::new(u32::from_be_bytes(*height)), number })
}

/// Reads the place out of a transaction's key.
pub(crate) fn tx_place(key: &[u8]) -> Option<TxPlace> {
    place_from(key.split_first_chunk::<33>()?.1)
}

impl AddressEntry {
    pub(crate) fn from_pair(key: &[u8], value: &[u8]) -> Option<Self> {
        let cursor = EntryCursor::from_key(key)?;
        let (txid, rest) = value.split_first_chunk()?;
        let (amount, rest) = rest.split_first_chunk()?;
        let ([attachment_type], rest) = rest.split_first_chunk()?;
        let (quantity, rest) = rest.split_first_chunk()?;
        let (spends, symbol) = if cursor.is_output {
            (None, rest)
        } else {
            let (txid, rest) = rest.split_first_chunk()?;
            let (index, rest) = rest.split_first_chunk()?;
            let previous = OutPoint::new(TxId::from_bytes(*txid), u32::from_le_bytes(*index));
            (Some(previous), rest)
        };
        Some(Self {
            cursor,
            txid: TxId::from_bytes(*txid),
            spends,
            value: Amount::from_units(u64::from_le_bytes(*amount)),
            attachment_type: *attachment_type,
            symbol: symbol.into(),
            quantity: AssetAmount::from_units(u64::from_le_bytes(*quantity)),
        })
    }
}

fn address_pair(
    address: &Address,
    cursor: EntryCursor,
    txid: &TxId,
    spends: Option<&OutPoint>,
    output: &OutputSummary,
) -> Pair {
    let mut value = Vec::with_capacity(96);
    value.extend_from_slice(txid.as_bytes());
    value.extend_from_slice(&output.value.units().to_le_bytes());
    value.push(output.attachment_type);
    value.extend_from_slice(&output.quantity.units().to_le_bytes());
    if let Some(previous) = spends {
        value.extend_from_slice(&previous.to_array());
    }
    value.extend_from_slice(&output.symbol);
    (cursor.key(address).into(), value.into())
}

/// Returns the entries of a block, sorted by key. `previous` gives the outputs that its inputs spend.
pub(crate) fn entries_of_block<E>(
    block: &Block,
    txids: &[TxId],
    height: Height,
    mut previous: impl FnMut(&OutPoint) -> Result<OutputSummary, E>,
) -> Result<Vec<Pair>, E> {
    let mut pairs: Vec<Pair> = Vec::new();
    for ((transaction, txid), number) in block.transactions.iter().zip(txids).zip(0u32..) {
        let place = TxPlace { height, number };
        let key = [&[TX][..], txid.as_bytes(), &place_key(place)].concat();
        pairs.push((key.into(), Box::default()));
        for (output, index) in transaction.outputs.iter().zip(0u32..) {
            let summary = OutputSummary::of(output);
            let cursor = EntryCursor { place, is_output: true, index };
            if let Some(key) = output.attachment.asset().and_then(|(symbol, _)| {
                let key = asset_key(symbol.as_bytes())?;
                Some([&key[..], &cursor.tail()].concat())
            }) {
                pairs.push((key.into(), txid.as_bytes().as_slice().into()));
            }
            if let Some(address) = summary.address {
                pairs.push(address_pair(&address, cursor, txid, None, &summary));
            }
        }
        for (input, index) in transaction.inputs.iter().zip(0u32..) {
            if input.previous.is_null() {
                continue;
            }
            let summary = previous(&input.previous)?;
            if let Some(address) = summary.address {
                let cursor = EntryCursor { place, is_output: false, index };
                pairs.push(address_pair(&address, cursor, txid, Some(&input.previous), &summary));
            }
        }
    }
    pairs.sort_unstable();
    Ok(pairs)
}
