//! Raw transactions.

use mvs_consensus::state::StateView;
use mvs_primitives::encode::Decode;
use mvs_primitives::transaction::Transaction;
use serde_json::{Value, json};

use super::error::RpcError;
use super::source::Source;
use super::{Context, reason, shapes};
use crate::mempool::LooseTx;

/// The fees that the command takes, in units. Blocks take more than the upper one.
const FEES: std::ops::RangeInclusive<u64> = 10_000..=10_000_000_000;

impl<S: Source> Context<'_, S> {
    /// Reads the transaction of the request.
    fn given_tx(&self) -> Result<Transaction, RpcError> {
        let bytes = self.args.hex("TRANSACTION")?;
        Transaction::decode(&bytes)
            .map_err(|_| RpcError::argument("TRANSACTION", self.args.needed("TRANSACTION")))
    }

    pub(super) fn decode_raw_tx(&self) -> Result<Value, RpcError> {
        let tx = self.given_tx()?;
        let shown = shapes::transaction(&tx, &tx.txid(), &self.params().addresses);
        Ok(self.version.wrap("transaction", Value::Object(shown)))
    }

    pub(super) fn send_raw_tx(&self) -> Result<Value, RpcError> {
        let tx = LooseTx::from(self.given_tx()?);
        self.check_fee(tx.transaction())?;
        let txid = self
            .source
            .submit_tx(tx.clone())?
            .map_err(|reject| RpcError::validate(reason::of(&reject, tx.transaction())))?;
        Ok(self.version.wrap("hash", json!(txid.to_string())))
    }

    /// The command's own limits on the fee, which are asked before any rule.
    fn check_fee(&self, tx: &Transaction) -> Result<(), RpcError> {
        let mut paid = 0u64;
        for input in &tx.inputs {
            let coin = self.snapshot.coin(&input.previous)?;
            let value = match coin {
                Some(coin) => Some(coin.output.value),
                None => self.source.loose_tx(input.previous.txid)?.and_then(|parent| {
                    let index = usize::try_from(input.previous.index).ok()?;
                    Some(parent.transaction().outputs.get(index)?.value)
                }),
            };
            let value = value
                .ok_or_else(|| RpcError::validate("get transaction inputs etp value error!"))?;
            // QUIRK: the sums of this check wrap around; the rules behind it do not.
            paid = paid.wrapping_add(value.units());
        }
        let values = tx.outputs.iter().map(|output| output.value.units());
        let created = values.fold(0, u64::wrapping_add);
        match paid.checked_sub(created) {
            None | Some(0) => Err(RpcError::validate("no enough transaction fee")),
            Some(fee) if !FEES.contains(&fee) => {
                Err(RpcError::fee_range(fee, *FEES.start(), *FEES.end()))
            }
            Some(_) => Ok(()),
        }
    }
}
