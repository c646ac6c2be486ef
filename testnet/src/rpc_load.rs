//! Asks a node by HTTP as fast as it answers, over a few connections that stay open.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest head of an answer.
const HEAD_BYTES: usize = 16 << 10;

/// Returns the value of the header that carries the cookie of a node's data folder.
///
/// # Errors
/// When there is none.
pub fn authorization(data_dir: &Path) -> Result<String> {
    let cookie = std::fs::read(data_dir.join(".cookie")).context("the node's cookie")?;
    Ok(format!("Basic {}", STANDARD.encode(&cookie)))
}

/// A connection that asks one thing after the other.
#[derive(Debug)]
pub struct Asker {
    stream: TcpStream,
    head: String,
    buffer: Vec<u8>,
}

impl Asker {
    /// Connects. `path` is `/rpc` or one of the versions below it.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr, path: &str, authorization: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\
             Content-Type: application/json\r\nContent-Length: "
        );
        Ok(Self { stream, head, buffer: Vec::new() })
    }

    /// Sends a body and returns that of the answer.
    ///
    /// # Errors
    /// When the connection breaks, or the status is not 200.
    pub fn ask(&mut self, body: &str) -> Result<&[u8]> {
        let request = format!("{}{}\r\n\r\n{body}", self.head, body.len());
        self.stream.write_all(request.as_bytes())?;
        self.buffer.clear();
        let mut part = [0; 16 << 10];
        let mut end = None;
        loop {
            let read = self.stream.read(&mut part)?;
            ensure!(read > 0, "the node closed the connection");
            self.buffer.extend_from_slice(&part[..read]);
            if end.is_none() {
                end = self.buffer.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
                ensure!(end.is_some() || self.buffer.len() <= HEAD_BYTES, "an endless head");
            }
            let Some(body) = end else { continue };
            let length = length(&self.buffer[..body])?;
            if self.buffer.len() >= body + length {
                return Ok(&self.buffer[body..body + length]);
            }
        }
    }
}

fn length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    ensure!(status.starts_with("HTTP/1.1 200"), "the node says {status}");
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(value.trim().parse()?);
        }
    }
    bail!("an answer without a length")
}

/// What a load came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Answers a second, over all connections.
    pub rate: f64,
    /// The time that 99 of 100 answers took at most, in milliseconds.
    pub p99_ms: f64,
}

/// Asks over this many connections at a time, each in turn for one of the bodies, until the time is
/// over. Every answer must hold a result.
///
/// # Errors
/// When a connection breaks, or an answer is an error.
pub fn load(
    address: SocketAddr,
    path: &str,
    authorization: &str,
    connections: usize,
    bodies: &[String],
    time: Duration,
) -> Result<Load> {
    ensure!(!bodies.is_empty(), "nothing to ask");
    let start = Instant::now();
    let times: Vec<Result<Vec<Duration>>> = std::thread::scope(|scope| {
        let run = |number: usize| -> Result<Vec<Duration>> {
            let mut asker = Asker::connect(address, path, authorization)?;
            let mut times = Vec::new();
            let places = bodies.iter().cycle().skip(number * bodies.len() / connections);
            for body in places {
                let asked = Instant::now();
                let answer = asker.ask(body)?;
                times.push(asked.elapsed());
                let is_result = answer.windows(9).any(|part| part == b"\"result\":");
                ensure!(is_result, "{body}: {}", String::from_utf8_lossy(answer));
                if start.elapsed() >= time {
                    break;
                }
            }
            Ok(times)
        };
        let threads: Vec<_> =
            (0..connections).map(|number| scope.spawn(move || run(number))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread failed")))
            .collect()
    });
    let took = start.elapsed().as_secs_f64();
    let mut all: Vec<Duration> = Vec::new();
    for times in times {
        all.extend(times?);
    }
    all.sort_unstable();
    let p99 = all.get(all.len() * 99 / 100).copied().context("no answers")?;
    Ok(Load { rate: all.len() as f64 / took, p99_ms: p99.as_secs_f64() * 1e3 }) // far below 2^53
}
