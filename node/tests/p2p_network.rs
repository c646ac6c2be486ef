//! Real sockets on 127.0.0.1: two networks with each other, and with peers that do not behave.

#![allow(clippy::unwrap_used, clippy::panic)] // a panic is how a test fails, in its helpers too

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mvs_node::p2p::api::{
    Charge, CloseReason, Direction, NetworkEvent, PeerFacts, PeerId, PeerMessage, Penalty,
    SendError, TrafficClass,
};
use mvs_node::p2p::budget::INBOUND_POOL_KIB;
use mvs_node::p2p::codec::{Command, Frame, FrameReader, Magic};
use mvs_node::p2p::message::{
    Inventory, Locator, Message, NetAddress, PROTOCOL_VERSION, RawBlock, RawTx, Services, Version,
};
use mvs_node::p2p::network::Network;
use mvs_node::p2p::peers::{ADDRESSES_FILE, BANS_FILE, NetworkConfig};
use mvs_node::p2p::session::{PORTION_ITEMS, Rate};
use mvs_primitives::hash::{BlockHash, TxId};
use mvs_primitives::height::Height;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

const MAGIC: Magic = Magic::from_number(0x6e69_616d);
/// Every wait ends in this time; nothing waits that long when all is well.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a test on a runtime of its own, with a deadline over all.
fn run<F: Future<Output = ()> + Send + 'static>(test: F) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE * 3, tokio::spawn(test)).await.unwrap().unwrap() });
    runtime.shutdown_timeout(Duration::from_secs(1));
}

/// Asks again and again until the answer is there.
async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no {what}");
        tokio::time::sleep(Duration::from_millis(2)).await; // between two looks, not for an effect
    }
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn config() -> NetworkConfig {
    NetworkConfig {
        listen: vec![any_port()],
        allow_local: true,
        retry: Duration::from_millis(50),
        ..NetworkConfig::new(MAGIC)
    }
}

/// A network and what it told.
struct Node {
    network: Network,
    events: mpsc::Receiver<NetworkEvent>,
    address: SocketAddr,
}

impl Node {
    fn start(config: NetworkConfig) -> Self {
        let started = Network::start(config, Height::new(7)).unwrap();
        let address = started.listening.first().copied().unwrap_or_else(any_port);
        Self { network: started.network, events: started.events, address }
    }

    async fn event(&mut self) -> NetworkEvent {
        timeout(DEADLINE, self.events.recv()).await.expect("no event").expect("the network ended")
    }

    async fn connected(&mut self) -> Arc<PeerFacts> {
        match self.event().await {
            NetworkEvent::Connected(facts) => facts,
            other => panic!("{other:?}"),
        }
    }

    async fn message(&mut self) -> (PeerId, PeerMessage) {
        match self.event().await {
            NetworkEvent::Message { peer, message, .. } => (peer, message),
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of a peer, over whatever it said before.
    async fn disconnected(&mut self, who: PeerId) -> CloseReason {
        loop {
            if let NetworkEvent::Disconnected { peer, reason } = self.event().await
                && peer == who
            {
                return reason;
            }
        }
    }
}

fn inventory(count: u32) -> Vec<Inventory> {
    let hash = |n: u32| {
        let mut hash = [0x5a; 32];
        hash[..4].copy_from_slice(&n.to_le_bytes());
        BlockHash::from_bytes(hash)
    };
    (0..count).map(|n| Inventory::Block(hash(n))).collect()
}

fn locator() -> Locator {
    Locator { version: 0, hashes: vec![BlockHash::ZERO], stop: BlockHash::ZERO }
}

fn version(nonce: u64) -> Message {
    Message::Version(Version {
        value: PROTOCOL_VERSION,
        services: Services::NETWORK,
        timestamp_unix_secs: 1,
        receiver_services: Services::NETWORK,
        receiver: any_port(),
        sender_services: Services::NETWORK,
        sender: any_port(),
        nonce,
        user_agent: b"/tester:1/".to_vec(),
        start_height: Height::new(3),
        relay: Some(true),
    })
}

/// A peer that a test scripts by hand.
struct Peer {
    stream: TcpStream,
    reader: FrameReader,
    input: Vec<u8>,
}

impl Peer {
    async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }

    fn over(stream: TcpStream) -> Self {
        Self { stream, reader: FrameReader::new(MAGIC), input: Vec::new() }
    }

    async fn handshaken(address: SocketAddr) -> Self {
        let mut peer = Self::connect(address).await;
        peer.shake_hands().await;
        peer
    }

    async fn shake_hands(&mut self) {
        self.send(&version(42)).await;
        self.send(&Message::Verack).await;
        assert!(matches!(self.next().await, Some(Message::Version(_))));
        assert_eq!(self.next().await, Some(Message::Verack));
    }

    async fn send(&mut self, message: &Message) {
        self.send_bytes(&message.to_frame().to_bytes(MAGIC)).await;
    }

    /// Writes; an error is the other end's closing, which the test sees in another way.
    async fn send_bytes(&mut self, bytes: &[u8]) {
        let _closed = timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("no room");
    }

    /// Returns the next message, `None` at the end of the connection.
    async fn next(&mut self) -> Option<Message> {
        loop {
            let mut input = &self.input[..];
            let frame = self.reader.read(&mut input).unwrap();
            let left = input.len();
            self.input.drain(..self.input.len() - left);
            if let Some(frame) = frame {
                return Some(Message::decode(&frame).unwrap());
            }
            let mut more = vec![0; 4096];
            match timeout(DEADLINE, self.stream.read(&mut more)).await.expect("no bytes") {
                Ok(0) | Err(_) => return None,
                Ok(len) => self.input.extend_from_slice(&more[..len]),
            }
        }
    }

    /// Returns the next message of that command.
    async fn next_of(&mut self, command: Command) -> Message {
        loop {
            let message = self.next().await.expect("the connection ended");
            if message.command() == command {
                return message;
            }
        }
    }

    /// Waits until the other side has closed.
    async fn closed(&mut self) {
        while self.next().await.is_some() {}
    }
}

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("mvs-p2p-net-{name}-{}", std::process::id()));
    let _gone = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

async fn pair(first: NetworkConfig, second: NetworkConfig) -> (Node, PeerId, Node, PeerId) {
    let mut a = Node::start(first);
    let mut b = Node::start(NetworkConfig { connect: vec![a.address], ..second });
    let (of_b, of_a) = (a.connected().await, b.connected().await);
    assert_eq!((of_b.direction, of_a.direction), (Direction::Inbound, Direction::Manual));
    (a, of_b.id, b, of_a.id)
}

// ---- two of ours ---------------------------------------------------------------------------------

#[test]
fn two_networks_talk_and_stop() {
    run(async {
        let (mut a, b_at_a, mut b, a_at_b) = pair(config(), config()).await;
        let facts = a.network.facts(b_at_a).unwrap();
        assert!(facts.has_extensions() && facts.wants_transactions);
        assert_eq!((facts.version, facts.start_height), (PROTOCOL_VERSION, Height::new(7)));
        assert!(facts.user_agent.starts_with("/mvs-node:"));

        // Each way, extensions included, in order.
        let said = [
            Message::GetHeaders(locator()),
            Message::FeeFilter(5),
            Message::Inv(inventory(3)),
            Message::Tx(RawTx::from_wire(Bytes::from_static(&[7; 100])).unwrap()),
        ];
        for message in &said {
            b.network.try_send(a_at_b, message).unwrap();
        }
        assert_eq!(a.message().await, (b_at_a, PeerMessage::GetHeaders(locator())));
        assert_eq!(a.message().await, (b_at_a, PeerMessage::FeeFilter(5)));
        assert_eq!(a.message().await, (b_at_a, PeerMessage::Inv(inventory(3))));
        assert!(matches!(a.message().await.1, PeerMessage::Tx(tx) if tx.bytes().len() == 100));
        assert_eq!(a.network.broadcast(&Message::Inv(inventory(1)), |_| true), 1);
        assert_eq!(a.network.broadcast(&Message::Inv(inventory(1)), |_| false), 0);
        assert_eq!(b.message().await, (a_at_b, PeerMessage::Inv(inventory(1))));

        // Pings are answered, and bytes counted by class on both ends.
        let ping =
            until("ping", || a.network.peers().first().and_then(|peer| peer.best_ping)).await;
        assert!(ping < DEADLINE);
        let sent = b.network.totals().1.of(TrafficClass::Headers);
        assert_eq!(sent, 24 + 4 + 1 + 32 + 32);
        assert_eq!(a.network.totals().0.of(TrafficClass::Headers), sent);

        // A stop is clean: the other side sees the end, handles go on refusing.
        a.network.stop().await;
        assert_eq!(b.disconnected(a_at_b).await, CloseReason::Remote);
        assert_eq!(b.network.try_send(a_at_b, &Message::MemPool), Err(SendError::Gone));
        while a.events.recv().await.is_some() {}
        a.network.stop().await;
        assert!(a.network.add_peer(any_port()).is_err());
        b.network.stop().await;
    });
}

#[test]
fn a_manual_peer_is_tried_until_it_is_there() {
    run(async {
        // A port that nobody listens on yet.
        let place = std::net::TcpListener::bind(any_port()).unwrap();
        let address = place.local_addr().unwrap();
        drop(place);
        let mut b = Node::start(NetworkConfig { listen: Vec::new(), ..config() });
        b.network.add_peer(address).unwrap();
        let mut a = Node::start(NetworkConfig { listen: vec![address], ..config() });
        let (at_b, at_a) = (b.connected().await, a.connected().await);
        assert_eq!(at_b.address, address);

        // It comes back after a close, and not after it was removed.
        a.network.disconnect(at_a.id, "test");
        assert_eq!(a.disconnected(at_a.id).await, CloseReason::Requested("test"));
        assert_eq!(b.disconnected(at_b.id).await, CloseReason::Remote);
        let (at_b, at_a) = (b.connected().await, a.connected().await);
        b.network.remove_peer(address).unwrap();
        assert!(matches!(b.disconnected(at_b.id).await, CloseReason::Requested(_)));
        assert_eq!(a.disconnected(at_a.id).await, CloseReason::Remote);
        b.network.stop().await;
        a.network.stop().await;
        assert_eq!(a.network.peer_count() + b.network.peer_count(), 0);
    });
}

#[test]
fn a_node_does_not_stay_connected_to_itself() {
    run(async {
        let mut a = Node::start(config());
        a.network.add_peer(a.address).unwrap();
        // Bytes of a failed handshake belong to nobody; the attempt itself shows on a scripted peer.
        let mut peer = Peer::connect(a.address).await;
        let Some(Message::Version(own)) = peer.next().await else { panic!("no version") };
        peer.send(&Message::Version(own)).await;
        peer.closed().await;
        assert_eq!(a.network.peer_count(), 0);
        // Others get in as before.
        let mut other = Peer::handshaken(a.address).await;
        assert_eq!(a.connected().await.user_agent, "/tester:1/");
        other.send(&Message::Inv(inventory(1))).await;
        assert_eq!(a.message().await.1, PeerMessage::Inv(inventory(1)));
        a.network.stop().await;
    });
}

#[test]
fn addresses_travel_are_dialled_and_survive_a_restart() {
    run(async {
        let home = folder("addresses");
        // C listens and says where; A learns it when C connects to A, B asks A and dials C.
        let mut a = Node::start(config());
        let place = std::net::TcpListener::bind(any_port()).unwrap();
        let at = place.local_addr().unwrap();
        drop(place);
        let mut c = Node::start(NetworkConfig {
            listen: vec![at],
            external: Some(at),
            add_peers: vec![a.address],
            max_outbound: 0,
            ..config()
        });
        c.connected().await;
        a.connected().await;
        until("address of C at A", || {
            (a.network.totals().0.of(TrafficClass::Addresses) > 0).then_some(())
        })
        .await;
        let b_config = NetworkConfig {
            listen: Vec::new(),
            add_peers: vec![a.address],
            data_dir: Some(home.clone()),
            ..config()
        };
        let mut b = Node::start(b_config.clone());
        let first = b.connected().await;
        assert_eq!((first.address, first.direction), (a.address, Direction::Manual));
        let second = b.connected().await;
        assert_eq!((second.address, second.direction), (at, Direction::Outbound));
        b.network.stop().await;
        let text = std::fs::read_to_string(home.join(ADDRESSES_FILE)).unwrap();
        assert!(text.contains(&format!("tried {at} ")), "{text}");

        // From the file alone, without anybody's help.
        a.network.stop().await;
        let mut again = Node::start(NetworkConfig { add_peers: Vec::new(), ..b_config });
        assert_eq!(again.connected().await.address, at);
        again.network.stop().await;
        c.network.stop().await;
        std::fs::remove_dir_all(home).unwrap();
    });
}

#[test]
fn addresses_are_tried_beside_the_peers_that_are_kept() {
    run(async {
        let mut told = [Node::start(config()), Node::start(config()), Node::start(config())];
        let place = TcpListener::bind(any_port()).await.unwrap();
        let mut a = Node::start(NetworkConfig {
            listen: Vec::new(),
            add_peers: vec![place.local_addr().unwrap()],
            max_outbound: 1,
            feeler_every: Duration::from_millis(100),
            ..config()
        });
        let mut teller = Peer::over(place.accept().await.unwrap().0);
        teller.shake_hands().await;
        teller.next_of(Command::GETADDR).await;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let address = |node: &Node| NetAddress {
            seen_unix_secs: now.as_secs() as u32,
            services: Services::NETWORK,
            address: node.address,
        };
        teller.send(&Message::Addr(told.iter().map(address).collect())).await;
        for node in &mut told {
            assert_eq!(node.connected().await.direction, Direction::Inbound);
        }
        // One of them stays.
        let (mut came, mut went) = (Vec::new(), Vec::new());
        while came.len() < 4 || went.len() < 2 {
            match a.event().await {
                NetworkEvent::Connected(facts) => came.push(facts.direction),
                NetworkEvent::Disconnected { reason, .. } => went.push(reason.code()),
                NetworkEvent::Message { .. } => {}
            }
        }
        assert_eq!(went, ["p2p.close.requested"; 2]);
        assert_eq!(a.network.peer_count(), 2);
        a.network.stop().await;
        for node in told {
            node.network.stop().await;
        }
    });
}

#[test]
fn ipv6_and_ipv4_share_a_port() {
    run(async {
        let Ok(v6) = std::net::TcpListener::bind("[::1]:0") else {
            eprintln!("SKIPPED: this machine has no IPv6 loopback");
            return;
        };
        let port = v6.local_addr().unwrap().port();
        drop(v6);
        let listen = vec![
            SocketAddr::new("::1".parse().unwrap(), port),
            SocketAddr::new("127.0.0.1".parse().unwrap(), port),
        ];
        let mut a = Node::start(NetworkConfig { listen: listen.clone(), ..config() });
        let mut b = Node::start(NetworkConfig { connect: listen, listen: Vec::new(), ..config() });
        let families = [b.connected().await.address, b.connected().await.address];
        assert_ne!(families[0].is_ipv6(), families[1].is_ipv6());
        a.connected().await;
        a.connected().await;
        a.network.stop().await;
        b.network.stop().await;
    });
}

#[test]
fn a_proxy_carries_connections() {
    run(async {
        let mut a = Node::start(config());
        let proxy = TcpListener::bind(any_port()).await.unwrap();
        let at = proxy.local_addr().unwrap();
        let (asked, mut targets) = mpsc::channel(4);
        tokio::spawn(async move {
            loop {
                let (mut client, _) = proxy.accept().await.unwrap();
                let asked = asked.clone();
                tokio::spawn(async move {
                    let mut hello = [0; 3];
                    client.read_exact(&mut hello).await.unwrap();
                    assert_eq!(hello, [5, 1, 0]);
                    client.write_all(&[5, 0]).await.unwrap();
                    let mut request = [0; 10];
                    client.read_exact(&mut request).await.unwrap();
                    assert_eq!(request[..4], [5, 1, 0, 1]);
                    let ip = [request[4], request[5], request[6], request[7]];
                    let port = u16::from_be_bytes([request[8], request[9]]);
                    let target = SocketAddr::from((ip, port));
                    asked.send(target).await.unwrap();
                    let mut server = TcpStream::connect(target).await.unwrap();
                    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 1]).await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        let mut b = Node::start(NetworkConfig {
            listen: Vec::new(),
            proxy: Some(at),
            connect: vec![a.address],
            ..config()
        });
        assert_eq!(b.connected().await.address, a.address);
        a.connected().await;
        assert_eq!(targets.recv().await, Some(a.address));
        b.network.stop().await;
        a.network.stop().await;
    });
}

// ---- serving ---------------------------------------------------------------------------------------

fn big_block(len: usize) -> RawBlock {
    let mut bytes = vec![0u8; len];
    bytes[0] = 1;
    RawBlock::from_wire(bytes.into()).unwrap()
}

/// Answers requests with blocks of `len` bytes until the events end.
fn serve(mut node: Node, len: usize) -> (Network, tokio::task::JoinHandle<(usize, usize)>) {
    let network = node.network.clone();
    let handle = network.clone();
    let task = tokio::spawn(async move {
        let (mut served, mut refused) = (0, 0);
        let block = Message::Block(big_block(len));
        while let Some(event) = node.events.recv().await {
            if let NetworkEvent::Message { peer, message: PeerMessage::GetData(items), .. } = event
            {
                assert!(items.len() <= PORTION_ITEMS);
                for _ in items {
                    match handle.try_send(peer, &block) {
                        Ok(()) => served += 1,
                        Err(_) => refused += 1,
                    }
                }
            }
        }
        (served, refused)
    });
    (network, task)
}

#[test]
fn a_long_request_is_served_in_portions_that_fit() {
    run(async {
        let (a, _, mut b, a_at_b) = pair(config(), config()).await;
        let (network, serving) = serve(a, 900_000);
        b.network.try_send(a_at_b, &Message::GetData(inventory(60))).unwrap();
        for _ in 0..60 {
            assert!(matches!(b.message().await.1, PeerMessage::Block(_)));
        }
        network.stop().await;
        assert_eq!(serving.await.unwrap(), (60, 0));
        b.network.stop().await;
    });
}

#[test]
fn a_slow_reader_holds_little_and_others_go_on() {
    run(async {
        let a = Node::start(config());
        let address = a.address;
        let (network, serving) = serve(a, 900_000);
        // Three peers ask for 500 blocks each and do not read.
        let mut slow = Vec::new();
        for _ in 0..3 {
            let mut peer = Peer::handshaken(address).await;
            peer.send(&Message::GetData(inventory(500))).await;
            slow.push(peer);
        }
        until("queued blocks", || {
            let waiting = network.peers().iter().filter(|p| p.queued_bytes > 1_000_000).count();
            (waiting == 3).then_some(())
        })
        .await;
        let honest = NetworkConfig { connect: vec![address], ..config() };
        let mut b = Node::start(honest);
        let a_at_b = b.connected().await.id;
        b.network.try_send(a_at_b, &Message::GetData(inventory(30))).unwrap();
        for _ in 0..30 {
            assert!(matches!(b.message().await.1, PeerMessage::Block(_)));
        }
        let worst = network.peers().iter().map(|peer| peer.queued_bytes).max().unwrap();
        assert!(worst <= PORTION_ITEMS * 900_100 + 1_000_000, "{worst} bytes wait for one peer");
        network.stop().await;
        let (served, refused) = serving.await.unwrap();
        assert_eq!(refused, 0);
        assert!(served < 30 + 3 * 40, "{served} blocks went to peers that do not read");
        b.network.stop().await;
    });
}

#[test]
fn an_upload_budget_counts_what_is_sent() {
    run(async {
        let limited = NetworkConfig { max_upload_bytes_per_day: Some(1_000_000), ..config() };
        let (a, b_at_a, mut b, a_at_b) = pair(limited, config()).await;
        let (network, serving) = serve(a, 300_000);
        for _ in 0..3 {
            b.network.try_send(a_at_b, &Message::GetData(inventory(1))).unwrap();
            assert!(matches!(b.message().await.1, PeerMessage::Block(_)));
            assert!(!network.is_upload_used_up());
        }
        b.network.try_send(a_at_b, &Message::GetData(inventory(1))).unwrap();
        assert!(matches!(b.message().await.1, PeerMessage::Block(_)));
        until("a used-up budget", || network.is_upload_used_up().then_some(())).await;
        network.close_for_upload(b_at_a);
        assert!(matches!(b.event().await, NetworkEvent::Disconnected { .. }));
        network.stop().await;
        serving.await.unwrap();
        b.network.stop().await;
    });
}

#[test]
fn events_that_wait_are_bounded_and_keep_their_order() {
    run(async {
        let (mut a, b_at_a, b, a_at_b) = pair(config(), config()).await;
        // B sends 40 MB of blocks that A asked for, while nobody at A takes events.
        a.network.try_send(b_at_a, &Message::GetData(inventory(45))).unwrap();
        let (network, serving) = serve(b, 900_000);
        until("bytes at A", || {
            (a.network.totals().0.of(TrafficClass::Blocks) > 2_000_000).then_some(())
        })
        .await;
        let held: Vec<Charge> = {
            let mut held = Vec::new();
            for _ in 0..45 {
                match a.event().await {
                    NetworkEvent::Message { message: PeerMessage::Block(_), charge, .. } => {
                        held.push(charge);
                    }
                    other => panic!("{other:?}"),
                }
            }
            held
        };
        assert_eq!(held.len(), 45);
        // 45 MB are charged; a further 9 do not fit into the pool of 48 until something is given back.
        a.network.try_send(b_at_a, &Message::GetData(inventory(9))).unwrap();
        let before = a.network.totals().0.of(TrafficClass::Blocks);
        for _ in 0..4 {
            a.event().await;
        }
        drop(held);
        for _ in 0..5 {
            a.event().await;
        }
        assert_eq!(a.network.totals().0.of(TrafficClass::Blocks), before + 9 * 900_024);
        assert_eq!(network.facts(a_at_b).unwrap().id, a_at_b);
        network.stop().await;
        serving.await.unwrap();
        a.network.stop().await;
    });
}

// ---- peers that do not behave ----------------------------------------------------------------------

/// Sends bytes after a handshake and expects the end of the connection for this reason.
async fn offend(bytes: Vec<u8>, code: &str) {
    let mut a = Node::start(config());
    let mut peer = Peer::handshaken(a.address).await;
    let facts = a.connected().await;
    peer.send_bytes(&bytes).await;
    assert_eq!(a.disconnected(facts.id).await.code(), code);
    peer.closed().await;
    assert!(a.network.bans().await.unwrap().is_empty(), "this machine is not banned");
    a.network.stop().await;
}

fn ping() -> Vec<u8> {
    Message::Ping(Some(1)).to_frame().to_bytes(MAGIC).to_vec()
}

#[test]
fn bytes_that_cannot_be_right_end_the_connection() {
    run(async {
        let mut wrong = ping();
        wrong[0] ^= 1;
        offend(wrong, "p2p.magic").await;
        let mut wrong = ping();
        wrong[20] ^= 1;
        offend(wrong, "p2p.checksum").await;
        let mut wrong = ping();
        wrong[16..20].copy_from_slice(&1_800_004u32.to_le_bytes());
        offend(wrong, "p2p.length").await;
        let mut wrong = ping();
        wrong[15] = b'x';
        offend(wrong, "p2p.command_text").await;
        let payload = Bytes::from_static(&[0xfe, 0xff, 0xff, 0, 0]);
        let frame = Frame { command: Command::INV, payload };
        offend(frame.to_bytes(MAGIC).to_vec(), "p2p.too_many").await;
        let payload = Bytes::from_static(&[0xfd, 0xff, 0x7f, 1]);
        let frame = Frame { command: Command::INV, payload };
        offend(frame.to_bytes(MAGIC).to_vec(), "p2p.payload").await;
    });
}

#[test]
fn what_comes_before_the_handshake_ends_the_connection() {
    run(async {
        let mut a = Node::start(config());
        for first in [Message::GetAddr, Message::Inv(inventory(1)), Message::MemPool] {
            let mut peer = Peer::connect(a.address).await;
            peer.send(&first).await;
            peer.closed().await;
        }
        // A block's header is enough; its payload is not waited for.
        let mut peer = Peer::connect(a.address).await;
        let block = Message::Block(big_block(1_000_000)).to_frame().to_bytes(MAGIC);
        peer.send_bytes(&block[..24]).await;
        peer.closed().await;
        // Between version and verack nothing but verack.
        let mut peer = Peer::connect(a.address).await;
        peer.send(&version(1)).await;
        peer.send(&Message::Ping(Some(1))).await;
        peer.closed().await;
        // Verack first is odd but fine.
        let mut peer = Peer::connect(a.address).await;
        peer.send(&Message::Verack).await;
        peer.send(&version(1)).await;
        assert_eq!(a.connected().await.user_agent, "/tester:1/");
        // Repeated ones cost points, and not the connection at once.
        peer.send(&version(1)).await;
        peer.send(&Message::Verack).await;
        peer.send(&Message::Inv(inventory(1))).await;
        assert_eq!(a.message().await.1, PeerMessage::Inv(inventory(1)));
        assert_eq!(
            until("score", || a.network.peers().first().map(|p| p.score).filter(|s| *s > 0)).await,
            2
        );
        a.network.stop().await;
    });
}

#[test]
fn a_message_that_never_ends_and_silence_time_out() {
    run(async {
        let quick = NetworkConfig { handshake_timeout: Duration::from_millis(200), ..config() };
        let a = Node::start(quick);
        let mut silent = Peer::connect(a.address).await;
        let mut half = Peer::connect(a.address).await;
        let bytes = version(1).to_frame().to_bytes(MAGIC);
        half.send_bytes(&bytes[..40]).await;
        silent.closed().await;
        half.closed().await;
        assert_eq!(a.network.peer_count(), 0);
        a.network.stop().await;
    });
}

#[test]
fn half_open_connections_do_not_keep_others_out() {
    run(async {
        let small = NetworkConfig { max_inbound: 8, ..config() };
        let mut a = Node::start(small);
        let mut honest = Peer::handshaken(a.address).await;
        a.connected().await;
        let mut half_open = Vec::new();
        for _ in 0..200 {
            half_open.push(TcpStream::connect(a.address).await.unwrap());
        }
        let mut newcomer = Peer::handshaken(a.address).await;
        a.connected().await;
        for peer in [&mut honest, &mut newcomer] {
            peer.send(&Message::Inv(inventory(1))).await;
            assert_eq!(a.message().await.1, PeerMessage::Inv(inventory(1)));
        }
        assert_eq!(a.network.peer_count(), 2);
        a.network.stop().await;
    });
}

#[test]
fn large_messages_that_do_not_end_share_a_bounded_memory() {
    run(async {
        let mut a = Node::start(config());
        let mut b = Node::start(config());
        a.network.add_peer(b.address).unwrap();
        let (b_at_a, a_at_b) = (a.connected().await.id, b.connected().await.id);
        // Each announces the largest inventory there is, sends most of it, and waits.
        let inv = Message::Inv(inventory(50_000)).to_frame().to_bytes(MAGIC);
        let mut hostile = Vec::new();
        for _ in 0..50 {
            let mut peer = Peer::handshaken(a.address).await;
            a.connected().await;
            let most = inv.slice(..inv.len() - 100);
            hostile.push(tokio::spawn(async move {
                // Most of them find no reader: the system's buffers take some of it.
                let _stuck = timeout(DEADLINE, peer.stream.write_all(&most)).await;
                peer
            }));
        }
        let share = (inv.len() - 24).div_ceil(1024) * 1024;
        let pool = INBOUND_POOL_KIB as usize * 1024;
        until("full pool", || {
            let memory = a.network.memory();
            assert!(memory.inbound_bytes <= pool);
            (memory.inbound_bytes > pool - share).then_some(())
        })
        .await;
        // Large messages of a peer that we chose have their own memory, small ones need none.
        a.network.try_send(b_at_a, &Message::GetData(inventory(10))).unwrap();
        for _ in 0..10 {
            b.network.try_send(a_at_b, &Message::Block(big_block(900_000))).unwrap();
        }
        for _ in 0..10 {
            assert!(matches!(a.message().await.1, PeerMessage::Block(_)));
        }
        let mut honest = Peer::handshaken(a.address).await;
        a.connected().await;
        honest.send(&Message::Inv(inventory(100))).await;
        assert_eq!(a.message().await.1, PeerMessage::Inv(inventory(100)));
        // When they are gone, so is what they held.
        for peer in hostile {
            peer.abort();
        }
        until("free pool", || (a.network.memory().inbound_bytes == 0).then_some(())).await;
        a.network.stop().await;
        b.network.stop().await;
    });
}

#[test]
fn a_full_node_evicts_but_keeps_the_useful() {
    run(async {
        let small = NetworkConfig { max_inbound: 12, ..config() };
        let mut a = Node::start(small);
        let mut peers = Vec::new();
        for _ in 0..12 {
            peers.push(Peer::handshaken(a.address).await);
            a.connected().await;
        }
        let first = a.network.peers()[0].facts.id;
        a.network.note_merit(first, mvs_node::p2p::api::Merit::Block);
        until("merit", || a.network.peers()[0].last_block).await;
        // Twenty newcomers each get a place, and the peer with merit and seniority stays.
        for _ in 0..20 {
            peers.push(Peer::handshaken(a.address).await);
            while !matches!(a.event().await, NetworkEvent::Connected(_)) {}
        }
        until("twelve peers", || (a.network.peer_count() == 12).then_some(())).await;
        assert_eq!(a.network.peers()[0].facts.id, first);
        a.network.stop().await;
    });
}

#[test]
fn floods_are_slowed_and_others_are_heard() {
    run(async {
        let mut limits = NetworkConfig::new(MAGIC).limits;
        limits.inventory = Rate::per_second(1000, 100);
        limits.messages = Rate::per_second(200, 50);
        let mut a = Node::start(NetworkConfig { limits, ..config() });
        let mut flooder = Peer::handshaken(a.address).await;
        let flooding = a.connected().await.id;
        let mut honest = Peer::handshaken(a.address).await;
        let good = a.connected().await.id;

        let flood = tokio::spawn(async move {
            let inv = Message::Inv(inventory(1000)).to_frame().to_bytes(MAGIC);
            for _ in 0..300 {
                if timeout(DEADLINE, flooder.stream.write_all(&inv)).await.is_err() {
                    break;
                }
            }
            flooder
        });
        for n in 1..20 {
            honest.send(&Message::Inv(inventory(n))).await;
        }
        let (mut from_good, mut items) = (0, 0);
        while from_good < 19 {
            match a.message().await {
                (peer, PeerMessage::Inv(list)) if peer == good => {
                    from_good += 1;
                    assert_eq!(list.len(), from_good);
                }
                (peer, PeerMessage::Inv(list)) if peer == flooding => items += list.len(),
                other => panic!("{other:?}"),
            }
        }
        // A bucket of 1000, and one message beyond it before the pause.
        assert!(items <= 3000, "{items} items of a flood got through");
        assert_eq!(a.network.peer_count(), 2, "a flood of true messages is no crime");
        a.network.stop().await;
        drop(flood.await.unwrap());
    });
}

#[test]
fn floods_of_addresses_and_unknown_commands_end() {
    run(async {
        let mut a = Node::start(config());
        let mut peer = Peer::handshaken(a.address).await;
        let who = a.connected().await.id;
        let entry = |n: u32| NetAddress {
            seen_unix_secs: u32::MAX,
            services: Services::NETWORK,
            address: SocketAddr::from(([10, 9, (n >> 8) as u8, n as u8], 5251)),
        };
        for _ in 0..30 {
            peer.send(&Message::Addr((0..1000).map(entry).collect())).await;
        }
        peer.send(&Message::Inv(inventory(1))).await;
        assert_eq!(a.message().await.1, PeerMessage::Inv(inventory(1)));
        let mut frame = ping();
        frame[4..16].copy_from_slice(b"nonsense\0\0\0\0");
        for _ in 0..21 {
            peer.send_bytes(&frame).await;
        }
        assert_eq!(a.disconnected(who).await.code(), "p2p.unknown_command");
        a.network.stop().await;
    });
}

#[test]
fn unasked_blocks_cost_points_and_then_the_place() {
    run(async {
        let home = folder("bans");
        let strict = NetworkConfig { ban_local: true, data_dir: Some(home.clone()), ..config() };
        let mut a = Node::start(strict.clone());
        let mut peer = Peer::handshaken(a.address).await;
        let who = a.connected().await.id;
        let block = Message::Block(big_block(200));
        for _ in 0..20 + 10 {
            peer.send(&block).await;
        }
        assert_eq!(a.disconnected(who).await, CloseReason::Misbehaved("p2p.unasked_block"));
        let ban = loop {
            if let Some(ban) = a.network.bans().await.unwrap().first() {
                break *ban;
            }
        };
        assert_eq!(ban.ip, peer.stream.local_addr().unwrap().ip());
        // Whoever is banned is not even greeted, also after a restart.
        let mut again = Peer::connect(a.address).await;
        assert_eq!(again.next().await, None);
        a.network.stop().await;
        assert!(home.join(BANS_FILE).exists());
        let mut a = Node::start(strict);
        let mut again = Peer::connect(a.address).await;
        assert_eq!(again.next().await, None);
        assert!(a.network.unban(ban.ip).await.unwrap());
        let _welcome = Peer::handshaken(a.address).await;
        a.connected().await;
        a.network.stop().await;
        std::fs::remove_dir_all(home).unwrap();
    });
}

#[test]
fn the_node_can_penalise_and_ban() {
    run(async {
        let mut a = Node::start(NetworkConfig { ban_local: true, ..config() });
        let mut peer = Peer::handshaken(a.address).await;
        let first = a.connected().await.id;
        a.network.penalise(first, Penalty::of_points(60), "test.bad");
        a.network.penalise(first, Penalty::of_points(40), "test.worse");
        assert_eq!(a.disconnected(first).await, CloseReason::Misbehaved("test.worse"));
        peer.closed().await;
        let ip = a.address.ip();
        until("ban", || futures_free(a.network.clone(), ip)).await;
        assert!(a.network.unban(ip).await.unwrap());

        let _peer = Peer::handshaken(a.address).await;
        let second = a.connected().await.id;
        a.network.ban(ip, Duration::from_secs(60)).unwrap();
        assert_eq!(a.disconnected(second).await, CloseReason::Banned);
        a.network.stop().await;
    });
}

/// Tells whether a connection to this machine is refused, by trying.
fn futures_free(network: Network, ip: std::net::IpAddr) -> Option<()> {
    // The ban is in force when the manager has seen the close: ask it without waiting for a socket.
    let runtime = tokio::runtime::Handle::current();
    tokio::task::block_in_place(|| {
        let bans = runtime.block_on(network.bans()).unwrap();
        bans.iter().any(|ban| ban.ip == ip).then_some(())
    })
}

#[test]
fn requests_wait_until_a_peer_of_the_first_kind_is_ready() {
    run(async {
        let listener = TcpListener::bind(any_port()).await.unwrap();
        let at = listener.local_addr().unwrap();
        let mut a = Node::start(NetworkConfig { connect: vec![at], ..config() });
        let (stream, _) = listener.accept().await.unwrap();
        let mut peer = Peer::over(stream);
        peer.shake_hands().await;
        let id = a.connected().await.id;
        assert_eq!(a.network.try_send(id, &Message::FeeFilter(1)), Err(SendError::NotUnderstood));
        a.network.try_send(id, &Message::GetHeaders(locator())).unwrap();
        // Our ping comes at once; the request waits for a sign that the peer is ready.
        assert!(matches!(peer.next().await, Some(Message::Ping(_))));
        until("held request", || {
            a.network.peers().first().filter(|p| p.queued_messages == 1).map(|_| ())
        })
        .await;
        peer.send(&Message::Ping(Some(9))).await;
        let first = peer.next().await;
        let second = peer.next().await;
        let both = [first.unwrap(), second.unwrap()];
        assert!(both.contains(&Message::GetHeaders(locator())), "{both:?}");
        assert!(both.contains(&Message::Pong(9)), "{both:?}");
        a.network.stop().await;
    });
}

#[test]
fn transactions_of_others_pass_as_bytes() {
    run(async {
        let mut a = Node::start(config());
        let mut peer = Peer::handshaken(a.address).await;
        let id = a.connected().await.id;
        // Larger than what is free of charge: it takes a share of memory, and gives it back.
        let large = RawTx::from_wire(vec![3u8; 300_000].into()).unwrap();
        let wanted = Inventory::Tx(TxId::from_bytes([1; 32]));
        a.network.try_send(id, &Message::GetData(vec![wanted; 20])).unwrap();
        assert_eq!(peer.next_of(Command::GETDATA).await, Message::GetData(vec![wanted; 20]));
        for _ in 0..20 {
            peer.send(&Message::Tx(large.clone())).await;
            let (from, message) = a.message().await;
            assert_eq!((from, message), (id, PeerMessage::Tx(large.clone())));
        }
        until("memory", || (a.network.memory().inbound_bytes == 0).then_some(())).await;
        a.network.stop().await;
    });
}
