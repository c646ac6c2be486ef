//! Asks a node for its status over HTTP.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// A node answers within this time, or something is wrong with it.
const LIMIT: Duration = Duration::from_secs(10);
/// No answer of a node is larger, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// What a node says about itself (README.md, "Status").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Height of the tip.
    pub height: u32,
    /// Hash of the tip, as people write it.
    pub tip: String,
    /// Height of the best header, if the node tells.
    pub headers: Option<u32>,
    /// Digest of the coins.
    pub coin_digest: String,
    /// Digest of the registry.
    pub registry_digest: String,
    /// Work of the chain, in decimal.
    pub work: String,
    /// Peers after the handshake.
    pub peers: usize,
    /// Transactions in the pool.
    pub mempool: usize,
    /// What the node is doing.
    pub phase: String,
}

impl Status {
    /// Returns what must be equal at two nodes with one chain.
    pub fn chain(&self) -> (u32, &str, &str, &str) {
        (self.height, &self.tip, &self.coin_digest, &self.registry_digest)
    }
}

/// Fetches the status.
///
/// # Errors
/// When the node does not answer, or not as agreed.
pub fn fetch(address: SocketAddr) -> Result<Status> {
    let (code, body) = get(address, "/status")?;
    ensure!(code == 200, "status answers {code}: {body}");
    parse(&body).with_context(|| format!("in {body}"))
}

fn parse(body: &str) -> Result<Status> {
    let value: Value = serde_json::from_str(body)?;
    let text = |key: &str| {
        let text = value.get(key).and_then(Value::as_str);
        text.map(str::to_owned).with_context(|| format!("no text `{key}`"))
    };
    let number = |key: &str| {
        value.get(key).and_then(Value::as_u64).with_context(|| format!("no number `{key}`"))
    };
    Ok(Status {
        height: u32::try_from(number("height")?)?,
        tip: text("tip")?,
        headers: number("headers").ok().and_then(|height| u32::try_from(height).ok()),
        coin_digest: text("coin_digest")?,
        registry_digest: text("registry_digest")?,
        work: text("work")?,
        peers: usize::try_from(number("peers")?)?,
        mempool: usize::try_from(number("mempool")?)?,
        phase: text("phase")?,
    })
}

/// Asks with GET: the code and the body.
///
/// # Errors
/// When there is no answer, or none in HTTP.
pub fn get(address: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect_timeout(&address, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // In one piece: a server may answer and leave after the first line.
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    read_answer(&mut stream, &mut answer)?;
    parse_answer(&answer)
}

/// Reads up to the announced length, or to the end of the connection.
fn read_answer(stream: &mut TcpStream, answer: &mut Vec<u8>) -> Result<()> {
    let mut chunk = [0; 8 * 1024];
    loop {
        if let Some((head, body)) = split(answer)
            && content_length(&head).is_some_and(|length| body.len() >= length)
        {
            return Ok(());
        }
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(());
        }
        answer.extend_from_slice(&chunk[..length]);
        ensure!(answer.len() as u64 <= MAX_ANSWER_BYTES, "an answer without end");
    }
}

fn split(answer: &[u8]) -> Option<(String, &[u8])> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((String::from_utf8_lossy(&answer[..end]).to_lowercase(), &answer[end + 4..]))
}

fn content_length(head: &str) -> Option<usize> {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    line.trim().parse().ok()
}

fn parse_answer(answer: &[u8]) -> Result<(u16, String)> {
    let (head, body) = split(answer).context("no HTTP answer")?;
    let code = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let code = code.with_context(|| format!("no status line in {head:?}"))?;
    if head.contains("transfer-encoding: chunked") {
        bail!("a chunked answer, which nobody asked for");
    }
    Ok((code, String::from_utf8_lossy(body).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read() {
        let body = r#"{"height":3,"tip":"ab","coin_digest":"01","registry_digest":"02","work":"40",
            "peers":8,"mempool":2,"phase":"synced","more":null}"#;
        let status = parse(body).unwrap();
        assert_eq!(status.chain(), (3, "ab", "01", "02"));
        assert_eq!((status.peers, status.mempool, status.headers), (8, 2, None));
        let error = parse(&body.replace("tip", "top")).unwrap_err();
        assert!(error.to_string().contains("`tip`"));
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(parse_answer(answer.as_bytes()).unwrap(), (200, body.to_owned()));
        assert!(parse_answer(b"hello").is_err());
    }
}
