//! Generators of every type of the crate.

#![allow(dead_code)] // each test binary uses its own share

use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    AssetDetail, AssetTransfer, Attachment, AttachmentVersion, Cert, CertStatus, CertType, Did,
    DidStatus, IssueThreshold, Mit, MitStatus, OtherMitStatus, Payload, UnknownType,
};
use mvs_primitives::block::{Block, BlockProof, BlockSig};
use mvs_primitives::difficulty::Difficulty;
use mvs_primitives::encode::{CompactSize, Decode, Encode};
use mvs_primitives::hash::{BlockHash, MerkleRoot, MixHash, TxId, sha256d};
use mvs_primitives::header::{BlockVersion, Header};
use mvs_primitives::height::Height;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::output::Output;
use mvs_primitives::script::{Script, ScriptBuilder};
use mvs_primitives::text::Text;
use mvs_primitives::time::Timestamp;
use mvs_primitives::transaction::Transaction;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Strings: names, addresses, any bytes but NUL, and some that need a longer length.
pub(crate) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        4 => "[A-Za-z0-9.@_-]{0,20}".prop_map(String::into_bytes),
        4 => vec(1..=255u8, 0..24),
        1 => vec(1..=255u8, 240..300),
    ]
    .prop_map(|bytes| Text::new(bytes).unwrap())
}

fn name<T: From<Text> + std::fmt::Debug>() -> impl Strategy<Value = T> {
    text().prop_map(T::from)
}

pub(crate) fn any_u32() -> impl Strategy<Value = u32> {
    prop_oneof![0..8u32, any::<u32>(), Just(u32::MAX)]
}

fn any_u64() -> impl Strategy<Value = u64> {
    prop_oneof![0..4u64, any::<u64>(), Just(u64::MAX)]
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 33), vec(any::<u8>(), 65)]
}

/// Standard scripts, pushes, and any bytes; in canonical form.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    let hash = any::<[u8; 20]>;
    prop_oneof![
        hash().prop_map(|h| Script::pay_key_hash(&h)),
        hash().prop_map(|h| Script::pay_script_hash(&h)),
        (any_u32(), hash()).prop_map(|(n, h)| Script::pay_key_hash_with_lock_height(n, &h)),
        (any_u32(), hash()).prop_map(|(n, h)| Script::pay_key_hash_with_sequence_lock(n, &h)),
        (vec(any::<u8>(), 0..400), any::<[u8; 32]>(), hash()).prop_map(|(m, p, h)| {
            let point = OutPoint::new(TxId::from_bytes(p), 3).to_array();
            Script::pay_key_hash_with_attenuation(&m, &point, &h)
        }),
        key().prop_map(|k| Script::pay_public_key(&k)),
        (1..=16usize, vec(key(), 16)).prop_map(|(n, keys)| {
            Script::pay_multisig(n.div_ceil(2) as u8, &keys[..n]).unwrap()
        }),
        vec(any::<u8>(), 1..76).prop_map(|data| Script::null_data(&data).unwrap()),
        Just(Script::pay_blackhole()),
        vec(vec(any::<u8>(), 0..90), 0..5).prop_map(|pushes| {
            pushes.iter().fold(ScriptBuilder::new(), |b, data| b.push(data)).build()
        }),
        raw_script().prop_map(|bytes| canonical_script(&bytes)),
        vec(any::<u8>(), 250..300).prop_map(|bytes| canonical_script(&bytes)),
    ]
}

pub(crate) fn raw_script() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![any::<u8>(), 0..6u8, 0x4b..0x54u8, 0xa9..0xbcu8], 0..40)
}

/// The script as it is after one trip over the wire and through storage.
pub(crate) fn canonical_script(bytes: &[u8]) -> Script {
    let wire = Script::from_bytes(bytes).to_bytes();
    Script::decode(&wire).unwrap().without_marker_memory()
}

pub(crate) fn attachment_version() -> impl Strategy<Value = AttachmentVersion> {
    prop_oneof![
        3 => Just(AttachmentVersion::NORMAL),
        1 => Just(AttachmentVersion::ZERO),
        2 => (name(), name()).prop_map(|(to, from)| AttachmentVersion::bound(to, from)),
        1 => any_u32().prop_filter_map("207", AttachmentVersion::plain),
    ]
}

fn cert() -> impl Strategy<Value = Cert> {
    let kind = prop_oneof![
        Just(CertType::ISSUE),
        Just(CertType::DOMAIN),
        Just(CertType::MINING),
        Just(CertType::KYC),
        any_u32().prop_map(CertType::from_number)
    ];
    (name(), name(), name(), kind, any::<u8>(), text()).prop_map(
        |(symbol, owner, address, kind, status, content)| {
            let content = kind.has_content().then_some(content);
            let status = CertStatus::from_byte(status);
            Cert::new(symbol, owner, address, kind, status, content).unwrap()
        },
    )
}

fn mit() -> impl Strategy<Value = Mit> {
    let status = prop_oneof![
        text().prop_map(|content| MitStatus::Register { content }),
        Just(MitStatus::Transfer),
        any::<u8>()
            .prop_filter_map("1 or 2", |byte| { OtherMitStatus::new(byte).map(MitStatus::Other) }),
    ];
    (status, name(), name()).prop_map(|(status, symbol, address)| Mit { status, symbol, address })
}

fn asset_detail() -> impl Strategy<Value = AssetDetail> {
    (name(), any_u64(), any::<[u8; 4]>(), name(), name(), text()).prop_map(
        |(symbol, supply, [decimals, threshold, a, b], issuer, address, description)| AssetDetail {
            symbol,
            maximum_supply: AssetAmount::from_units(supply),
            decimal_number: decimals,
            threshold: IssueThreshold::from_byte(threshold),
            unused: [a, b],
            issuer,
            address,
            description,
        },
    )
}

pub(crate) fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        Just(Payload::Etp),
        any_u64().prop_map(|height| Payload::EtpAward { height }),
        asset_detail().prop_map(|detail| Payload::AssetDetail(Box::new(detail))),
        (name(), any_u64()).prop_map(|(symbol, units)| {
            Payload::AssetTransfer(AssetTransfer {
                symbol,
                quantity: AssetAmount::from_units(units),
            })
        }),
        text().prop_map(Payload::Message),
        (any::<bool>(), name(), name()).prop_map(|(register, symbol, address)| {
            let status = if register { DidStatus::Register } else { DidStatus::Transfer };
            Payload::Did(Box::new(Did { status, symbol, address }))
        }),
        cert().prop_map(|cert| Payload::Cert(Box::new(cert))),
        mit().prop_map(|mit| Payload::Mit(Box::new(mit))),
        prop_oneof![Just(u32::MAX), any_u32()]
            .prop_filter_map("known type", |n| UnknownType::new(n).map(Payload::Unknown)),
    ]
}

pub(crate) fn attachment() -> impl Strategy<Value = Attachment> {
    (attachment_version(), payload()).prop_map(|(version, payload)| Attachment { version, payload })
}

pub(crate) fn output() -> impl Strategy<Value = Output> {
    (any_u64(), script(), attachment()).prop_map(|(value, script, attachment)| Output {
        value: Amount::from_units(value),
        script,
        attachment,
    })
}

pub(crate) fn outpoint() -> impl Strategy<Value = OutPoint> {
    prop_oneof![
        8 => (any::<[u8; 32]>(), any_u32())
            .prop_map(|(id, index)| OutPoint::new(TxId::from_bytes(id), index)),
        1 => Just(OutPoint::NULL),
    ]
}

pub(crate) fn input() -> impl Strategy<Value = Input> {
    (outpoint(), script(), any_u32()).prop_map(|(previous, script, sequence)| Input {
        previous,
        script,
        sequence,
    })
}

pub(crate) fn transaction() -> impl Strategy<Value = Transaction> {
    (any_u32(), vec(input(), 0..4), vec(output(), 0..4), any_u32()).prop_map(
        |(version, inputs, outputs, locktime)| Transaction { version, inputs, outputs, locktime },
    )
}

pub(crate) fn header() -> impl Strategy<Value = Header> {
    let hash = any::<[u8; 32]>;
    (any_u32(), hash(), hash(), any_u32(), hash(), any_u64(), hash(), any_u32()).prop_map(
        |(version, previous, merkle, time, bits, nonce, mix, number)| Header {
            version: BlockVersion::new(version),
            previous: BlockHash::from_bytes(previous),
            merkle: MerkleRoot::from_bytes(merkle),
            timestamp: Timestamp::from_unix_secs(time),
            bits: Difficulty::from_be_bytes(bits),
            nonce,
            mix_hash: MixHash::from_bytes(mix),
            number: Height::new(number),
        },
    )
}

pub(crate) fn block() -> impl Strategy<Value = Block> {
    (header(), vec(transaction(), 0..4), vec(any::<u8>(), 97)).prop_map(
        |(header, transactions, bytes)| {
            let signature = BlockSig::from_bytes(*bytes.first_chunk().unwrap());
            let key: [u8; 33] = *bytes.last_chunk().unwrap();
            let proof = match header.version {
                BlockVersion::POS => BlockProof::Stake(signature),
                BlockVersion::DPOS => BlockProof::Delegate(signature, key),
                _ => BlockProof::None,
            };
            Block { header, transactions, proof }
        },
    )
}

pub(crate) fn leaves(count: usize) -> Vec<TxId> {
    (0..count as u64).map(|n| TxId::from_bytes(sha256d(&n.to_le_bytes()))).collect()
}

/// The forms of a count, shortest first.
pub(crate) fn forms_of(value: u64) -> Vec<Vec<u8>> {
    let le = value.to_le_bytes();
    let mut forms = vec![CompactSize::new(value).to_bytes()];
    for (head, len) in [(0xfd, 2), (0xfe, 4), (0xff, 8)] {
        if le[len..].iter().all(|byte| *byte == 0) && forms[0].len() < len + 1 {
            forms.push([&[head], &le[..len]].concat());
        }
    }
    forms
}
