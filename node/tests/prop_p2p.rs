//! Properties of the wire: what is encoded decodes to itself, however the bytes are cut.

#![allow(clippy::unwrap_used)] // a panic is how a test fails, in its helpers too

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use mvs_node::p2p::codec::{Command, Frame, FrameReader, Magic, READ_AHEAD_BYTES};
use mvs_node::p2p::message::{
    BlockTransactions, CompactBlock, HeaderEntry, Inventory, Locator, MAX_LOCATOR_HASHES, Message,
    NetAddress, Prefilled, RawBlock, RawTx, Reject, Services, TransactionsRequest, Version,
};
use mvs_primitives::block::{BlockProof, BlockSig};
use mvs_primitives::encode::Decode;
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::header::{BlockVersion, HEADER_BYTES, Header};
use mvs_primitives::height::Height;
use mvs_primitives::transaction::Transaction;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::{option, prop_assert, prop_assert_eq, proptest};

const MAGIC: Magic = Magic::from_number(0x7376_6d74);

fn socket() -> impl Strategy<Value = SocketAddr> {
    // An IPv4 address has one form in memory, whatever it had on the wire.
    (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip.to_canonical(), port))
}

fn header() -> impl Strategy<Value = Header> {
    vec(any::<u8>(), HEADER_BYTES).prop_map(|bytes| Header::decode(&bytes).unwrap())
}

fn transaction() -> impl Strategy<Value = Transaction> {
    // A version, no inputs, no outputs, a lock time: transactions have properties of their own.
    (any::<[u8; 4]>(), any::<[u8; 4]>()).prop_map(|(version, lock)| {
        Transaction::decode(&[&version[..], &[0, 0], &lock[..]].concat()).unwrap()
    })
}

fn inventory() -> impl Strategy<Value = Inventory> {
    prop_oneof![
        any::<[u8; 32]>().prop_map(|hash| Inventory::Tx(TxId::from_bytes(hash))),
        any::<[u8; 32]>().prop_map(|hash| Inventory::Block(BlockHash::from_bytes(hash))),
        any::<[u8; 32]>().prop_map(|hash| Inventory::CompactBlock(BlockHash::from_bytes(hash))),
        (5..u32::MAX, any::<[u8; 32]>()).prop_map(|(kind, hash)| Inventory::Other { kind, hash }),
    ]
}

fn locator() -> impl Strategy<Value = Locator> {
    let hash = || any::<[u8; 32]>().prop_map(BlockHash::from_bytes);
    (any::<u32>(), vec(hash(), 0..=MAX_LOCATOR_HASHES), hash())
        .prop_map(|(version, hashes, stop)| Locator { version, hashes, stop })
}

fn version() -> impl Strategy<Value = Version> {
    let numbers = (70_001..u32::MAX, any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
    let rest = (any::<u64>(), vec(any::<u8>(), 0..300), any::<u32>(), option::of(any::<bool>()));
    (numbers, socket(), socket(), rest).prop_map(|(numbers, receiver, sender, rest)| Version {
        value: numbers.0,
        services: Services::from_bits(numbers.1),
        timestamp_unix_secs: numbers.2,
        receiver_services: Services::from_bits(numbers.3),
        receiver,
        sender_services: Services::from_bits(numbers.4),
        sender,
        nonce: rest.0,
        user_agent: rest.1,
        start_height: Height::new(rest.2),
        relay: rest.3,
    })
}

fn rising() -> impl Strategy<Value = Vec<u32>> {
    vec(any::<u32>(), 0..20).prop_map(|mut indexes| {
        indexes.sort_unstable();
        indexes.dedup();
        indexes
    })
}

fn compact_block() -> impl Strategy<Value = CompactBlock> {
    let sealed = (header(), any::<[u8; 64]>(), any::<[u8; 33]>(), 0u32..5).prop_map(|parts| {
        let (mut header, signature, key, version) = parts;
        header.version = BlockVersion::new(version);
        let signature = BlockSig::from_bytes(signature);
        let proof = match header.version {
            BlockVersion::POS => BlockProof::Stake(signature),
            BlockVersion::DPOS => BlockProof::Delegate(signature, key),
            _ => BlockProof::None,
        };
        (header, proof)
    });
    let prefilled = (rising(), vec(transaction(), 20)).prop_map(|(indexes, transactions)| {
        let pairs = indexes.into_iter().zip(transactions);
        pairs.map(|(index, transaction)| Prefilled { index, transaction }).collect()
    });
    (sealed, any::<u64>(), vec(any::<[u8; 6]>(), 0..50), prefilled).prop_map(
        |((header, proof), nonce, short_ids, prefilled)| CompactBlock {
            header,
            nonce,
            short_ids,
            prefilled,
            proof,
        },
    )
}

fn message() -> impl Strategy<Value = Message> {
    let address = (any::<u32>(), any::<u64>(), socket()).prop_map(|(seen, services, address)| {
        let services = Services::from_bits(services);
        NetAddress { seen_unix_secs: seen, services, address }
    });
    let entry = (header(), any::<u32>())
        .prop_map(|(header, transaction_count)| HeaderEntry { header, transaction_count });
    let reject =
        (vec(any::<u8>(), 0..12), any::<u8>(), vec(any::<u8>(), 0..40), any::<Option<[u8; 32]>>())
            .prop_map(|(message, code, reason, hash)| Reject { message, code, reason, hash });
    let block = (header(), vec(any::<u8>(), 0..2000)).prop_map(|(header, body)| {
        let bytes = [&header.to_array()[..], &[0], &body].concat();
        RawBlock::from_wire(bytes.into()).unwrap()
    });
    let tx = vec(any::<u8>(), 10..2000).prop_map(|bytes| RawTx::from_wire(bytes.into()).unwrap());
    let hash = || any::<[u8; 32]>().prop_map(BlockHash::from_bytes);
    prop_oneof![
        version().prop_map(Message::Version),
        prop_oneof![
            Just(Message::Verack),
            Just(Message::GetAddr),
            Just(Message::MemPool),
            Just(Message::SendHeaders),
            Just(Message::Ping(None)),
        ],
        any::<u64>().prop_map(|nonce| Message::Ping(Some(nonce))),
        any::<u64>().prop_map(Message::Pong),
        any::<u64>().prop_map(Message::FeeFilter),
        vec(address, 0..300).prop_map(Message::Addr),
        vec(inventory(), 0..300).prop_map(Message::Inv),
        vec(inventory(), 0..300).prop_map(Message::GetData),
        vec(inventory(), 0..300).prop_map(Message::NotFound),
        locator().prop_map(Message::GetHeaders),
        locator().prop_map(Message::GetBlocks),
        vec(entry, 0..30).prop_map(Message::Headers),
        block.prop_map(Message::Block),
        tx.prop_map(Message::Tx),
        reject.prop_map(Message::Reject),
        compact_block().prop_map(Message::CompactBlock),
        (hash(), rising()).prop_map(|(block, indexes)| {
            Message::GetBlockTransactions(TransactionsRequest { block, indexes })
        }),
        (hash(), vec(transaction(), 0..20)).prop_map(|(block, transactions)| {
            Message::BlockTransactions(BlockTransactions { block, transactions })
        }),
        vec(any::<u8>(), 0..100).prop_map(|payload| Message::Inert {
            command: Command::FILTERLOAD,
            payload: payload.into(),
        }),
    ]
}

/// Reads a stream in pieces of the given lengths, over and over.
fn frames(stream: &[u8], pieces: &[usize]) -> (Vec<Frame>, Option<&'static str>) {
    let (mut reader, mut frames, mut rest) = (FrameReader::new(MAGIC), Vec::new(), stream);
    for len in pieces.iter().cycle() {
        let (mut piece, tail) = rest.split_at((*len).min(rest.len()));
        rest = tail;
        while !piece.is_empty() {
            match reader.read(&mut piece) {
                Ok(frame) => frames.extend(frame),
                Err(error) => return (frames, Some(error.code())),
            }
            let arrived = stream.len() - rest.len();
            assert!(reader.held_bytes() <= 2 * arrived + READ_AHEAD_BYTES);
        }
        if rest.is_empty() {
            break;
        }
    }
    (frames, None)
}

proptest! {
    #[test]
    fn decode_of_encode_is_the_message(message in message()) {
        let frame = message.to_frame();
        let decoded = Message::decode(&frame);
        prop_assert_eq!(decoded.as_ref(), Ok(&message));
        let encoded = message.encode(MAGIC);
        prop_assert!(encoded.fits());
        let (header, payload) = encoded.parts();
        let wire = frame.to_bytes(MAGIC);
        prop_assert_eq!(&[&header[..], &payload[..]].concat(), &wire);
        prop_assert_eq!(encoded.wire_len(), wire.len());
    }

    #[test]
    fn a_payload_that_is_cut_or_too_long_is_refused(message in message(), cut in any::<usize>()) {
        let Frame { command, payload } = message.to_frame();
        let longer = Frame { command, payload: [&payload[..], &[0]].concat().into() };
        // What stays raw, or ends with bytes that may be missing, is judged elsewhere.
        let open = [Command::BLOCK, Command::TX, Command::FILTERLOAD, Command::REJECT, Command::VERSION];
        if !open.contains(&command) {
            prop_assert!(Message::decode(&longer).is_err());
            if !payload.is_empty() {
                let cut = payload.slice(..cut % payload.len());
                // An empty ping is one of an old peer.
                let is_old_ping = command == Command::PING && cut.is_empty();
                let decoded = Message::decode(&Frame { command, payload: cut });
                prop_assert!(is_old_ping || decoded.is_err());
            }
        }
    }

    #[test]
    fn frames_do_not_depend_on_how_they_arrive(
        messages in vec(message(), 1..6),
        pieces in vec(1usize..3000, 1..10),
        flip in option::of((any::<usize>(), 1u8..)),
    ) {
        let wire = messages.iter().map(|message| message.to_frame().to_bytes(MAGIC));
        let mut stream: Vec<u8> = wire.flatten().collect();
        if let Some((at, bits)) = flip {
            let at = at % stream.len();
            stream[at] ^= bits;
        }
        let whole = frames(&stream, &[usize::MAX]);
        let cut = frames(&stream, &pieces);
        prop_assert_eq!(&cut, &whole);
        prop_assert_eq!(&frames(&stream, &[1]), &whole);
        if flip.is_none() {
            let sent: Vec<_> = messages.iter().map(Message::to_frame).collect();
            prop_assert_eq!(whole, (sent, None));
        }
    }

    #[test]
    fn any_payload_decodes_to_what_encodes_or_is_refused(
        which in 0..Command::ALL.len(),
        payload in vec(any::<u8>(), 0..400),
    ) {
        let command = Command::ALL[which];
        let frame = Frame { command, payload: Bytes::from(payload) };
        if let Ok(message) = Message::decode(&frame) {
            // Lengths may have been written longer than needed; the second time they are not.
            let again = message.to_frame();
            prop_assert!(again.payload.len() <= frame.payload.len());
            prop_assert_eq!(Message::decode(&again), Ok(message));
        }
    }
}
