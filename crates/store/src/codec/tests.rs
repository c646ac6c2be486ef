use mvs_consensus::state::Coin;
use mvs_primitives::amount::{Amount, AssetAmount};
use mvs_primitives::attachment::{
    AssetTransfer, Attachment, AttachmentVersion, Cert, CertStatus, CertType, Payload,
};
use mvs_primitives::height::Height;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::{AddressText, DidName, Symbol, Text};
use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::{collection, option};

use super::{
    CodecError, CoinParts, MAX_VALUE_BYTES, decode_coin, decode_workload_value, encode_coin,
    encode_workload_value,
};

const HASH: [u8; 20] = [7; 20];

fn coin(script: Script, attachment: Attachment) -> Coin {
    Coin {
        output: Output { value: Amount::from_units(1_234_567_890), script, attachment },
        height: Height::new(1_234_567),
        is_coinbase: false,
        open_locktime: 0,
    }
}

fn encoded(coin: &Coin) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_coin(coin, &mut bytes);
    bytes
}

fn scripts() -> Vec<Script> {
    let mut sneaky = Script::pay_key_hash(&HASH).as_bytes().to_vec();
    sneaky.push(0xac);
    vec![
        Script::default(),
        Script::pay_key_hash(&HASH),
        Script::pay_script_hash(&HASH),
        Script::pay_key_hash_with_lock_height(25_200, &HASH),
        Script::pay_key_hash_with_sequence_lock(1_314_000, &HASH),
        Script::pay_key_hash_with_attenuation(b"PN=0", &[0; 36], &HASH),
        Script::pay_blackhole(),
        Script::pay_public_key(&[2; 33]),
        Script::pay_multisig(1, &[[2; 33], [3; 33]]).unwrap(),
        Script::from_bytes(sneaky),
        Script::from_bytes(vec![0x6a; 300]),
        Script::from_bytes(vec![0x51; 70_000]),
    ]
}

fn attachments() -> Vec<Attachment> {
    let symbol = Symbol::new("MVS.TEST").unwrap();
    let transfer = AssetTransfer { symbol: symbol.clone(), quantity: AssetAmount::from_units(9) };
    let cert = Cert::new(
        symbol,
        DidName::new("alice").unwrap(),
        AddressText::new("M").unwrap(),
        CertType::KYC,
        CertStatus::ISSUE,
        None,
    );
    let bound = AttachmentVersion::bound(DidName::new("to").unwrap(), DidName::default());
    vec![
        Attachment::ETP,
        Attachment { version: AttachmentVersion::ZERO, payload: Payload::Etp },
        Attachment::NULL,
        Attachment::new(Payload::AssetTransfer(transfer.clone())),
        Attachment { version: bound, payload: Payload::AssetTransfer(transfer) },
        Attachment::new(Payload::Message(Text::new("hello").unwrap())),
        Attachment::new(Payload::EtpAward { height: 5 }),
        cert.map_or(Attachment::ETP, |cert| Attachment::new(Payload::Cert(Box::new(cert)))),
    ]
}

#[test]
fn every_kind_of_coin_comes_back() {
    for script in scripts() {
        for attachment in attachments() {
            let mut coin = coin(script.clone(), attachment);
            assert_eq!(decode_coin(&encoded(&coin)).unwrap(), coin);
            coin.is_coinbase = true;
            coin.open_locktime = 1_600_000_000;
            coin.output.value = Amount::ZERO;
            coin.height = Height::GENESIS;
            assert_eq!(decode_coin(&encoded(&coin)).unwrap(), coin);
            coin.output.value = Amount::from_units(u64::MAX);
            coin.height = Height::new(u32::MAX);
            assert_eq!(decode_coin(&encoded(&coin)).unwrap(), coin);
        }
    }
}

#[test]
fn common_coins_are_small() {
    let len = |script: Script| encoded(&coin(script, Attachment::ETP)).len();
    assert_eq!(len(Script::pay_key_hash(&HASH)), 2 + 3 + 4 + 20);
    assert_eq!(len(Script::pay_script_hash(&HASH)), 2 + 3 + 4 + 20);
    assert_eq!(
        len(Script::pay_key_hash_with_sequence_lock(1_314_000, &HASH)),
        2 + 3 + 4 + 1 + 3 + 20
    );
    assert_eq!(len(Script::pay_public_key(&[2; 33])), 2 + 3 + 4 + 33);
}

/// The layout that the module's page promises, byte by byte.
#[test]
fn the_bytes_are_those_of_the_page() {
    let mut coin = coin(Script::pay_key_hash(&HASH), Attachment::ETP);
    assert_eq!(
        hex::encode(encoded(&coin)),
        ["04", "43", "87d612", "d2029649", &"07".repeat(20)].concat()
    );
    coin.is_coinbase = true;
    coin.open_locktime = 5;
    coin.output.value = Amount::ZERO;
    assert_eq!(
        hex::encode(encoded(&coin)),
        ["64", "03", "87d612", "05000000", &"07".repeat(20)].concat()
    );
}

#[test]
fn other_forms_of_the_same_coin_are_refused() {
    let good = encoded(&coin(Script::pay_key_hash(&HASH), Attachment::ETP));
    let script = Script::pay_key_hash(&HASH);
    let mut as_bytes = vec![0x00, 0x43];
    as_bytes.extend_from_slice(&good[2..9]);
    as_bytes.push(25);
    as_bytes.extend_from_slice(script.as_bytes());
    assert_eq!(decode_coin(&as_bytes), Err(CodecError::NotCanonical("script")));

    let mut wide = good.clone();
    wide[1] = 0x44;
    wide.insert(5, 0);
    assert_eq!(decode_coin(&wide), Err(CodecError::NotCanonical("height")));

    let mut etp_as_bytes = good.clone();
    etp_as_bytes[0] |= 2;
    etp_as_bytes.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(decode_coin(&etp_as_bytes), Err(CodecError::NotCanonical("attachment")));

    let mut longer = good.clone();
    longer.push(0);
    assert_eq!(decode_coin(&longer), Err(CodecError::Length("attachment")));
    let mut no_lock = good.clone();
    no_lock[0] |= 1 << 6;
    no_lock.splice(9..9, [0; 4]);
    assert_eq!(decode_coin(&no_lock), Err(CodecError::NotCanonical("lock time")));
    let mut unknown = good;
    unknown[0] = 7 << 2;
    assert_eq!(decode_coin(&unknown), Err(CodecError::NotCanonical("script")));
    assert_eq!(decode_coin(&[0x80, 0]), Err(CodecError::NotCanonical("head")));
    let long = vec![0; MAX_VALUE_BYTES + 1];
    assert_eq!(decode_coin(&long), Err(CodecError::TooLong(long.len())));
    // A text with a NUL inside is read by the wire's rules, but never written.
    let message = encoded(&coin(
        Script::default(),
        Attachment::new(Payload::Message(Text::new("ab").unwrap())),
    ));
    let mut nul = message;
    *nul.last_mut().unwrap() = 0;
    assert_eq!(decode_coin(&nul), Err(CodecError::NotCanonical("attachment")));
}

#[test]
fn every_cut_is_refused() {
    for script in scripts().into_iter().filter(|script| script.len() < 1_000) {
        let bytes = encoded(&coin(script, Attachment::ETP));
        for len in 0..bytes.len() {
            assert!(decode_coin(&bytes[..len]).is_err());
        }
    }
}

/// Values as the workload has them: three in four are plain payments, the fourth carries 70 bytes.
#[test]
fn workload_values_average_below_fifty_bytes() {
    let mut total = 0;
    for number in 0..4_000u32 {
        let mut value = (number * 300).to_le_bytes().to_vec();
        value.extend((u64::from(number) * 1_000_003 + 100_000_000_000).to_le_bytes());
        value.extend(Script::pay_key_hash(&HASH).as_bytes());
        if number % 4 == 0 {
            value.extend([0xa5; 70]);
        } else {
            value.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        }
        let mut stored = Vec::new();
        encode_workload_value(&value, &mut stored);
        total += stored.len();
        let mut back = Vec::new();
        decode_workload_value(&stored, &mut back).unwrap();
        assert_eq!(back, value);
    }
    assert!(total / 4_000 <= 50, "{} bytes on average", total / 4_000);
}

fn any_attachment() -> impl Strategy<Value = Attachment> {
    (0..attachments().len()).prop_map(|index| attachments().swap_remove(index))
}

fn any_script() -> impl Strategy<Value = Script> {
    prop_oneof![
        collection::vec(any::<u8>(), 0..80).prop_map(Script::from_bytes),
        any::<[u8; 20]>().prop_map(|hash| Script::pay_key_hash(&hash)),
        any::<[u8; 20]>().prop_map(|hash| Script::pay_script_hash(&hash)),
        (any::<u32>(), any::<[u8; 20]>())
            .prop_map(|(n, hash)| Script::pay_key_hash_with_lock_height(n, &hash)),
        (1..=75u8, 0..90usize).prop_map(|(head, len)| {
            let mut bytes = vec![head; len];
            bytes.extend(Script::pay_key_hash(&HASH).as_bytes());
            Script::from_bytes(bytes)
        }),
    ]
}

proptest! {
    #[test]
    fn decoding_inverts_encoding(
        script in any_script(),
        attachment in any_attachment(),
        value: u64,
        height: u32,
        is_coinbase: bool,
        lock in option::of(1..u32::MAX),
    ) {
        let coin = Coin {
            output: Output { value: Amount::from_units(value), script, attachment },
            height: Height::new(height),
            is_coinbase,
            open_locktime: lock.unwrap_or(0),
        };
        assert_eq!(decode_coin(&encoded(&coin)).unwrap(), coin);
    }

    #[test]
    fn what_decodes_is_what_would_be_written(bytes in collection::vec(any::<u8>(), 0..120)) {
        if let Ok(parts) = CoinParts::decode(&bytes) {
            let mut again = Vec::new();
            parts.encode(&mut again);
            assert_eq!(again, bytes);
        }
        if let Ok(coin) = decode_coin(&bytes) {
            assert_eq!(encoded(&coin), bytes);
        }
    }

    #[test]
    fn near_misses_never_panic(
        script in any_script(),
        attachment in any_attachment(),
        at in any::<proptest::sample::Index>(),
        byte: u8,
    ) {
        let mut bytes = encoded(&coin(script, attachment));
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(coin) = decode_coin(&bytes) {
            assert_eq!(encoded(&coin), bytes);
        }
    }

    #[test]
    fn workload_values_are_kept_whatever_they_are(value in collection::vec(any::<u8>(), 0..130)) {
        let mut stored = Vec::new();
        encode_workload_value(&value, &mut stored);
        let mut back = Vec::new();
        decode_workload_value(&stored, &mut back).unwrap();
        assert_eq!(back, value);
    }

    #[test]
    fn stored_workload_values_are_canonical(bytes in collection::vec(any::<u8>(), 0..130)) {
        let mut value = Vec::new();
        if decode_workload_value(&bytes, &mut value).is_ok() {
            let mut again = Vec::new();
            encode_workload_value(&value, &mut again);
            assert_eq!(again, bytes);
        }
    }
}
