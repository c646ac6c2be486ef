//! Blocks: bytes, header, hashes, merkle root, seal, stake fields and block signature.

use ethnum::U256;
use mvs_consensus::stake::kernel_meets;
use mvs_primitives::address::Address;
use mvs_primitives::amount::{Amount, UNITS_PER_ETP};
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode;
use mvs_primitives::hash::{TxId, hash160};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::OutPoint;
use mvs_primitives::merkle::compute_root;
use mvs_primitives::script::Script;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

use super::difficulty::check_stake_weight;
use super::fields::{LIST, NUMBER, OBJECT, TEXT, get, has_any, text, to_number};
use super::network::{formats, text_like};
use super::report::{Case, Report};
use super::{Claim, Kind, ethash, signature};

pub(super) const KIND: Kind = Kind { name: "block", detect, check };

fn detect(value: &Value) -> Claim {
    let is_header = value.get("header").is_some_and(|header| has_any(header, &["merkle", "prev"]));
    if is_header || has_any(value, &["raw_block_hex", "raw_header_hex"]) {
        Claim::Whole
    } else {
        Claim::Nothing
    }
}

fn check(vector: &Value, report: &mut Report) {
    report.case("", |case| {
        check_fields(vector, case);
    });
}

/// Checks the fields of a block vector and returns the block, if all of it is there.
pub(super) fn check_fields(vector: &Value, case: &mut Case) -> Option<Block> {
    case.demand(vector, &["header", "ethash", "pos"], OBJECT);
    case.demand(vector, &["network"], TEXT);
    case.demand(vector, &["raw_txs_hex"], LIST);
    let block = case.decoded::<Block>(vector, "raw_block_hex");
    let raw_header = case.decoded::<Header>(vector, "raw_header_hex");
    if let (Some(block), Some(raw)) = (&block, &raw_header) {
        let (whole, alone) = (block.header.to_array(), raw.to_array());
        case.equal("header in the block", &hex::encode(alone), &hex::encode(whole));
    }
    let header = match (&block, raw_header) {
        (Some(block), _) => Some(block.header.clone()),
        (None, Some(raw)) => Some(raw),
        (None, None) => header_from_fields(vector, case),
    };
    let Some(header) = header else {
        case.fail("no header in it");
        return None;
    };
    check_header(vector, &header, case);
    check_transactions(vector, &header, block.as_ref(), case);
    if let Some(ethash) = get(vector, "ethash") {
        check_ethash(ethash, &header, case);
    }
    if let Some(block) = &block {
        check_block_signature(block, case);
    }
    if let Some(pos) = get(vector, "pos") {
        check_stake(vector, pos, &header, block.as_ref(), case);
    }
    block
}

/// Builds a header from its fields, for a vector without its bytes.
fn header_from_fields(vector: &Value, case: &mut Case) -> Option<Header> {
    let fields = get(vector, "header")?;
    let number = |key: &str| get(fields, key).and_then(to_number);
    let small = |key: &str| u32::try_from(number(key)?).ok();
    let header = (|| {
        Some(Header {
            version: BlockVersion::new(small("version")?),
            previous: text(fields, "prev")?.parse().ok()?,
            merkle: text(fields, "merkle")?.parse().ok()?,
            timestamp: Timestamp::from_unix_secs(small("timestamp")?),
            bits: Difficulty::new(number("bits")?),
            nonce: u64::try_from(number("nonce")?).ok()?,
            mix_hash: text(fields, "mixhash")?.parse().ok()?,
            number: Height::new(small("number")?),
        })
    })();
    if header.is_none() {
        case.fail("header: a field is missing or has the wrong form");
    }
    header
}

fn check_header(vector: &Value, header: &Header, case: &mut Case) {
    case.digits(vector, "hash", header.hash());
    case.number(vector, "height", header.number.value());
    case.hex(vector, "boundary_hex", &header.bits.boundary().to_be_bytes());
    let Some(fields) = get(vector, "header") else { return };
    case.number(fields, "version", header.version.number());
    case.digits(fields, "prev", header.previous);
    case.digits(fields, "merkle", header.merkle);
    case.number(fields, "timestamp", header.timestamp.unix_secs());
    case.number(fields, "bits", header.bits.value());
    case.number(fields, "nonce", header.nonce);
    case.digits(fields, "mixhash", header.mix_hash);
    case.number(fields, "number", header.number.value());
}

fn check_transactions(vector: &Value, header: &Header, block: Option<&Block>, case: &mut Case) {
    let listed = parse_txids(vector, case);
    if let Some(block) = block {
        let ids = block.txids();
        let computed = compute_root(&ids);
        case.digits(vector, "merkle_root", computed.root);
        case.that(computed.root == header.merkle, || {
            format!("the transactions give merkle root {}", computed.root)
        });
        case.that(!computed.is_malleated, || "the list of transactions is malleated".to_owned());
        let with_ids = Block::decode_with_ids(&block.to_bytes()).map(|(_, ids)| ids);
        case.that(with_ids.as_ref() == Ok(&ids), || "decode_with_ids gives other ids".to_owned());
        if let Some(listed) = &listed {
            case.that(*listed == ids, || format!("txids: expected {listed:?}, found {ids:?}"));
        }
    } else if let Some(listed) = listed.as_ref().filter(|_| has_any(vector, &["merkle_root"])) {
        case.digits(vector, "merkle_root", compute_root(listed).root);
        case.digits(vector, "merkle_root", header.merkle);
    }

    // Null stands for a transaction that the source did not give in full.
    let raws = get(vector, "raw_txs_hex").and_then(Value::as_array);
    for (index, raw) in raws.into_iter().flatten().enumerate() {
        if raw.is_null() {
            continue;
        }
        let raw = raw.as_str().unwrap_or("no text");
        let Ok(bytes) = hex::decode(raw) else {
            case.fail(format!("raw_txs_hex[{index}] is no hex text"));
            continue;
        };
        let what = format!("raw_txs_hex[{index}]");
        let Some(transaction) = case.round_trip::<Transaction>(&what, &bytes) else { continue };
        let ids = block.map(Block::txids).or_else(|| listed.clone()).unwrap_or_default();
        if let Some(id) = ids.get(index) {
            case.equal(&what, &id.to_string(), &transaction.txid().to_string());
        }
    }
}

fn parse_txids(vector: &Value, case: &mut Case) -> Option<Vec<TxId>> {
    let listed = get(vector, "txids")?.as_array();
    let ids = listed.and_then(|ids| ids.iter().map(|id| id.as_str()?.parse().ok()).collect());
    if ids.is_none() {
        case.fail("txids is no list of hashes");
    }
    // An empty list says that none is known, not that there is none.
    ids.filter(|ids: &Vec<TxId>| !ids.is_empty())
}

fn check_ethash(parts: &Value, header: &Header, case: &mut Case) {
    case.number(parts, "epoch", header.number.value() / 30_000);
    case.hex(parts, "seal_preimage_hex", &header.seal_preimage());
    case.digits(parts, "seal_hash", header.seal_hash());
    case.digits(parts, "mix_hash", header.mix_hash);
    let final_hash = case.array(parts, "final_hash");
    ethash::check_seal(header, final_hash, case);
}

/// The key that a script's last push holds.
fn last_push(script: &Script) -> Option<&[u8]> {
    script.instructions().last()?.ok().map(|instruction| instruction.data())
}

/// Checks the signature that the block itself carries. Its key is in the coinstake, or beside it in
/// a delegate's block (chain.md 8.1, step 6).
fn check_block_signature(block: &Block, case: &mut Case) {
    let staked = block.transactions.get(1).and_then(|coinstake| coinstake.inputs.first());
    let (signature, key) = match &block.proof {
        BlockProof::None => return,
        BlockProof::Stake(signature) => {
            (signature, staked.and_then(|input| last_push(&input.script)))
        }
        BlockProof::Delegate(signature, key) => (signature, Some(key.as_slice())),
    };
    let Some(key) = key else { return case.fail("a stake block without a coinstake") };
    let digest = *block.header.hash().as_bytes();
    let verdict = signature::verify_compact(key, digest, &signature.to_compact());
    case.that(verdict.is_ok(), || format!("block signature: {verdict:?}"));
}

fn check_stake(
    vector: &Value,
    pos: &Value,
    header: &Header,
    block: Option<&Block>,
    case: &mut Case,
) {
    case.demand(pos, &["stake_owner_address"], TEXT);
    case.demand(pos, &["stake_value"], NUMBER);
    let hash = header.hash();
    case.hex(pos, "signed_message_bytes", hash.as_bytes());

    let key = case.bytes(pos, "signer_pubkey");
    if let Some(bytes) = case.array(pos, "blocksig_hex") {
        let signature = BlockSig::from_bytes(bytes);
        let compact = signature.to_compact();
        let (r, s) = compact.split_at(32);
        case.hex(pos, "blocksig_r", r);
        case.hex(pos, "blocksig_s", s);
        if let Some(block) = block {
            case.that(block.proof == BlockProof::Stake(signature), || {
                "the block carries another signature".to_owned()
            });
        }
        if let Some(key) = &key {
            let verdict = signature::verify_compact(key, *hash.as_bytes(), &compact);
            case.that(verdict.is_ok(), || format!("blocksig: {verdict:?}"));
        }
    }

    let coinstake = block.and_then(|block| block.transactions.get(1));
    let staked = coinstake.and_then(|coinstake| coinstake.inputs.first());
    if let Some(input) = staked {
        case.hex(pos, "signer_pubkey", last_push(&input.script).unwrap_or_default());
    }
    let owner = staked
        .and_then(|input| input.script.address())
        .or_else(|| key.map(|key| Address::KeyHash(hash160(&key))));
    if let (Some(wanted), Some(owner)) = (text(pos, "stake_owner_address"), owner) {
        case.equal("stake_owner_address", wanted, &text_like(&owner, &formats(vector), wanted));
    }

    let outpoint = match get(pos, "stake_outpoint") {
        Some(fields) => outpoint(fields, case),
        None => staked.map(|input| input.previous),
    };
    let Some(outpoint) = outpoint else { return };
    if let Some(input) = staked {
        case.equal("stake_outpoint", &outpoint.to_string(), &input.previous.to_string());
    }
    case.hex(pos, "pos_preimage_hex", &header.stake_preimage(&outpoint));
    let kernel = header.stake_kernel(&outpoint);
    case.hex(pos, "pos_hash_int_hex", &U256::from_le_bytes(kernel).to_be_bytes());
    check_weight(pos, header, kernel, case);
}

fn outpoint(fields: &Value, case: &mut Case) -> Option<OutPoint> {
    let txid = text(fields, "hash").and_then(|hash| hash.parse().ok());
    let index = get(fields, "index").and_then(to_number).and_then(|n| u32::try_from(n).ok());
    let outpoint = txid.zip(index).map(|(txid, index)| OutPoint::new(txid, index));
    if outpoint.is_none() {
        case.fail("stake_outpoint: hash or index has the wrong form");
    }
    outpoint
}

/// Checks the stake's weight and the kernel rule (chain.md 9.2, rule 5).
fn check_weight(pos: &Value, header: &Header, kernel: [u8; 32], case: &mut Case) {
    let units = match get(pos, "stake_value") {
        Some(value) => to_number(value).and_then(|value| u64::try_from(value).ok()),
        None => return,
    };
    let Some(units) = units else { return case.fail("stake_value is no amount") };
    case.number(pos, "stake_amount_etp", (units / UNITS_PER_ETP).max(1));
    let weight = check_stake_weight(pos, "stake_weight", Amount::from_units(units), case);
    if let Some(divided) = U256::from_le_bytes(kernel).checked_div(U256::from(weight)) {
        case.hex(pos, "pos_hash_div_weight_hex", &divided.to_be_bytes());
    }
    case.that(kernel_meets(&kernel, weight, header.bits), || {
        "the kernel is above the boundary".to_owned()
    });
}
