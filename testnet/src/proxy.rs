//! A proxy between two nodes: delays, cuts, holds and counts.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::wait::{Seen, Watched};

/// Bytes read at a time.
const CHUNK_BYTES: usize = 16 * 1024;
/// How long the proxy tries to reach the node behind it.
const DIAL_LIMIT: Duration = Duration::from_secs(5);

/// What the proxy does to bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Open,
    /// Ends connections and takes no new ones.
    Cut,
    /// Keeps connections and passes nothing on, until it is open again.
    Held,
    /// Nothing goes on any more, for ever.
    Over,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    latency: Duration,
    /// Bytes a second and direction; `None`: as fast as it goes.
    rate: Option<u64>,
    streams: Vec<(TcpStream, TcpStream)>,
}

#[derive(Debug)]
struct Shared {
    state: Watched<State>,
    target: SocketAddr,
    /// Bytes from who connected to the node behind the proxy.
    forth: AtomicU64,
    /// Bytes from the node behind the proxy.
    back: AtomicU64,
}

/// A running proxy. Ends its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Starts on a free port of the loopback interface, in front of `target`.
    ///
    /// # Errors
    /// When there is no port.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no port")?;
        let address = listener.local_addr()?;
        let state =
            State { mode: Mode::Open, latency: Duration::ZERO, rate: None, streams: Vec::new() };
        let shared = Arc::new(Shared {
            state: Watched::new(state),
            target,
            forth: AtomicU64::new(0),
            back: AtomicU64::new(0),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = std::thread::Builder::new().name("proxy".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                match for_acceptor.state.look(|state| state.mode) {
                    Mode::Over => return,
                    Mode::Cut => drop(stream),
                    // A node that cannot be reached is a connection that ends at once.
                    Mode::Open | Mode::Held => drop(join(&for_acceptor, stream)),
                }
            }
        })?;
        Ok(Self { shared, address, acceptor: Some(acceptor) })
    }

    /// Returns where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Delays each byte, in both directions.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.state.change(|state| state.latency = latency);
    }

    /// Limits the bytes a second in each direction.
    pub fn set_rate(&self, bytes_per_sec: Option<u64>) {
        self.shared.state.change(|state| state.rate = bytes_per_sec);
    }

    /// Ends all connections and refuses new ones.
    pub fn cut(&self) {
        self.set_mode(Mode::Cut);
    }

    /// Keeps connections, but passes nothing on.
    pub fn hold(&self) {
        self.set_mode(Mode::Held);
    }

    /// Passes bytes on again.
    pub fn open(&self) {
        self.set_mode(Mode::Open);
    }

    fn set_mode(&self, mode: Mode) {
        self.shared.state.change(|state| {
            state.mode = mode;
            if matches!(mode, Mode::Cut | Mode::Over) {
                for (near, far) in state.streams.drain(..) {
                    // They may be closed already, which is as good.
                    let _ = near.shutdown(Shutdown::Both);
                    let _ = far.shutdown(Shutdown::Both);
                }
            }
        });
    }

    /// Returns the bytes that went to the node behind the proxy, and those that came from it.
    pub fn bytes(&self) -> (u64, u64) {
        (self.shared.forth.load(Ordering::Relaxed), self.shared.back.load(Ordering::Relaxed))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set_mode(Mode::Over);
        // Wakes the acceptor, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.address, DIAL_LIMIT);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Connects a new connection with the node behind the proxy.
fn join(shared: &Arc<Shared>, near: TcpStream) -> Result<()> {
    let far = TcpStream::connect_timeout(&shared.target, DIAL_LIMIT)?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    let pair = (near.try_clone()?, far.try_clone()?);
    shared.state.change(|state| {
        state.streams.retain(|(near, _)| near.peer_addr().is_ok());
        state.streams.push(pair);
    });
    pump(shared, near.try_clone()?, far.try_clone()?, true);
    pump(shared, far, near, false);
    Ok(())
}

/// Starts the two threads of one direction: one reads, one writes when the time has come.
fn pump(shared: &Arc<Shared>, from: TcpStream, to: TcpStream, forth: bool) {
    let (sender, receiver) = channel();
    let for_reader = Arc::clone(shared);
    std::thread::spawn(move || read_all(&for_reader, from, &sender));
    let shared = Arc::clone(shared);
    std::thread::spawn(move || write_all(&shared, to, &receiver, forth));
}

type Chunk = (Instant, Vec<u8>);

fn read_all(shared: &Shared, mut from: TcpStream, sender: &Sender<Chunk>) {
    let mut chunk = vec![0; CHUNK_BYTES];
    let mut free_at = Instant::now();
    while let Ok(length) = from.read(&mut chunk) {
        if length == 0 {
            break;
        }
        let now = Instant::now();
        let (latency, rate) = shared.state.look(|state| (state.latency, state.rate));
        if let Some(rate) = rate {
            let took = Duration::from_secs_f64(length as f64 / rate as f64); // both are small
            free_at = free_at.max(now) + took;
            // Nothing else is read meanwhile, so that the sender feels it.
            wait_until(free_at);
        }
        if sender.send((now.max(free_at) + latency, chunk[..length].to_vec())).is_err() {
            break;
        }
    }
}

fn write_all(shared: &Shared, mut to: TcpStream, chunks: &Receiver<Chunk>, forth: bool) {
    let counter = if forth { &shared.forth } else { &shared.back };
    while let Ok((due, chunk)) = chunks.recv() {
        wait_until(due);
        let limit = Duration::from_secs(3_600);
        let mode = shared.state.wait("the proxy to open", limit, |state| match state.mode {
            Mode::Held => Seen::NotYet("held".into()),
            mode => Seen::Done(mode),
        });
        if !matches!(mode, Ok(Mode::Open)) || to.write_all(&chunk).is_err() {
            break;
        }
        counter.fetch_add(chunk.len() as u64, Ordering::Relaxed); // widening
    }
    // The other side learns that there is no more.
    let _ = to.shutdown(Shutdown::Both);
}

fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        std::thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo() -> SocketAddr {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut copy = stream.try_clone().unwrap();
                    let _ = std::io::copy(&mut stream, &mut copy);
                });
            }
        });
        address
    }

    fn ask(stream: &mut TcpStream, word: &[u8]) -> std::io::Result<Vec<u8>> {
        stream.write_all(word)?;
        let mut answer = vec![0; word.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    }

    #[test]
    fn bytes_pass_are_counted_delayed_cut_and_held() {
        let proxy = Proxy::start(echo()).unwrap();
        let mut stream = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut stream, b"hello").unwrap(), b"hello");
        crate::wait::until("both counts", Duration::from_secs(30), || {
            Seen::so(proxy.bytes() == (5, 5), || format!("{:?}", proxy.bytes()))
        })
        .unwrap();

        let latency = Duration::from_millis(30);
        proxy.set_latency(latency);
        let start = Instant::now();
        ask(&mut stream, b"there").unwrap();
        assert!(start.elapsed() >= latency * 2);
        proxy.set_latency(Duration::ZERO);

        proxy.hold();
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(ask(&mut stream, b"a").is_err());
        proxy.open();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.read_exact(&mut [0]).unwrap();

        proxy.cut();
        assert!(ask(&mut stream, b"b").is_err());
        let mut refused = TcpStream::connect(proxy.address()).unwrap();
        assert!(ask(&mut refused, b"c").is_err());
        proxy.open();
        let mut again = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(ask(&mut again, b"d").unwrap(), b"d");
    }
}
