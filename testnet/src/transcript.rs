//! Recorded conversations with the first node, and their replay with another node in its place.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use flate2::read::GzDecoder;
use mvs_primitives::hash::sha256;
use serde_json::Value;

use crate::peer::{Introduction, PATIENCE, Peer};
use crate::wire::{self, Message, Version};

/// Who sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The tester, to the recorded node.
    In,
    /// The recorded node.
    Out,
}

/// A payload, or what is known of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// All bytes.
    Whole(Vec<u8>),
    /// Length and SHA-256.
    Digest(usize, [u8; 32]),
}

impl Payload {
    /// Returns whether these are the bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Whole(whole) => whole == bytes,
            Self::Digest(length, digest) => bytes.len() == *length && sha256(bytes) == *digest,
        }
    }
}

/// One message of a conversation.
#[derive(Debug, Clone)]
pub struct Step {
    /// Who sent it.
    pub direction: Direction,
    /// Command.
    pub command: String,
    /// Payload.
    pub payload: Payload,
    /// What the recorder noted.
    pub note: String,
}

/// A recording: the messages of each connection.
#[derive(Debug, Clone)]
pub struct Recording {
    /// What was recorded.
    pub description: String,
    /// The connections by their labels.
    pub connections: BTreeMap<String, Vec<Step>>,
}

/// Reads a recording of `data/p2p`.
///
/// # Errors
/// When it is not there or none.
pub fn load(name: &str) -> Result<Recording> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("data/p2p/{name}.json.gz"));
    let mut text = String::new();
    let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
    GzDecoder::new(bytes.as_slice()).read_to_string(&mut text)?;
    parse(&serde_json::from_str(&text)?).with_context(|| name.to_owned())
}

fn parse(document: &Value) -> Result<Recording> {
    let text = |value: &Value, key: &str| {
        value.get(key).and_then(Value::as_str).map(str::to_owned).with_context(|| key.to_owned())
    };
    let mut connections: BTreeMap<String, Vec<Step>> = BTreeMap::new();
    for step in document.get("steps").and_then(Value::as_array).context("steps")? {
        let Ok(command) = text(step, "command") else { continue };
        let direction = match text(step, "dir")?.as_str() {
            "in" => Direction::In,
            "out" => Direction::Out,
            other => bail!("direction {other}"),
        };
        let payload = match text(step, "payload_hex") {
            Ok(hex) => Payload::Whole(hex::decode(hex)?),
            Err(_) => {
                let length = step.get("payload_length").and_then(Value::as_u64);
                let mut digest = [0; 32];
                hex::decode_to_slice(text(step, "payload_sha256")?, &mut digest)?;
                Payload::Digest(usize::try_from(length.context("payload_length")?)?, digest)
            }
        };
        let note = text(step, "note").unwrap_or_default();
        let label = text(step, "conn").unwrap_or_default();
        connections.entry(label).or_default().push(Step { direction, command, payload, note });
    }
    Ok(Recording { description: text(document, "description")?, connections })
}

/// How close to the recorded node another one must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// Every byte and nothing else; only `tx` may be answered more often (the recorded node left one
    /// request unanswered at random).
    Same,
    /// Pongs and blocks are equal; headers start as the recorded ones, but there may be more of
    /// them; requests that the recorded node passed over may be answered; inventories may be left
    /// out, since blocks are not announced by them any more.
    Sensible,
}

/// What a node says by itself after the handshake: no part of any answer.
const SPONTANEOUS: [&str; 5] = ["getheaders", "getblocks", "mempool", "getaddr", "sendheaders"];

/// Plays the tester's part of each connection of a recording to a node, and compares its answers.
/// Returns how many answers were compared.
///
/// # Errors
/// When an answer differs or does not come.
pub fn replay(recording: &Recording, node: SocketAddr, demand: Demand) -> Result<usize> {
    let mut compared = 0;
    for (label, steps) in &recording.connections {
        compared += replay_connection(steps, node, demand)
            .with_context(|| format!("connection {label:?} of: {}", recording.description))?;
    }
    Ok(compared)
}

fn replay_connection(steps: &[Step], node: SocketAddr, demand: Demand) -> Result<usize> {
    let mut peer = open(steps, node)?;
    let mut before: Vec<Message> = Vec::new();
    let mut compared = 0;
    let mut is_ready = false;
    for step in after_the_handshake(steps) {
        match step.direction {
            Direction::In => {
                if !std::mem::replace(&mut is_ready, true) {
                    // What comes before the node is ready may be lost.
                    peer.expect("mempool")?;
                }
                let Payload::Whole(payload) = &step.payload else {
                    bail!("a message of the tester that is only known by its digest");
                };
                peer.send(&step.command, payload)?;
            }
            Direction::Out if must_answer(step, demand) => {
                let what = format!("{} ({})", step.command, step.note);
                peer.find(&what, PATIENCE, |message| {
                    if fits(step, message, demand) {
                        return Some(());
                    }
                    before.push(message.clone());
                    None
                })
                .with_context(|| format!("before it came {}", brief(&before)))?;
                compared += 1;
            }
            Direction::Out => {}
        }
    }
    before.extend(peer.settle()?);
    before.retain(|message| !SPONTANEOUS.contains(&message.command.as_str()));
    before.retain(|message| message.command != "tx");
    if demand == Demand::Same {
        ensure!(before.is_empty(), "answers that were not recorded: {}", brief(&before));
    }
    Ok(compared)
}

fn brief(messages: &[Message]) -> String {
    let each = messages.iter().map(|m| format!("{} of {} bytes", m.command, m.payload.len()));
    format!("[{}]", each.collect::<Vec<_>>().join(", "))
}

/// Shakes hands as the tester did.
fn open(steps: &[Step], node: SocketAddr) -> Result<Peer> {
    let version = steps
        .iter()
        .find(|step| step.direction == Direction::In && step.command == "version")
        .context("the tester says no version")?;
    let Payload::Whole(payload) = &version.payload else { bail!("a version without bytes") };
    let version = Version::parse(payload)?;
    let introduction = Introduction {
        protocol: version.value,
        user_agent: version.user_agent,
        start_height: version.start_height,
        relay: version.relay,
        ..Introduction::default()
    };
    Peer::connect(node, &introduction)
}

/// The steps behind the handshake, without what each peer does by itself.
fn after_the_handshake(steps: &[Step]) -> impl Iterator<Item = &Step> {
    let (mut versions, mut veracks) = (0, 0);
    steps.iter().filter(move |step| match (step.direction, step.command.as_str()) {
        (Direction::In, "version") => {
            versions += 1;
            versions > 1
        }
        (Direction::In, "verack") => {
            veracks += 1;
            veracks > 1
        }
        (Direction::In, "pong") | (Direction::Out, "version" | "verack" | "ping") => false,
        (Direction::Out, command) => !SPONTANEOUS.contains(&command),
        _ => true,
    })
}

fn must_answer(step: &Step, demand: Demand) -> bool {
    demand == Demand::Same || matches!(step.command.as_str(), "pong" | "block" | "headers")
}

fn fits(step: &Step, message: &Message, demand: Demand) -> bool {
    if message.command != step.command {
        return false;
    }
    if step.payload.is(&message.payload) {
        return true;
    }
    if demand == Demand::Same || step.command != "headers" {
        return false;
    }
    let found = wire::parse_headers(&message.payload).unwrap_or_default();
    match &step.payload {
        Payload::Whole(recorded) => {
            let recorded = wire::parse_headers(recorded).unwrap_or_default();
            let common = recorded.len().min(found.len());
            common > 0 && recorded[..common] == found[..common]
        }
        // Of a long one only the number is known.
        Payload::Digest(length, _) => found.len() > length / (wire::HEADER_BYTES + 1) / 2,
    }
}
