//! What comes in (chain.md 7.10).

use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{CertType, Payload};
use mvs_primitives::text::Symbol;

use super::connect::{Place, TxContext};
use crate::error::{TxRuleError, demand};
use crate::state::Coin;

/// The symbols that the inputs carry.
#[derive(Debug, Default)]
pub(crate) struct InputSymbols<'a> {
    /// The one symbol of all assets, unique items and identities that come in.
    pub(crate) named: Option<&'a [u8]>,
    /// The one symbol of all certificates that come in.
    pub(crate) cert: Option<&'a Symbol>,
    /// The types of the certificates that come in, one entry for each input.
    pub(crate) cert_types: Vec<CertType>,
    /// The summed quantity of the assets that come in.
    pub(crate) asset_sum: u128,
}

/// Sums the values that come in (chain.md 7.10.1, 7.10.5).
pub(super) fn sum_values(context: &TxContext<'_>, spent: &[Coin]) -> Result<Amount, TxRuleError> {
    let mut sum = Amount::ZERO;
    for (input, coin) in spent.iter().enumerate() {
        sum = sum
            .checked_add(coin.output.value)
            .filter(|sum| *sum <= context.params.max_money)
            .ok_or(TxRuleError::InputValue { input })?;
    }
    Ok(sum)
}

/// chain.md 7.10.2.
pub(super) fn collect_symbols(spent: &[Coin]) -> Result<InputSymbols<'_>, TxRuleError> {
    let mut symbols = InputSymbols::default();
    for (input, coin) in spent.iter().enumerate() {
        let payload = &coin.output.attachment.payload;
        if let Some((symbol, quantity)) = coin.output.attachment.asset() {
            demand(symbol.as_bytes() != b"ETP", TxRuleError::InputAssetEtp { input })?;
            // At most 2^32 inputs of 2^64 units: fits.
            symbols.asset_sum += u128::from(quantity.units());
        }
        let named = match payload {
            Payload::AssetDetail(detail) => Some(detail.symbol.as_bytes()),
            Payload::AssetTransfer(transfer) => Some(transfer.symbol.as_bytes()),
            Payload::Mit(mit) => Some(mit.symbol.as_bytes()),
            Payload::Did(did) => Some(did.symbol.as_bytes()),
            _ => None,
        };
        if let Some(name) = named {
            let same = *symbols.named.get_or_insert(name) == name;
            demand(same, TxRuleError::InputSymbols { input })?;
        }
        if let Payload::Cert(cert) = payload {
            let same = *symbols.cert.get_or_insert(&cert.symbol) == &cert.symbol;
            demand(same, TxRuleError::InputSymbols { input })?;
            symbols.cert_types.push(cert.cert_type());
        }
    }
    Ok(symbols)
}

/// chain.md 7.10.3.
pub(super) fn check_matured(context: &TxContext<'_>, spent: &[Coin]) -> Result<(), TxRuleError> {
    // The pool counts from the tip, so it lets a coinbase in one block later than a block may.
    let from = match context.place {
        Place::Block => context.height,
        Place::Pool => context.tip,
    };
    for (input, coin) in spent.iter().enumerate() {
        let matured =
            !coin.is_coinbase || from.blocks_since(coin.height) >= context.params.coinbase_maturity;
        demand(matured, TxRuleError::CoinbaseImmature { input, created: coin.height })?;
    }
    Ok(())
}
