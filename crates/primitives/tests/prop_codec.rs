//! Encoding and decoding are inverse, and bad bytes are refused by name or made canonical.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

mod common;

use std::fmt::Debug;

use mvs_primitives::attachment::Attachment;
use mvs_primitives::block::Block;
use mvs_primitives::encode::{CompactSize, Decode, DecodeError, Decoder, Encode};
use mvs_primitives::hash::sha256d;
use mvs_primitives::header::Header;
use mvs_primitives::input::{Input, OutPoint};
use mvs_primitives::merkle::MerkleBranch;
use mvs_primitives::output::Output;
use mvs_primitives::script::Script;
use mvs_primitives::text::Text;
use mvs_primitives::transaction::Transaction;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::TestCaseError;

type Tested = Result<(), TestCaseError>;

/// Decode after encode is the identity, lengths agree, and every cut is refused by name.
fn identity<T: Encode + Decode + Debug + PartialEq>(value: &T) -> Tested {
    let bytes = value.to_bytes();
    prop_assert_eq!(value.encoded_len(), bytes.len());
    prop_assert!(bytes.len() >= T::MIN_BYTES);
    let mut decoder = Decoder::new(&bytes, bytes.len()).unwrap();
    prop_assert_eq!(&T::decode_from(&mut decoder).unwrap(), value);
    prop_assert_eq!(decoder.departures(), 0);
    prop_assert_eq!(decoder.finish(), Ok(()));

    for cut in 0..bytes.len() {
        let code = T::decode(&bytes[..cut]).unwrap_err().code();
        prop_assert!(matches!(code, "decode.truncated" | "decode.count"), "{cut}: {code}");
    }
    let longer = [&bytes[..], &[0]].concat();
    prop_assert_eq!(T::decode(&longer).err(), Some(DecodeError::Trailing { remaining: 1 }));
    prop_assert_eq!(T::decode_prefix(&longer).unwrap().1, bytes.len());
    prop_assert_eq!(
        Decoder::new(&bytes, bytes.len() - 1).unwrap_err().code(),
        "decode.over_budget"
    );
    Ok(())
}

/// Whatever decodes has a canonical form that decodes to itself.
fn stable<T: Encode + Decode>(bytes: &[u8]) -> Tested {
    let mut decoder = Decoder::new(bytes, bytes.len()).unwrap();
    let Ok(value) = T::decode_from(&mut decoder) else { return Ok(()) };
    let canonical = value.to_bytes();
    let used = &bytes[..decoder.position()];
    prop_assert_eq!(decoder.departures() == 0, canonical == used);
    let (again, len) = T::decode_prefix(&canonical).unwrap();
    prop_assert_eq!(len, canonical.len());
    prop_assert_eq!(again.to_bytes(), canonical);
    Ok(())
}

/// Changes bytes at places given as fractions of the length.
fn mutate(bytes: &mut [u8], changes: &[(u16, u8)]) {
    for (place, byte) in changes {
        if let Some(last) = bytes.len().checked_sub(1) {
            bytes[usize::from(*place) * last / usize::from(u16::MAX)] = *byte;
        }
    }
}

fn changes() -> impl proptest::strategy::Strategy<Value = Vec<(u16, u8)>> {
    let byte = proptest::prop_oneof![
        any::<u8>(),
        proptest::sample::select(vec![0, 1, 2, 0xbb, 0xcf, 0xfc, 0xfd, 0xfe, 0xff])
    ];
    proptest::collection::vec((any::<u16>(), byte), 1..6)
}

proptest! {
    #[test]
    fn small_types(
        size in any::<u64>(), text in common::text(), script in common::script(),
        point in common::outpoint(), input in common::input(),
    ) {
        identity(&CompactSize::new(size))?;
        identity(&CompactSize::new(size >> (size % 64)))?;
        identity(&text)?;
        identity(&script)?;
        identity(&point)?;
        identity(&input)?;
    }

    #[test]
    fn attachments_and_outputs(attachment in common::attachment(), output in common::output()) {
        identity(&attachment)?;
        identity(&output)?;
        prop_assert!(attachment.nominal_size() <= attachment.encoded_len() as u64);
    }

    #[test]
    fn headers(header in common::header()) {
        identity(&header)?;
        prop_assert!(header.to_array().as_slice() == header.to_bytes());
        prop_assert!(*header.hash().as_bytes() == sha256d(&header.to_bytes()));
    }

    #[test]
    fn transactions(transaction in common::transaction()) {
        identity(&transaction)?;
        prop_assert!(*transaction.txid().as_bytes() == sha256d(&transaction.to_bytes()));
    }

    #[test]
    fn mutated_bytes_settle_at_once(
        block in common::block(), changes in changes(),
    ) {
        let mut bytes = block.to_bytes();
        mutate(&mut bytes, &changes);
        stable::<Block>(&bytes)?;
        match Block::decode_with_ids(&bytes) {
            Ok((block, ids)) => prop_assert_eq!(ids, block.txids()),
            Err(error) => prop_assert_eq!(Block::decode(&bytes).err(), Some(error)),
        }
        for transaction in &block.transactions {
            let mut bytes = transaction.to_bytes();
            mutate(&mut bytes, &changes);
            stable::<Transaction>(&bytes)?;
            let mut decoder = Decoder::new(&bytes, bytes.len()).unwrap();
            if let Ok((transaction, id)) = Transaction::decode_with_id(&mut decoder) {
                prop_assert_eq!(id, transaction.txid());
            }
        }
    }

    #[test]
    fn any_bytes_settle_at_once(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        stable::<CompactSize>(&bytes)?;
        stable::<Text>(&bytes)?;
        stable::<Script>(&bytes)?;
        stable::<OutPoint>(&bytes)?;
        stable::<Input>(&bytes)?;
        stable::<Output>(&bytes)?;
        stable::<Attachment>(&bytes)?;
        stable::<Header>(&bytes)?;
        stable::<Transaction>(&bytes)?;
        stable::<Block>(&bytes)?;
        stable::<MerkleBranch>(&bytes)?;
    }

    #[test]
    fn long_counts_are_read_and_written_short(transaction in common::transaction()) {
        let bytes = transaction.to_bytes();
        let count = transaction.inputs.len() as u64;
        for form in &common::forms_of(count)[1..] {
            let longer = [&bytes[..4], form, &bytes[5..]].concat();
            let mut decoder = Decoder::new(&longer, longer.len()).unwrap();
            let (again, id) = Transaction::decode_with_id(&mut decoder).unwrap();
            prop_assert_eq!(decoder.departures(), 1);
            prop_assert_eq!(&again, &transaction);
            prop_assert_eq!(id, transaction.txid());
        }
    }

    #[test]
    fn raised_counts_are_refused(transaction in common::transaction(), extra in 1u64..) {
        let bytes = transaction.to_bytes();
        let id = transaction.txid();
        let raised = (transaction.inputs.len() as u64).saturating_add(extra);
        let count = CompactSize::new(raised).to_bytes();
        let bad = [&bytes[..4], &count, &bytes[5..]].concat();
        match Transaction::decode(&bad) {
            // A small surplus can take what follows for inputs; it is another transaction then.
            Ok(other) => prop_assert!(other.txid() != id),
            Err(error) if raised > bad.len() as u64 => {
                prop_assert_eq!(error.code(), "decode.count");
            }
            Err(_) => {}
        }
    }

    #[test]
    fn text_is_cut_at_nul(
        text in common::text(), junk in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let body = [text.as_bytes(), &[0], &junk].concat();
        let wire = [CompactSize::new(body.len() as u64).to_bytes(), body].concat();
        let mut decoder = Decoder::new(&wire, wire.len()).unwrap();
        prop_assert_eq!(&Text::decode_from(&mut decoder).unwrap(), &text);
        prop_assert!(decoder.finish().is_ok());
        prop_assert_eq!(decoder.departures(), 1);
        let head = [1u8, 0, 0, 0, 3, 0, 0, 0];
        let message = Attachment::decode(&[&head[..], &wire].concat()).unwrap();
        prop_assert_eq!(message.to_bytes(), [&head[..], &text.to_bytes()].concat());
    }

    #[test]
    fn the_marker_opcode_vanishes(script in common::script(), place in any::<proptest::sample::Index>()) {
        let mut ends = vec![0];
        let mut steps = script.instructions();
        let mut truncated = false;
        while let Some(step) = steps.next() {
            truncated |= step.is_err();
            ends.push(steps.position());
        }
        if truncated {
            ends.pop(); // nothing is an operation behind the cut-short push
        }
        let at = *place.get(&ends);
        let bytes = script.as_bytes();
        let marked = [&bytes[..at], &[0xbb], &bytes[at..]].concat();
        let decoded = Script::decode(&Script::from_bytes(marked.clone()).to_bytes()).unwrap();
        let expected = match (truncated, at) {
            (true, _) => &marked[..],
            (false, 0) => &[],
            (false, _) => bytes,
        };
        prop_assert_eq!(decoded.as_bytes(), expected);
        prop_assert_eq!(
            decoded.pattern().kind(),
            mvs_primitives::script::PatternKind::NonStandard
        );
        // In a coinbase nothing vanishes.
        let data = Script::from_bytes(marked.clone()).to_bytes();
        let kept = Script::decode_data(&mut Decoder::new(&data, data.len()).unwrap()).unwrap();
        prop_assert_eq!(kept.as_bytes(), &marked[..]);
    }
}

proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn blocks(block in common::block()) {
        identity(&block)?;
        let (again, ids) = Block::decode_with_ids(&block.to_bytes()).unwrap();
        prop_assert_eq!(&again, &block);
        prop_assert_eq!(ids, block.txids());
    }
}
