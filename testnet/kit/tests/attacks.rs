//! Attacks that once hit some chain, each by its name.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::sync::{Arc, LazyLock};

use mvs_consensus::block::{BodyRejection, connect_block};
use mvs_consensus::difficulty::required_bits;
use mvs_consensus::error::{BlockRuleError, BodyMismatch, Rejection};
use mvs_consensus::header::{Parent, screen_header};
use mvs_consensus::header_view::{HeaderChain, HeaderInfo, median_time_past};
use mvs_consensus::params::{Fork, Params, PowDifficulty, Strictness};
use mvs_pow::CacheSet;
use mvs_primitives::address::AddressFormat;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    AssetDetail, AssetTransfer, Attachment, Cert, CertStatus, CertType, IssueThreshold, Payload,
};
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::{Decode, Encode};
use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash, TxId, sha256d};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::{MerkleBranch, compute_root};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Opcode, Script, ScriptBuilder};
use mvs_primitives::text::{DidName, Symbol, Text};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use testkit::build::{BlockDraft, coinbase};
use testkit::chain::{FAR_FUTURE, MemoryChain, Refusal};
use testkit::history::Rng;
use testkit::people::Person;

static CACHES: LazyLock<Arc<CacheSet>> = LazyLock::new(|| Arc::new(CacheSet::new(1)));

/// A chain on which one person has mined a few ripe coins.
struct Scene {
    chain: MemoryChain,
    miner: Person,
    /// Ripe coinbases, 3 coins each.
    coins: Vec<OutPoint>,
}

const COIN: u64 = 300_000_000;
const FEE: u64 = 10_000;

impl Scene {
    fn new() -> Self {
        Self::with(Params::devnet(), 16)
    }

    fn with(params: Params, blocks: usize) -> Self {
        let chain = MemoryChain::new(params, Arc::clone(&CACHES));
        let miner = Person::new("attacks", 0);
        let mut scene = Self { chain, miner, coins: Vec::new() };
        for _ in 0..blocks {
            scene.mine(Vec::new());
        }
        let ripe = blocks.saturating_sub(11);
        let first =
            |b: &mvs_consensus::block::ConnectedBlock| OutPoint::new(b.block().txids()[0], 0);
        scene.coins = scene.chain.blocks().iter().skip(1).take(ripe).map(first).collect();
        scene
    }

    fn draft(&self, transactions: Vec<Transaction>) -> BlockDraft {
        BlockDraft::on(&self.chain, self.miner.pay(), transactions)
    }

    fn judge(&self, draft: BlockDraft) -> Result<(), Refusal> {
        self.chain.judge(&draft.seal(&CACHES).to_bytes(), FAR_FUTURE).map(drop)
    }

    fn mine(&mut self, transactions: Vec<Transaction>) {
        let block = self.draft(transactions).seal(&CACHES);
        self.chain.append(&block.to_bytes(), FAR_FUTURE).unwrap();
    }

    /// Asserts that a transaction is refused loose and in a block, with this code.
    fn refused(&self, transaction: &Transaction, code: &str) {
        assert_eq!(self.chain.judge_loose(transaction).unwrap_err().code(), code, "loose");
        let in_block = self.judge(self.draft(vec![transaction.clone()]));
        assert_eq!(in_block.unwrap_err().code(), code, "in a block");
    }

    fn coin(&self, index: usize) -> OutPoint {
        self.coins[index]
    }

    /// Signs a transaction by the miner, whatever it spends.
    fn sign(&self, version: u32, spends: &[OutPoint], outputs: Vec<Output>) -> Transaction {
        let inputs = spends.iter().map(|spend| Input::unsigned(*spend)).collect();
        let mut tx = Transaction { version, inputs, outputs, locktime: 0 };
        for index in 0..tx.inputs.len() {
            tx.inputs[index].script = self.miner.unlock(&tx, index, &self.miner.pay());
        }
        tx
    }

    fn pay(&self, units: u64) -> Output {
        Output::etp(Amount::from_units(units), self.miner.pay())
    }

    fn carry(&self, payload: Payload) -> Output {
        let attachment = Attachment::new(payload);
        Output { value: Amount::ZERO, script: self.miner.pay(), attachment }
    }

    fn units(&self, quantity: u64) -> Output {
        let quantity = AssetAmount::from_units(quantity);
        self.carry(Payload::AssetTransfer(AssetTransfer { symbol: symbol(), quantity }))
    }

    fn detail(&self, supply: u64, threshold: IssueThreshold) -> Output {
        self.carry(Payload::AssetDetail(Box::new(AssetDetail {
            symbol: symbol(),
            maximum_supply: AssetAmount::from_units(supply),
            decimal_number: 0,
            threshold,
            unused: [0; 2],
            issuer: DidName::new("somebody").unwrap(),
            address: self.miner.address_text(&AddressFormat::MAINNET),
            description: Text::default(),
        })))
    }

    fn cert(&self, kind: CertType, status: CertStatus) -> Output {
        let owner = DidName::new("somebody").unwrap();
        let address = self.miner.address_text(&AddressFormat::MAINNET);
        let cert = Cert::new(symbol(), owner, address, kind, status, None).unwrap();
        self.carry(Payload::Cert(Box::new(cert)))
    }

    /// Issues an asset that can be issued again; its coins are 0 (units) and 1 (issue cert).
    fn issue(&mut self, supply: u64) -> TxId {
        let issue = self.sign(
            4,
            &[self.coin(0)],
            vec![
                self.detail(supply, IssueThreshold::FREE),
                self.cert(CertType::ISSUE, CertStatus::AUTO_ISSUE),
                self.cert(CertType::DOMAIN, CertStatus::AUTO_ISSUE),
                self.pay(COIN - FEE),
            ],
        );
        let txid = issue.txid();
        self.mine(vec![issue]);
        txid
    }
}

fn symbol() -> Symbol {
    Symbol::new("OVERFLOW").unwrap()
}

#[test]
fn cve_2010_5139_value_overflow_of_coin() {
    let scene = Scene::new();
    let half = 1u64 << 63;
    for values in [
        vec![half, half, COIN - FEE],    // wraps around to what came in
        vec![u64::MAX, COIN - FEE + 1],  // the same in two outputs
        vec![10_000_000_000_000_000, 1], // one unit above the money limit
        vec![10_000_000_000_000_001],    // alone
        vec![u64::MAX],
    ] {
        let outputs = values.iter().map(|value| scene.pay(*value)).collect();
        let tx = scene.sign(4, &[scene.coin(0)], outputs);
        scene.refused(&tx, "tx.output_value");
    }
    // A valid amount that is not there is another matter.
    let tx = scene.sign(4, &[scene.coin(0)], vec![scene.pay(10_000_000_000_000_000)]);
    scene.refused(&tx, "tx.value_created");
    // Nor can a coinbase make it.
    for units in [u64::MAX, u64::MAX - COIN + 1] {
        let mut draft = scene.draft(Vec::new());
        draft.transactions[0].outputs[0].value = Amount::from_units(units);
        assert_eq!(scene.judge(draft).unwrap_err().code(), "tx.output_value");
    }
    let mut draft = scene.draft(Vec::new());
    draft.transactions[0].outputs[0].value = Amount::from_units(COIN + 1);
    assert_eq!(scene.judge(draft).unwrap_err().code(), "block.coinbase_value");
}

#[test]
fn cve_2010_5139_value_overflow_of_an_asset_transfer() {
    let mut scene = Scene::new();
    let issue = scene.issue(1_000);
    let spends = [scene.coin(1), OutPoint::new(issue, 0)];
    let half = 1u64 << 63;
    for quantities in [vec![half, half, 1_000], vec![u64::MAX, 1_001], vec![1_001], vec![999]] {
        let mut outputs: Vec<Output> = quantities.iter().map(|q| scene.units(*q)).collect();
        outputs.push(scene.pay(COIN - FEE));
        let tx = scene.sign(4, &spends, outputs);
        scene.refused(&tx, "tx.asset.not_conserved");
        // What the ancestor does: its 64-bit sums wrap around.
        let params = Params { strictness: Strictness::REFERENCE, ..Params::devnet() };
        let sum = quantities.iter().fold(0u64, |sum, q| sum.wrapping_add(*q));
        let lax = scene.chain.with_params(params).judge_loose(&tx);
        assert_eq!(lax.is_ok(), sum == 1_000, "{quantities:?}");
    }
    let honest = vec![scene.units(400), scene.units(600), scene.pay(COIN - FEE)];
    scene.chain.judge_loose(&scene.sign(4, &spends, honest)).unwrap();
}

#[test]
fn cve_2010_5139_value_overflow_of_asset_issues() {
    let mut scene = Scene::new();
    // An issue makes one output of at most 2^64 - 1 units, and nothing else of the asset.
    let outputs = vec![
        scene.detail(u64::MAX, IssueThreshold::FREE),
        scene.detail(2, IssueThreshold::FREE),
        scene.pay(COIN - FEE),
    ];
    scene.refused(&scene.sign(4, &[scene.coin(0)], outputs), "tx.asset.issue_form");
    let outputs =
        vec![scene.detail(u64::MAX, IssueThreshold::FREE), scene.units(2), scene.pay(COIN - FEE)];
    scene.refused(&scene.sign(4, &[scene.coin(0)], outputs), "tx.asset.issue_outputs");

    let issue = scene.issue(u64::MAX - 5);
    let more = |scene: &Scene, supply, shown: &[u64]| {
        let spends = [scene.coin(1), OutPoint::new(issue, 0), OutPoint::new(issue, 1)];
        let mut outputs = vec![
            scene.detail(supply, IssueThreshold::FREE.as_secondary()),
            scene.cert(CertType::ISSUE, CertStatus::NORMAL),
        ];
        outputs.extend(shown.iter().map(|quantity| scene.units(*quantity)));
        outputs.push(scene.pay(COIN - FEE));
        scene.sign(4, &spends, outputs)
    };
    let all = u64::MAX - 5;
    for supply in [6, u64::MAX] {
        scene.refused(&more(&scene, supply, &[all]), "tx.asset.supply_overflow");
    }
    // The shown holding wraps around to itself.
    let half = 1u64 << 63;
    scene.refused(&more(&scene, 1, &[half, half, all]), "tx.asset.supply_overflow");
    scene.refused(&more(&scene, 1, &[all, 1]), "tx.asset.not_conserved");
    scene.chain.judge_loose(&more(&scene, 5, &[all])).unwrap();
}

#[test]
fn cve_2018_17144_duplicate_inputs() {
    let scene = Scene::new();
    let twice = [scene.coin(0), scene.coin(0)];
    for version in [0, 1, 2, 4] {
        let tx = scene.sign(version, &twice, vec![scene.pay(2 * COIN - FEE)]);
        scene.refused(&tx, "tx.duplicate_input");
    }
    // In two transactions of a block.
    let one = scene.sign(4, &[scene.coin(0)], vec![scene.pay(COIN - FEE)]);
    let other = scene.sign(4, &[scene.coin(0)], vec![scene.pay(COIN - 2 * FEE)]);
    let refusal = scene.judge(scene.draft(vec![one.clone(), other])).unwrap_err();
    assert_eq!(refusal.code(), "block.double_spend");
    // Of a coin that the block itself makes.
    let made = OutPoint::new(one.txid(), 0);
    let tx = scene.sign(4, &[made, made], vec![scene.pay(2 * COIN - 4 * FEE)]);
    let refusal = scene.judge(scene.draft(vec![one, tx])).unwrap_err();
    assert_eq!(refusal.code(), "tx.duplicate_input");
}

#[test]
fn cve_2012_2459_merkle_malleation() {
    let mut scene = Scene::new();
    let pay =
        |scene: &Scene, index| scene.sign(4, &[scene.coin(index)], vec![scene.pay(COIN - FEE)]);
    // Three transactions: the last may be repeated. Six: the last two.
    for (count, tail) in [(2, 1), (5, 2)] {
        let txs = (0..count).map(|index| pay(&scene, index)).collect();
        let honest = scene.draft(txs).seal(&CACHES);
        let mut spoilt = honest.clone();
        let repeated = honest.transactions[honest.transactions.len() - tail..].to_vec();
        spoilt.transactions.extend(repeated);
        assert_eq!(compute_root(&spoilt.txids()).root, honest.header.merkle);
        let refusal = scene.chain.judge(&spoilt.to_bytes(), FAR_FUTURE).unwrap_err();
        // The body is dropped; the header, which is the honest block's, is not condemned.
        assert!(
            matches!(refusal, Refusal::Body(BodyRejection::Mismatch(BodyMismatch::Malleated))),
            "{refusal}"
        );
        scene.chain.judge(&honest.to_bytes(), FAR_FUTURE).unwrap();
    }
    // Another body under an honest header says nothing about the header either.
    let honest = scene.draft(vec![pay(&scene, 0)]).seal(&CACHES);
    let mut other = honest.clone();
    other.transactions[1] = pay(&scene, 1);
    let refusal = scene.chain.judge(&other.to_bytes(), FAR_FUTURE).unwrap_err();
    assert!(matches!(refusal, Refusal::Body(BodyRejection::Mismatch(BodyMismatch::MerkleRoot))));
    // A header that really commits to a repeated list is invalid for good.
    let twice = scene.draft(vec![pay(&scene, 0), pay(&scene, 0)]);
    assert_eq!(scene.judge(twice).unwrap_err().code(), "block.duplicate_tx");
    scene.chain.append(&honest.to_bytes(), FAR_FUTURE).unwrap();
}

#[test]
fn bip30_duplicate_txids() {
    let mut scene = Scene::new();
    // A coinbase names its height, so that of one height is none for another.
    let earlier = scene.chain.blocks()[5].block().block().transactions[0].clone();
    let mut draft = scene.draft(Vec::new());
    draft.transactions[0] = earlier;
    assert_eq!(scene.judge(draft).unwrap_err().code(), "block.coinbase_height");
    let script = |height| coinbase(Height::new(height), Vec::new()).inputs[0].script.clone();
    for height in (1..70_000).chain([0x7f_ffff, 0x80_0000, 0x7fff_ffff, 0x8000_0000, u32::MAX]) {
        let (this, next) = (script(height), script(height.wrapping_add(1).max(1)));
        assert!(!this.as_bytes().starts_with(next.as_bytes()));
        assert!(!next.as_bytes().starts_with(this.as_bytes()));
        // The first byte says how many follow, so no push of another length is a beginning.
        assert_eq!(usize::from(this.as_bytes()[0]), this.len() - 1);
    }
    // The rule itself, on a state in which the coinbase's output is already there.
    let block = scene.draft(Vec::new()).seal(&CACHES);
    let connected = scene.chain.judge(&block.to_bytes(), FAR_FUTURE).unwrap();
    let mut state = scene.chain.state().clone();
    let (params, headers) = (scene.chain.params(), scene.chain.headers());
    let again = Arc::clone(connected.block());
    connect_block(params, headers, &state, Arc::clone(&again)).unwrap();
    state.apply(connected.delta()).unwrap();
    let refusal = connect_block(params, headers, &state, again).unwrap_err();
    assert!(matches!(refusal, Rejection::Rule(BlockRuleError::TxExists { .. })), "{refusal}");
    // An ordinary transaction cannot come again: what it spends is gone.
    let tx = scene.sign(4, &[scene.coin(0)], vec![scene.pay(COIN - FEE)]);
    scene.mine(vec![tx.clone()]);
    scene.refused(&tx, "tx.input_missing");
}

#[test]
fn cve_2017_12842_transactions_of_64_bytes() {
    let scene = Scene::new();
    // The smallest transaction with an input and an output has 68 bytes, so no inner node of the
    // tree, which is a hash over 64, is one.
    let smallest = Transaction {
        version: 1,
        inputs: vec![Input::unsigned(scene.coin(0))],
        outputs: vec![Output::etp(Amount::ZERO, Script::default())],
        locktime: 0,
    };
    assert_eq!(smallest.to_bytes().len(), 68);
    assert_eq!(Input::MIN_BYTES + Output::MIN_BYTES + 4 + 1 + 1 + 4, 68);
    // Of 64 bytes there are only such without an input or without an output, and the rules refuse
    // them.
    let mut no_output = smallest.clone();
    no_output.outputs.clear();
    no_output.inputs[0].script = Script::from_bytes([0x51; 13]);
    let mut no_input = smallest.clone();
    no_input.inputs.clear();
    no_input.outputs[0].script = Script::from_bytes([0x51; 37]);
    for tx in [no_output, no_input] {
        let bytes = tx.to_bytes();
        assert_eq!(bytes.len(), 64);
        assert_eq!(Transaction::decode(&bytes), Ok(tx.clone()));
        scene.refused(&tx, "tx.empty");
    }
    let mut rng = Rng::new(64);
    let mut decoded = 0;
    for round in 0..200_000u32 {
        let mut bytes: Vec<u8> = (0..8).flat_map(|_| rng.next_u64().to_le_bytes()).collect();
        if round % 2 == 0 {
            // Steer towards one input, and lengths that leave room for the rest.
            bytes[4] = 1;
            bytes[41] = (rng.below(16)) as u8;
        }
        if let Ok(tx) = Transaction::decode(&bytes) {
            decoded += 1;
            assert!(tx.inputs.is_empty() || tx.outputs.is_empty(), "{tx:?}");
        }
    }
    assert!(decoded > 0, "the steering reaches the decoder's end");

    // An inner node hashes up to the root by a shorter branch; what it is the hash of is no
    // transaction. Whoever checks a proof decodes the transaction, which fails.
    let txids: Vec<TxId> = (0..7u8).map(|n| TxId::from_bytes(sha256d(&[n]))).collect();
    let root = compute_root(&txids).root;
    let parents: Vec<TxId> = txids
        .chunks(2)
        .map(|pair| {
            let (left, right) = (pair[0], *pair.get(1).unwrap_or(&pair[0]));
            let node = [*left.as_bytes(), *right.as_bytes()].concat();
            let is_valid = Transaction::decode(&node)
                .is_ok_and(|tx| !tx.inputs.is_empty() && !tx.outputs.is_empty());
            assert!(!is_valid);
            TxId::from_bytes(sha256d(&node))
        })
        .collect();
    for (index, parent) in parents.iter().enumerate() {
        let short = MerkleBranch::of(&parents, index as u32).unwrap();
        assert_eq!(compute_root(&parents).root, root);
        short.verify(parent, &root).unwrap();
        // With the depth of the real tree the node passes at no place.
        for place in 0..txids.len() as u32 {
            let branch = MerkleBranch::of(&txids, place).unwrap();
            assert!(branch.verify(parent, &root).is_err());
        }
    }
}

#[test]
fn quadratic_hashing_of_standard_spends_is_bounded_by_size_and_sigops() {
    let mut scene = Scene::new();
    // Spending many outputs by one key each: every signature hashes all of the transaction but the
    // other input scripts.
    let count = 300;
    let each = (COIN - FEE) / count;
    let outputs = (0..count).map(|_| scene.pay(each)).collect();
    let fan = scene.sign(4, &[scene.coin(0)], outputs);
    let txid = fan.txid();
    scene.mine(vec![fan]);
    let spends: Vec<OutPoint> = (0..count as u32).map(|index| OutPoint::new(txid, index)).collect();
    let tx = scene.sign(4, &spends, vec![scene.pay(count * each - FEE)]);
    scene.chain.judge_loose(&tx).unwrap();
    let stripped: u64 = 10 + 41 * count + 34 + 25 + 4; // what one signature hashes, about
    let size = tx.nominal_size();
    let per_input = size / count;
    let inputs_of_a_block = 1_000_000 / per_input;
    let hashed = inputs_of_a_block * (41 * inputs_of_a_block + 100);
    println!(
        "{count} inputs: {size} bytes, {} hashed; a full block: {inputs_of_a_block} inputs, {hashed} bytes hashed",
        count * stripped
    );
    assert!(hashed < 2_500_000_000, "at most 2.5 GB for a block of standard spends");
    // The transaction cannot be larger.
    let mut large = tx;
    let filler = Script::from_bytes(vec![0x51; 9_000]);
    large.version = 1;
    while large.nominal_size() <= 1_000_000 {
        large.outputs.push(Output::etp(Amount::ZERO, filler.clone()));
    }
    assert_eq!(scene.chain.judge_loose(&large).unwrap_err().code(), "tx.size");
    // Signature operations of a block: 20,000 and not one more, wherever they stand.
    let sigops = |scene: &Scene, extra: usize| {
        let checks = Script::from_bytes(vec![Opcode::CHECKSIG.byte(); 9_999]);
        let last = Script::from_bytes(vec![Opcode::CHECKSIG.byte(); extra]);
        let scripts = [checks.clone(), checks, last];
        let mut outputs: Vec<Output> =
            scripts.into_iter().map(|script| Output::etp(Amount::ZERO, script)).collect();
        outputs[0].value = Amount::from_units(COIN - FEE);
        scene.sign(1, &[scene.coin(1)], outputs)
    };
    // The coinbase pays to a key: one more operation.
    scene.judge(scene.draft(vec![sigops(&scene, 1)])).unwrap();
    let refusal = scene.judge(scene.draft(vec![sigops(&scene, 2)])).unwrap_err();
    assert_eq!(refusal.code(), "block.sigops");
    // Redeem scripts count apart, when they are spent.
    let redeem = Script::from_bytes(vec![Opcode::CHECKMULTISIG.byte(); 200]);
    let hash = mvs_primitives::hash::hash160(redeem.as_bytes());
    let outputs = (0..6)
        .map(|_| Output::etp(Amount::from_units(1_000_000), Script::pay_script_hash(&hash)))
        .collect();
    let fund = scene.sign(4, &[scene.coin(2)], outputs);
    let txid = fund.txid();
    scene.mine(vec![fund]);
    let inputs = (0..6)
        .map(|index| Input {
            previous: OutPoint::new(txid, index),
            script: ScriptBuilder::new().push(redeem.as_bytes()).build(),
            sequence: u32::MAX,
        })
        .collect();
    let outputs = vec![scene.pay(5_000_000)];
    let spend = Transaction { version: 4, inputs, outputs, locktime: 0 };
    let refusal = scene.judge(scene.draft(vec![spend])).unwrap_err();
    assert_eq!(refusal.code(), "block.p2sh_sigops");
}

/// Signature operations of an output count where it is made, not where it is spent, as in Bitcoin.
/// What bounds the spending is the limit of 201 operations for each script.
#[test]
fn quadratic_hashing_of_crowded_scripts_is_bounded_by_operations() {
    let mut scene = Scene::new();
    // Each check hashes anew: another hash type, a signature that parses and fits no key.
    let crowded = |checks: u8| {
        let mut builder = ScriptBuilder::new();
        for hash_type in 0..checks {
            let signature = [0x30, 6, 2, 1, 1, 2, 1, 1, hash_type];
            builder = builder.push(&signature).push(scene.miner.key()).op(Opcode::CHECKSIG);
        }
        builder.op(Opcode::OP_1).build()
    };
    let scripts = [crowded(201), crowded(202)];
    assert!(scripts.iter().all(|script| script.len() <= 10_000), "within the size of a script");
    // Only versions below 2 may make an output without a standard pattern.
    let output = |script: &Script| Output::etp(Amount::from_units(COIN / 3), script.clone());
    let outputs: Vec<Output> = scripts.iter().map(output).collect();
    let modern = scene.sign(2, &[scene.coin(0)], outputs.clone());
    scene.refused(&modern, "tx.script_not_standard");
    let fund = scene.sign(1, &[scene.coin(0)], outputs);
    let txid = fund.txid();
    scene.mine(vec![fund]);
    let spend = |index| Transaction {
        version: 4,
        inputs: vec![Input::unsigned(OutPoint::new(txid, index))],
        outputs: vec![scene.pay(COIN / 3 - FEE)],
        locktime: 0,
    };
    scene.chain.judge_loose(&spend(0)).unwrap();
    let too_many = scene.chain.judge_loose(&spend(1)).unwrap_err();
    assert!(matches!(too_many, Refusal::Script(0, _)), "{too_many}");
    let inputs = 1_000_000 / 41u64;
    println!(
        "{} bytes hashed for one input; the protocol allows {inputs} such inputs of 201 hashes of \
         1 MB each, {} TB",
        201 * spend(0).to_bytes().len(),
        inputs * 201 / 1_000_000
    );
}

/// A header that claims what the rules demand, with any seal.
fn header_on(params: &Params, chain: &HeaderChain, parent: Parent, time: u32) -> Header {
    let number = parent.height.next().unwrap();
    let timestamp = Timestamp::from_unix_secs(time);
    let bits = required_bits(params, chain, BlockVersion::POW, timestamp, number).unwrap().unwrap();
    Header {
        version: BlockVersion::POW,
        previous: parent.hash,
        merkle: MerkleRoot::ZERO,
        timestamp,
        bits,
        nonce: 0,
        mix_hash: MixHash::ZERO,
        number,
    }
}

/// Chooses a timestamp from the parent's, the clock and the number of the block.
type Choice = fn(u32, u32, u32) -> u32;

#[test]
fn time_warp_does_not_lower_the_difficulty() {
    const START: u32 = 1_500_000_000;
    const BITS: u64 = 1 << 30;
    let params = Params {
        pow_difficulty: PowDifficulty::Retarget { min: Difficulty::from_u64(1_000) },
        ..Params::devnet()
    };
    let begin = || {
        let mut chain = HeaderChain::new();
        for height in 0..12 {
            let timestamp = Timestamp::from_unix_secs(START - 24 * (11 - height));
            let bits = Difficulty::from_u64(BITS);
            chain.push(HeaderInfo { version: BlockVersion::POW, timestamp, bits });
        }
        chain
    };
    let hash = BlockHash::from_bytes([7; 32]);
    // Each attacker mines 600 blocks in an hour and states times as he likes, up to the limit.
    let attackers: [(&str, Choice); 4] =
        [
            ("stands still", |parent, _, _| parent),
            ("always as late as allowed", |parent, now, _| parent.max(now + 24)),
            (
                "stands still, then jumps",
                |parent, now, n| {
                    if n % 100 == 99 { parent.max(now + 24) } else { parent }
                },
            ),
            ("every step just late enough", |parent, now, _| {
                if parent + 24 <= now + 24 { parent + 24 } else { parent }
            }),
        ];
    for (name, choose) in attackers {
        let mut chain = begin();
        let mut lowered = 0;
        let mut now = START;
        for n in 0..600 {
            now = START + 6 * n;
            let parent = Parent { hash, height: chain.tip().unwrap() };
            let last = chain.header(parent.height).unwrap();
            let time = choose(last.timestamp.unix_secs(), now, n);
            let header = header_on(&params, &chain, parent, time);
            screen_header(&params, &chain, parent, &header, u64::from(now)).unwrap();
            lowered += u32::from(header.bits < last.bits);
            // No other difficulty than the demanded one will do.
            for wrong in [header.bits.value() - 1, header.bits.value() + 1] {
                let header = Header { bits: Difficulty::new(wrong), ..header.clone() };
                let refusal = screen_header(&params, &chain, parent, &header, u64::from(now));
                assert_eq!(refusal.unwrap_err().code(), "header.bits");
            }
            chain.push(&header);
        }
        // A step down takes 24 seconds since the parent, and time cannot be taken twice.
        let most = (now + 24 - START) / 24;
        assert!(lowered <= most, "{name}: {lowered} steps down, {most} at most");
        let last = chain.header(chain.tip().unwrap()).unwrap().bits;
        println!("{name}: {lowered} steps down of {most}, difficulty {BITS} to {last}");
        assert!(last > Difficulty::from_u64(BITS), "{name}: four times as fast, yet easier");
    }
    // Time may not run back; it may stand still, and the limit ahead is inclusive.
    let chain = begin();
    let parent = Parent { hash, height: chain.tip().unwrap() };
    let screen = |params: &Params, time: u32| {
        let header = header_on(params, &chain, parent, time);
        screen_header(params, &chain, parent, &header, u64::from(START)).map_err(|e| e.code())
    };
    assert_eq!(screen(&params, START), Ok(()));
    assert_eq!(screen(&params, START + 24), Ok(()));
    assert!(screen(&params, START + 25).is_err());
    assert_eq!(screen(&params, START - 1), Err("header.time_backwards"));
    // Before that rule there is none of the median either (chain.md 1.6): a block may be older than
    // it, and then the difficulty rises.
    let early = Params { strict_time: Fork::Never, ..params };
    let median = median_time_past(&chain, Height::new(12)).unwrap().unwrap().unix_secs();
    assert!(median < START);
    assert_eq!(screen(&early, median - 1), Ok(()));
    assert_eq!(screen(&early, 1), Ok(()));
    assert!(header_on(&early, &chain, parent, 1).bits > Difficulty::from_u64(BITS));
}

#[test]
fn coinbases_and_coinstakes_out_of_place() {
    let scene = Scene::new();
    let pay = scene.sign(4, &[scene.coin(0)], vec![scene.pay(COIN - FEE)]);
    let draft = |transactions| BlockDraft { transactions, ..scene.draft(Vec::new()) };
    let height = scene.chain.tip().height.next().unwrap();
    let first = coinbase(height, vec![scene.pay(COIN)]);
    let second = coinbase(height, vec![scene.pay(1)]);
    let stake = scene.sign(2, &[scene.coin(1)], vec![Output::null(), scene.pay(COIN)]);
    for (transactions, code) in [
        (vec![pay.clone()], "block.coinbase_missing"),
        (vec![pay.clone(), first.clone()], "block.coinbase_missing"),
        (vec![first.clone(), pay.clone(), second.clone()], "block.coinbase_position"),
        // The ancestor's inflation hole: a coinbase that no deposit asks for.
        (vec![first.clone(), second.clone(), pay.clone()], "block.extra_coinbase"),
        // Two equal halves of a tree could be a repetition by somebody else.
        (vec![first.clone(), first.clone()], "body.malleated"),
        (vec![first.clone(), stake.clone()], "block.coinstake_position"),
        (vec![first.clone(), pay, stake], "block.coinstake_position"),
        (vec![coinbase(height, Vec::new())], "block.coinbase_first_output"),
        (vec![coinbase(height, vec![Output::null()])], "block.coinbase_first_output"),
        (vec![coinbase(height, vec![scene.pay(1), scene.pay(1)])], "block.coinbase_outputs"),
    ] {
        assert_eq!(scene.judge(draft(transactions)).unwrap_err().code(), code);
    }
    assert_eq!(scene.chain.judge_loose(&first).unwrap_err().code(), "tx.loose_coinbase");
}

#[test]
fn spending_the_coinbase_of_the_same_block() {
    let mut scene = Scene::new();
    let draft = scene.draft(Vec::new());
    let own = OutPoint::new(draft.transactions[0].txid(), 0);
    let mut draft = draft;
    draft.transactions.push(scene.sign(4, &[own], vec![scene.pay(COIN - FEE)]));
    assert_eq!(scene.judge(draft).unwrap_err().code(), "tx.coinbase_immature");
    // Nor before its time: ten blocks, one more for the pool.
    let tip = scene.chain.blocks().last().unwrap().block().txids()[0];
    let early = scene.sign(4, &[OutPoint::new(tip, 0)], vec![scene.pay(COIN - FEE)]);
    for _ in 0..9 {
        scene.refused(&early, "tx.coinbase_immature");
        scene.mine(Vec::new());
    }
    assert_eq!(scene.chain.judge_loose(&early).unwrap_err().code(), "tx.coinbase_immature");
    scene.judge(scene.draft(vec![early.clone()])).unwrap();
    scene.mine(Vec::new());
    scene.chain.judge_loose(&early).unwrap();
}

#[test]
fn a_spoilt_block_signature_does_not_condemn_the_header() {
    let params = Params { pos_enabled_height: 14, ..Params::devnet() };
    let scene = Scene::with(params, 16);
    let stake = scene.sign(2, &[scene.coin(0)], vec![Output::null(), scene.pay(COIN)]);
    let mut draft = scene.draft(Vec::new());
    draft.header.version = BlockVersion::POS;
    draft.set_bits(scene.chain.params(), scene.chain.headers());
    draft.transactions[0].outputs[0].value = Amount::ZERO;
    draft.transactions.push(stake);
    let mut block: Block = draft.unsealed();
    let sign = |block: &Block| {
        scene.miner.sign_digest(*block.header.hash().as_bytes()).serialize_compact()
    };
    let honest = sign(&block);
    let mut judge = |signature: [u8; 64]| {
        block.proof = BlockProof::Stake(BlockSig::from_compact(signature));
        scene.chain.judge(&block.to_bytes(), FAR_FUTURE).unwrap_err()
    };
    // The honest signature gets as far as the stake, which nobody here has.
    let refusal = judge(honest);
    assert!(
        matches!(refusal, Refusal::Block(Rejection::Rule(BlockRuleError::Stake(_)))),
        "{refusal}"
    );
    let mut spoilt = honest;
    spoilt[40] ^= 1;
    let stranger = Person::new("attacks", 1).sign_digest([9; 32]).serialize_compact();
    for signature in [spoilt, [0; 64], [0xff; 64], stranger] {
        let refusal = judge(signature);
        assert!(
            matches!(refusal, Refusal::Body(BodyRejection::Mismatch(BodyMismatch::Signature))),
            "{refusal}"
        );
    }
}
