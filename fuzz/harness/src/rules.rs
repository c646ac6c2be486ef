//! Transactions and blocks over a small state that has one of everything.

use mvs_consensus::block::{BlockBody, check_block, connect_block};
use mvs_consensus::error::Fault;
use mvs_consensus::error::{BlockRuleError, Rejection, TxRuleError};
use mvs_consensus::header::{Parent, accept_header, check_headers};
use mvs_consensus::header_view::{HeaderInfo, HeaderView};
use mvs_consensus::params::PowDifficulty;
use mvs_consensus::script::CacheUse;
use mvs_consensus::state::{Coin, StateView};
use mvs_consensus::tx::{Place, TxContext, TxKind, connect_tx};
use mvs_pow::{Attempt, CacheSet, hashimoto_light};
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, Payload};
use mvs_primitives::block::{Block, BlockProof};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::{MerkleRoot, MixHash};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;

use std::sync::OnceLock;

mod bytes;
mod state;

use bytes::Bytes;
use state::Small;

/// A chain as high as is asked for, with a block every 24 seconds.
struct Steady;

const FIRST_SECS: u32 = 1_480_000_000;

impl Steady {
    fn time_at(height: Height) -> Timestamp {
        let secs = FIRST_SECS.saturating_add(height.value().saturating_mul(24));
        Timestamp::from_unix_secs(secs)
    }
}

impl HeaderView for Steady {
    fn header_at(&self, height: Height) -> Result<Option<HeaderInfo>, Fault> {
        let (version, bits) = (BlockVersion::POW, Difficulty::from_u64(1));
        Ok(Some(HeaderInfo { version, timestamp: Self::time_at(height), bits }))
    }

    fn last_of_version(
        &self,
        version: BlockVersion,
        highest: Height,
        lowest: Height,
    ) -> Result<Option<(Height, HeaderInfo)>, Fault> {
        let found = version == BlockVersion::POW && highest >= lowest;
        let header = if found { self.header_at(highest)? } else { None };
        Ok(header.map(|header| (highest, header)))
    }
}

/// Input: choices, see `transaction_from`. A transaction that passes keeps what there is of coin and
/// of every asset.
pub(crate) fn transaction(data: &[u8]) {
    judge_transaction(data);
}

/// Returns the code of the rule that speaks; `ok` when none does.
fn judge_transaction(data: &[u8]) -> &'static str {
    let small = Small::get();
    let mut bytes = Bytes::new(data);
    let params = if bytes.choose(2) == 0 { &small.devnet } else { &small.mainnet };
    let height = match bytes.choose(4) {
        0 => small.tip + 1,
        1 => small.tip + 2000,
        2 => params.pos_enabled_height.saturating_add(5),
        _ => 2_000_000,
    };
    let place = if bytes.choose(2) == 0 { Place::Block } else { Place::Pool };
    let transaction = transaction_from(&mut bytes, small);

    let mut spent: Vec<Coin> = Vec::new();
    let is_coinbase = transaction.is_coinbase();
    for input in transaction.inputs.iter().filter(|_| !is_coinbase) {
        match small.state.coin(&input.previous).expect("memory can be read") {
            Some(coin) => spent.push(coin),
            None => return "no such coin",
        }
    }
    let (height, tip) = (Height::new(height), Height::new(height - 1));
    let time = Steady::time_at(height);
    let context = TxContext {
        params,
        height,
        tip,
        block_time: time,
        median_time_past: time.unix_secs() - 120,
        headers: &Steady,
        state: &small.state,
        place,
    };
    match connect_tx(&context, &transaction, &spent) {
        Ok(connected) => {
            assert_eq!(connected.kind, TxKind::of(&transaction, &params.addresses));
            if connected.kind == TxKind::Coinbase {
                assert_eq!(connected.fee, Amount::ZERO);
                return "ok";
            }
            check_coin_kept(&transaction, &spent, connected.fee);
            check_assets_kept(&transaction, &spent);
            check_single_items_kept(&transaction, &spent);
            "ok"
        }
        Err(Rejection::Rule(rule)) => {
            check_tx_rule(&rule);
            rule.code()
        }
        Err(Rejection::Fault(fault)) => unreachable!("memory has no faults: {fault}"),
    }
}

fn check_tx_rule(rule: &TxRuleError) {
    let known = TxRuleError::RULES.iter().any(|known| known.code == rule.own_code());
    assert!(known && !rule.code().is_empty(), "{}", rule.code());
    assert!(rule.to_string().len() < 600);
}

fn check_coin_kept(transaction: &Transaction, spent: &[Coin], fee: Amount) {
    let sum = |amounts: &mut dyn Iterator<Item = Amount>| -> u128 {
        amounts.map(|amount| u128::from(amount.units())).sum()
    };
    let inputs = sum(&mut spent.iter().map(|coin| coin.output.value));
    let outputs = sum(&mut transaction.outputs.iter().map(|output| output.value));
    assert_eq!(inputs, outputs + u128::from(fee.units()), "coin is kept");
    assert_eq!(spent.len(), transaction.inputs.len());
}

/// Units of an asset in outputs: (transferred, issued first, issued again).
fn units_of<'o>(symbol: &[u8], outputs: impl Iterator<Item = &'o Output>) -> [u128; 3] {
    let mut found = [0; 3];
    for output in outputs {
        let (kind, name, units) = match &output.attachment.payload {
            Payload::AssetTransfer(transfer) => (0, &transfer.symbol, transfer.quantity),
            Payload::AssetDetail(detail) => {
                let again = usize::from(detail.threshold.is_secondary());
                (1 + again, &detail.symbol, detail.maximum_supply)
            }
            _ => continue,
        };
        if name.as_bytes() == symbol {
            found[kind] += u128::from(units.units());
        }
    }
    found
}

/// Assets come from issues only. What is not passed on may be lost (chain.md 7.10.7, QUIRK).
fn check_assets_kept(transaction: &Transaction, spent: &[Coin]) {
    for output in &transaction.outputs {
        let Payload::AssetTransfer(transfer) = &output.attachment.payload else { continue };
        let symbol = transfer.symbol.as_bytes();
        let [passed_on, issued, _] = units_of(symbol, transaction.outputs.iter());
        if passed_on > 0 {
            let inputs = units_of(symbol, spent.iter().map(|coin| &coin.output));
            let inputs: u128 = inputs.iter().sum();
            assert_eq!(inputs, passed_on + issued, "an asset is kept");
        }
    }
}

/// Whoever passes on a unique item, an identity or a certificate had it.
fn check_single_items_kept(transaction: &Transaction, spent: &[Coin]) {
    use mvs_primitives::attachment::{CertStatus, DidStatus, MitStatus};
    let came_in = |is_it: &dyn Fn(&Payload) -> bool| {
        spent.iter().any(|coin| is_it(&coin.output.attachment.payload))
    };
    for output in &transaction.outputs {
        match &output.attachment.payload {
            Payload::Mit(mit) if mit.status == MitStatus::Transfer => assert!(
                came_in(&|payload| matches!(payload, Payload::Mit(m) if m.symbol == mit.symbol)),
                "a unique item from nowhere"
            ),
            Payload::Did(did) if did.status == DidStatus::Transfer => assert!(
                came_in(&|payload| matches!(payload, Payload::Did(d) if d.symbol == did.symbol)),
                "an identity from nowhere"
            ),
            Payload::Cert(cert) if cert.status == CertStatus::TRANSFER => assert!(
                came_in(&|payload| matches!(payload, Payload::Cert(c)
                    if c.symbol == cert.symbol && c.cert_type() == cert.cert_type())),
                "a certificate from nowhere"
            ),
            _ => {}
        }
    }
}

/// Builds a transaction: version, lock time, inputs among the coins there are, outputs with
/// attachments of every kind that name what there is, or anything.
fn transaction_from(bytes: &mut Bytes<'_>, small: &Small) -> Transaction {
    let version = match bytes.choose(8) {
        0 => 1,
        1 => 2,
        2 => 3,
        3 => bytes.number() as u32, // any
        _ => 4,
    };
    let locktime = if bytes.choose(4) == 0 { bytes.number() as u32 } else { 0 };
    let inputs = (0..1 + bytes.choose(4)).map(|_| input_from(bytes, small)).collect();
    let outputs = (0..1 + bytes.choose(5)).map(|_| output_from(bytes, small)).collect();
    Transaction { version, inputs, outputs, locktime }
}

fn input_from(bytes: &mut Bytes<'_>, small: &Small) -> Input {
    let choice = bytes.choose(small.coins.len() + 1);
    let previous = small.coins.get(choice).copied().unwrap_or(OutPoint::NULL);
    let mut input = Input::unsigned(previous);
    if bytes.choose(4) == 0 {
        input.sequence = bytes.number() as u32; // any
    }
    if bytes.choose(4) == 0 {
        let length = bytes.choose(120);
        input.script = Script::from_bytes(bytes.take(length));
    }
    input
}

fn output_from(bytes: &mut Bytes<'_>, small: &Small) -> Output {
    let value = match bytes.choose(6) {
        0 | 1 => 0,
        2 => 99_990_000,
        3 => bytes.number() % 1_000_000_000,
        4 => bytes.number() % 100_000_000 * 10_000,
        _ => bytes.number(),
    };
    let script = match bytes.choose(9) {
        0 => small.scripts[1].clone(),
        8 => small.scripts[2].clone(),
        1 => Script::pay_blackhole(),
        2 => Script::pay_key_hash_with_lock_height(10, &[1; 20]),
        3 => Script::pay_key_hash_with_sequence_lock(900, &[1; 20]),
        4 => {
            let point = small.coins[bytes.choose(small.coins.len())].to_array();
            Script::pay_key_hash_with_attenuation(state::MODEL, &point, &[1; 20])
        }
        5 => {
            let length = bytes.choose(80);
            Script::from_bytes(bytes.take(length))
        }
        _ => small.scripts[0].clone(),
    };
    let attachment = match bytes.choose(4) {
        0 => Attachment::ETP,
        1 => {
            let length = bytes.choose(200);
            Attachment::decode(bytes.take(length)).unwrap_or(Attachment::ETP)
        }
        _ => state::attachment_from(bytes),
    };
    Output { value: Amount::from_units(value), script, attachment }
}

/// The seals of the block target are checked with the cache of the first epoch.
fn caches() -> &'static CacheSet {
    static CACHES: OnceLock<CacheSet> = OnceLock::new();
    CACHES.get_or_init(|| CacheSet::new(1))
}

/// Input: a block; only its transactions count. It gets a header that fits, at the first height, and
/// goes through all stages. What it changes can be taken back.
pub(crate) fn block(data: &[u8]) {
    judge_block(data);
}

/// Returns the code of the rule that speaks; `ok` when none does.
fn judge_block(data: &[u8]) -> &'static str {
    let Ok((block, _)) = Block::decode_prefix(data) else { return "no block" };
    let small = Small::get();
    let mut params = small.devnet.clone();
    params.pow_difficulty = PowDifficulty::Fixed(Difficulty::from_u64(1));
    let parent = Parent { hash: params.genesis.header.hash(), height: Height::new(small.tip) };
    let height = Height::new(small.tip + 1);
    let mut header = Header {
        version: BlockVersion::POW,
        previous: parent.hash,
        merkle: MerkleRoot::ZERO,
        timestamp: Steady::time_at(height),
        bits: Difficulty::from_u64(1),
        nonce: 0,
        mix_hash: MixHash::ZERO,
        number: height,
    };
    let txids: Vec<_> = block.transactions.iter().map(Transaction::txid).collect();
    header.merkle = compute_root(&txids).root;
    // With difficulty 1 any nonce will do.
    let attempt = Attempt { seal_hash: *header.seal_hash().as_bytes(), nonce: 0 };
    let cache = caches().get(mvs_pow::Epoch::FIRST).expect("16 MiB are there");
    header.mix_hash = MixHash::from_bytes(hashimoto_light(&cache, &attempt).mix_hash);
    let block =
        Block { header: header.clone(), transactions: block.transactions, proof: BlockProof::None };

    let checked = check_headers(&params, caches(), vec![header]).remove(0).expect("it is sealed");
    let now = u64::from(u32::MAX);
    let placed = accept_header(&params, &Steady, parent, checked, now).expect("its place is right");
    let checked = match check_block(&params, placed, BlockBody::from(block)) {
        Ok(checked) => checked,
        Err(rejection) => return rejection.code(),
    };
    let pending = match connect_block(&params, &Steady, &small.state, checked) {
        Ok(pending) => pending,
        Err(rejection) => return check_block_rejection(&rejection),
    };
    let transactions = pending.block().block().transactions.clone();
    match pending.finish_here(CacheUse::Off) {
        Ok(connected) => {
            let mut state = small.state.clone();
            state.apply(connected.delta()).expect("a connected block fits its state");
            for (transaction, txid) in transactions.iter().zip(&txids) {
                for input in transaction.inputs.iter().filter(|_| !transaction.is_coinbase()) {
                    let coin = state.coin(&input.previous).expect("memory can be read");
                    assert_eq!(coin, None, "{txid}: what it spends is gone");
                }
            }
            state.undo(connected.delta()).expect("it was applied last");
            assert!(state == small.state, "undo leaves something");
            "ok"
        }
        Err(rejection) => check_block_rejection(&rejection),
    }
}

fn check_block_rejection(rejection: &Rejection<BlockRuleError>) -> &'static str {
    match rejection {
        Rejection::Rule(rule) => {
            assert!(rule.to_string().len() < 1000);
            rule.code()
        }
        Rejection::Fault(fault) => unreachable!("memory has no faults: {fault}"),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{judge_block, judge_transaction};

    #[track_caller]
    fn assert_verdicts(target: &str, judge: fn(&[u8]) -> &'static str, expected: &[(&str, &str)]) {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
        let found: Vec<(&str, &str)> = expected
            .iter()
            .map(|(name, _)| (*name, judge(&std::fs::read(corpus.join(name)).unwrap())))
            .collect();
        assert_eq!(found, expected);
    }

    /// The target is worth something only if it gets past the first rules.
    #[test]
    fn seeds_reach_the_last_rules() {
        assert_verdicts(
            "tx_rules",
            judge_transaction,
            &[
                ("coin", "ok"),
                ("asset", "ok"),
                ("asset-two-sources", "ok"),
                ("asset-created", "tx.asset.not_conserved"),
                ("asset-burnt", "ok"),
                ("item", "ok"),
                ("item-new", "ok"),
                ("identity-moves", "ok"),
                ("identity-new", "ok"),
                ("cert-moves", "ok"),
                ("cert-domain", "ok"),
                ("cert-naming", "ok"),
                ("issue", "ok"),
                ("issue-again", "ok"),
                ("locked-asset", "ok"),
                ("message", "ok"),
                ("mainnet-pool", "ok"),
                ("stake-era", "ok"),
                ("to-identity", "ok"),
            ],
        );
        assert_verdicts(
            "block_rules",
            judge_block,
            &[
                ("coinbase", "ok"),
                ("spend", "ok"),
                ("asset", "ok"),
                ("chain-inside", "ok"),
                ("double-spend", "block.double_spend"),
            ],
        );
    }
}
