use mvs_consensus::params::Params;
use mvs_consensus::subsidy::block_subsidy;
use mvs_primitives::amount::Amount;
use mvs_primitives::attachment::{Attachment, AttachmentVersion, Payload};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::Encode as _;
use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash, TxId};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::compute_root;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::sighash::{SighashType, signature_hash};
use mvs_primitives::text::{DidName, Text};
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use mvs_rpc_api::types::stake::{SpentCoin, StakeCoin, StakeTemplate};
use secp256k1::{Message, PublicKey, ecdsa};

use super::{Template, TemplateFault, Wanted, can_stake};
use crate::assemble::ProvenCoin;
use crate::keys::private_key::PrivateKey;
use crate::keys::secret::Secret;
use crate::stake::{Candidate, Found, Search};

/// A node and a wallet that mean the same, until a test changes one.
struct Scene {
    params: Params,
    key: PrivateKey,
    owner: [u8; 20],
    source: Transaction,
    header: Header,
    coinstake: Transaction,
    coinbase: Transaction,
    split: bool,
}

const COIN: u64 = 200_000_000_001;

impl Scene {
    fn new(split: bool) -> Self {
        let params = Params::devnet();
        let key = PrivateKey::from_secret(Secret::copy_of(&[9; 32]), true).unwrap();
        let owner = mvs_primitives::hash::hash160(&key.public_key_bytes());
        let own = Script::pay_key_hash(&owner);
        let source = Transaction {
            version: 4,
            inputs: vec![Input::unsigned(OutPoint::NULL)],
            outputs: vec![Output::etp(Amount::from_units(COIN), own.clone())],
            locktime: 0,
        };
        let parts = if split { vec![COIN / 2, COIN - COIN / 2] } else { vec![COIN] };
        let mut outputs = vec![Output::null()];
        let part = |units| Output::etp(Amount::from_units(units), own.clone());
        outputs.extend(parts.into_iter().map(part));
        let coinstake = Transaction {
            version: 2,
            inputs: vec![Input::unsigned(OutPoint::new(source.txid(), 0))],
            outputs,
            locktime: 0,
        };
        let height = Height::new(5_000);
        let subsidy = block_subsidy(&params, BlockVersion::POS, height);
        let coinbase = Transaction {
            version: 1,
            inputs: vec![Input { sequence: 0, ..Input::unsigned(OutPoint::NULL) }],
            outputs: vec![Output::etp(subsidy, Script::pay_key_hash(&[3; 20]))],
            locktime: 0,
        };
        let header = Header {
            version: BlockVersion::POS,
            previous: BlockHash::from_bytes([4; 32]),
            merkle: MerkleRoot::ZERO,
            timestamp: Timestamp::from_unix_secs(1_000),
            bits: Difficulty::from_u64(7),
            nonce: 0,
            mix_hash: MixHash::ZERO,
            number: height,
        };
        Self { params, key, owner, source, header, coinstake, coinbase, split }
    }

    fn answer(&self) -> StakeTemplate {
        let coin = self.coinstake.inputs.first();
        let coin = coin.map_or(OutPoint::NULL, |input| input.previous);
        let others = [TxId::from_bytes([5; 32]), TxId::from_bytes([6; 32])];
        let txids = [self.coinbase.txid(), self.coinstake.txid()].into_iter().chain(others);
        let (txid, index) = (coin.txid.to_string(), coin.index);
        StakeTemplate {
            template: self.header.hash().to_string(),
            height: self.header.number.value(),
            previous: self.header.previous.to_string(),
            header: hex::encode(self.header.to_array()),
            bits: self.header.bits.to_string(),
            target: String::new(),
            weight: 1,
            first_timestamp: self.header.timestamp.unix_secs(),
            last_timestamp: 2_000,
            coinstake: hex::encode(self.coinstake.to_bytes()),
            spent: vec![SpentCoin { txid: txid.clone(), index, height: 7, output: String::new() }],
            coinbase: hex::encode(self.coinbase.to_bytes()),
            txids: txids.map(|txid| txid.to_string()).collect(),
            fees: 0,
            coins: vec![StakeCoin { txid, index, value: COIN, weight: 1 }],
        }
    }

    fn coin(&self) -> OutPoint {
        OutPoint::new(self.source.txid(), 0)
    }

    fn check(&self) -> Result<super::CheckedTemplate, TemplateFault> {
        self.check_answer(&self.answer())
    }

    fn check_answer(
        &self,
        answer: &StakeTemplate,
    ) -> Result<super::CheckedTemplate, TemplateFault> {
        let proven = ProvenCoin::prove(self.coin(), &self.source.to_bytes())?;
        let template = Template::read(answer, Some(&[self.coin()]))?;
        let wanted = Wanted {
            params: &self.params,
            owner: self.owner,
            payout: Script::pay_key_hash(&[3; 20]),
            inputs: &[self.coin()],
            split: self.split,
        };
        template.check(&wanted, vec![proven])
    }

    fn code(&self) -> &'static str {
        self.check().unwrap_err().code()
    }
}

#[test]
fn an_honest_template_is_signed() {
    for split in [false, true] {
        let scene = Scene::new(split);
        let checked = scene.check().unwrap();
        // 2,000 coins weigh 11^3 * 30, whatever the node says.
        assert_eq!(checked.candidate().unwrap().weight, 39_930);
        let signed = checked.sign(Timestamp::from_unix_secs(1_234), &scene.key).unwrap();
        let key = PublicKey::from_slice(&scene.key.public_key_bytes()).unwrap();

        // The block's hash is that of the header with the root over the signed coinstake.
        let mut txids = vec![scene.coinbase.txid(), signed.coinstake.txid()];
        txids.extend([TxId::from_bytes([5; 32]), TxId::from_bytes([6; 32])]);
        let merkle = compute_root(&txids).root;
        let timestamp = Timestamp::from_unix_secs(1_234);
        let header = Header { merkle, timestamp, ..scene.header.clone() };
        assert_eq!(signed.hash, header.hash());
        let signature = ecdsa::Signature::from_compact(&signed.signature.to_compact()).unwrap();
        ecdsa::verify(&signature, Message::from_digest(*header.hash().as_bytes()), &key).unwrap();

        let script = &signed.coinstake.inputs[0].script;
        let push = script.instructions().next().unwrap().unwrap().data().to_vec();
        let code = &scene.source.outputs[0].script;
        let unsigned = &scene.coinstake;
        let digest = signature_hash(unsigned, 0, code.as_bytes(), SighashType::ALL);
        let signature = ecdsa::Signature::from_der(&push[..push.len() - 1]).unwrap();
        ecdsa::verify(&signature, Message::from_digest(digest), &key).unwrap();
        assert_eq!(signed.coinstake.outputs, scene.coinstake.outputs);
    }
}

/// Each way in which a node could take coin or a signature that is not meant.
#[test]
fn every_lie_is_refused() {
    type Lie = (&'static str, fn(&mut Scene));
    let lies: [Lie; 26] = [
        ("stake_template.outputs", |s| s.coinstake.outputs[1].value = Amount::from_units(COIN - 1)),
        ("stake_template.outputs", |s| s.coinstake.outputs[1].value = Amount::from_units(COIN + 1)),
        ("stake_template.outputs", |s| {
            s.coinstake.outputs[1].script = Script::pay_key_hash(&[8; 20]);
        }),
        ("stake_template.outputs", |s| {
            s.coinstake.outputs[1].script = Script::pay_key_hash_with_sequence_lock(9, &s.owner);
        }),
        ("stake_template.outputs", |s| {
            let message = Payload::Message(Text::new(*b"hi").unwrap());
            s.coinstake.outputs[1].attachment = Attachment::new(message);
        }),
        ("stake_template.outputs", |s| {
            s.coinstake.outputs[0] = Output::etp(Amount::ZERO, Script::pay_key_hash(&[8; 20]));
        }),
        ("stake_template.outputs", |s| s.coinstake.outputs.truncate(1)),
        ("stake_template.outputs", |s| s.coinstake.outputs.clear()),
        ("stake_template.outputs", |s| {
            let value = |units| Amount::from_units(units);
            s.coinstake.outputs[1].value = value(COIN - 5);
            let other = Output::etp(value(5), Script::pay_key_hash(&[8; 20]));
            s.coinstake.outputs.push(other);
        }),
        ("stake_template.outputs", |s| {
            s.coinstake.outputs.push(Output::etp(Amount::ZERO, Script::pay_key_hash(&s.owner)));
        }),
        ("stake_template.outputs", |s| s.coinstake.version = 9),
        ("stake_template.outputs", |s| s.coinstake.locktime = 1),
        ("stake_template.inputs", |s| s.coinstake.inputs[0].sequence = 5),
        ("stake_template.inputs", |s| {
            s.coinstake.inputs[0].script = Script::pay_key_hash(&s.owner);
        }),
        ("stake_template.inputs", |s| s.coinstake.inputs.clear()),
        ("stake_template.inputs", |s| {
            s.coinstake.inputs.push(Input::unsigned(OutPoint::new(s.source.txid(), 1)));
        }),
        ("stake_template.inputs", |s| {
            let twice = s.coinstake.inputs[0].clone();
            s.coinstake.inputs.push(twice);
        }),
        ("stake_template.inputs", |s| s.coinstake.inputs[0].previous.index = 1),
        ("stake_template.coinbase", |s| {
            s.coinbase.outputs[0].script = Script::pay_key_hash(&s.owner);
        }),
        ("stake_template.coinbase", |s| s.coinbase.outputs[0].value = Amount::from_units(1)),
        ("stake_template.coinbase", |s| {
            let second = s.coinbase.outputs[0].clone();
            s.coinbase.outputs.push(second);
        }),
        ("stake_template.coinbase", |s| s.coinbase.inputs[0].previous.index = 0),
        ("stake_template.header", |s| s.header.version = BlockVersion::POW),
        ("stake_template.header", |s| s.header.nonce = 1),
        ("stake_template.header", |s| s.header.mix_hash = MixHash::from_bytes([1; 32])),
        ("assemble.not_there", |s| s.source.outputs.clear()),
    ];
    for (number, (code, lie)) in lies.into_iter().enumerate() {
        let mut scene = Scene::new(false);
        lie(&mut scene);
        assert_eq!(scene.code(), code, "lie {number}");
    }
}

#[test]
fn coins_that_are_not_plain_are_not_staked() {
    let mut scene = Scene::new(false);
    let message = Payload::Message(Text::new(*b"hi").unwrap());
    scene.source.outputs[0].attachment = Attachment::new(message);
    scene.coinstake.inputs[0].previous = scene.coin();
    assert_eq!(scene.code(), "stake_template.inputs");
    let mut scene = Scene::new(false);
    scene.source.outputs[0].script = Script::pay_key_hash(&[8; 20]);
    scene.coinstake.inputs[0].previous = scene.coin();
    assert_eq!(scene.code(), "stake_template.inputs");
}

/// What addresses hold beside plain coin: no lies, but not for this wallet to sign either.
#[test]
fn coins_that_a_wallet_cannot_sign_for_are_told_from_lies() {
    let can = |change: fn(&mut Output, [u8; 20])| {
        let mut scene = Scene::new(false);
        let owner = scene.owner;
        change(&mut scene.source.outputs[0], owner);
        let coin = ProvenCoin::prove(scene.coin(), &scene.source.to_bytes()).unwrap();
        can_stake(&coin)
    };
    assert!(can(|_, _| {}));
    assert!(can(|output, _| output.attachment.version = AttachmentVersion::ZERO));
    assert!(can(|output, owner| {
        output.script = Script::pay_key_hash_with_sequence_lock(5, &owner);
    }));
    assert!(can(|output, owner| {
        output.script = Script::pay_key_hash_with_lock_height(5, &owner);
    }));
    assert!(!can(|output, _| {
        let to = DidName::new(b"somebody").unwrap();
        output.attachment.version = AttachmentVersion::bound(to, DidName::default());
    }));
    assert!(!can(|output, _| output.script = Script::pay_public_key(&[2; 33])));
    assert!(!can(|output, owner| {
        output.script = Script::pay_key_hash_with_attenuation(b"TYPE=1", &[1; 36], &owner);
    }));
}

#[test]
fn no_more_is_spent_than_was_asked_for() {
    let scene = Scene::new(false);
    let code = |answer: &StakeTemplate, asked: Option<&[OutPoint]>| {
        Template::read(answer, asked).err().map(|error| error.code())
    };
    let (answer, own) = (scene.answer(), [scene.coin()]);
    assert_eq!(code(&answer, None), None);
    assert_eq!(code(&answer, Some(&own)), None);
    let wrong = Some("stake_template.inputs");
    assert_eq!(code(&answer, Some(&[])), wrong);
    assert_eq!(code(&answer, Some(&[OutPoint::new(own[0].txid, 1)])), wrong);
    let mut more = answer.clone();
    more.spent = vec![answer.spent[0].clone(); 2];
    assert_eq!(code(&more, Some(&own)), wrong);
    assert_eq!(code(&more, Some(&[own[0]; 2])), None, "`check` refuses that");
    more.spent.clear();
    assert_eq!(code(&more, Some(&own)), wrong);
    more.spent = vec![answer.spent[0].clone(); 11];
    assert_eq!(code(&more, None), wrong);
    assert_eq!(code(&more, Some(&[own[0]; 11])), wrong);
}

#[test]
fn a_value_or_weight_that_the_coin_does_not_have_is_a_lie() {
    let scene = Scene::new(false);
    let checked = scene.check().unwrap();
    let real = checked.candidate().unwrap();
    let mut search = Search::new(checked.header(), &[real]);
    let found = search.step(u32::MAX).expect("the difficulty is low");
    checked.confirm(&found).unwrap();
    let with = |candidate| Found { candidate, ..found };
    for value in [COIN - 1, COIN + 1, 0, u64::MAX] {
        let lie = with(Candidate { value: Amount::from_units(value), ..real });
        assert_eq!(checked.confirm(&lie).unwrap_err().code(), "stake_template.inputs", "{value}");
    }
    let outpoint = OutPoint::new(real.outpoint.txid, 1);
    assert!(checked.confirm(&with(Candidate { outpoint, ..real })).is_err());

    let mut scene = Scene::new(false);
    scene.header.bits = Difficulty::from_u64(u64::MAX);
    let checked = scene.check().unwrap();
    let error = checked.confirm(&found).unwrap_err();
    assert!(error.to_string().contains("weight"), "{error}");
}

#[test]
fn halves_are_halves() {
    let mut scene = Scene::new(true);
    scene.coinstake.outputs[1].value = Amount::from_units(1);
    scene.coinstake.outputs[2].value = Amount::from_units(COIN - 1);
    assert_eq!(scene.code(), "stake_template.outputs");
    let mut scene = Scene::new(false);
    scene.split = true;
    assert_eq!(scene.code(), "stake_template.outputs", "two were asked for");
}

#[test]
fn an_answer_that_contradicts_itself_is_refused() {
    type Change = fn(&mut StakeTemplate);
    let scene = Scene::new(false);
    let changes: [(&str, Change); 11] = [
        ("stake_template.header", |a| a.height += 1),
        ("stake_template.header", |a| a.previous = "00".repeat(32)),
        ("stake_template.header", |a| a.first_timestamp += 1),
        ("stake_template.unreadable", |a| a.header.truncate(294)),
        ("stake_template.unreadable", |a| a.coinstake.push('0')),
        ("stake_template.unreadable", |a| a.coinbase.clear()),
        ("stake_template.unreadable", |a| a.txids[2].clear()),
        ("stake_template.unreadable", |a| a.template.clear()),
        ("stake_template.unreadable", |a| a.coins[0].txid.clear()),
        ("stake_template.coinbase", |a| a.txids.truncate(1)),
        ("stake_template.coinbase", |a| a.txids.swap(0, 1)),
    ];
    for (number, (code, change)) in changes.into_iter().enumerate() {
        let mut answer = scene.answer();
        change(&mut answer);
        assert_eq!(scene.check_answer(&answer).unwrap_err().code(), code, "change {number}");
    }
    let mut answer = scene.answer();
    answer.coins = vec![answer.coins[0].clone(); 1_001];
    assert!(scene.check_answer(&answer).is_err());
}
