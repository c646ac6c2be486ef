//! Recorded conversations on the wire: the payload of every message that is given in full has the
//! form of its command, and blocks, transactions and headers encode to the same bytes again.
//!
//! One vector is one message. A message that made the recorded node hang up may be malformed; it
//! must then be refused, or taken, without a panic.

use mvs_primitives::block::Block;
use mvs_primitives::encode::{
    CompactSize, Decode, DecodeError, Decoder, Encode, MAX_PAYLOAD_BYTES,
};
use mvs_primitives::header::Header;
use mvs_primitives::transaction::Transaction;
use serde_json::Value;

use super::fields::{get, has_any, text, to_number};
use super::report::{Case, Report};
use super::{Claim, Kind};

pub(super) const KIND: Kind = Kind { name: "p2p transcript", detect, check };

/// Payloads that are longer are given by length, digest and their first bytes.
const SHOWN_BYTES: usize = 200;
/// A command fills a field of 12 bytes (p2p.md).
const MAX_COMMAND: usize = 12;

fn detect(value: &Value) -> Claim {
    let steps = value.get("steps").and_then(Value::as_array);
    if steps.is_some_and(|steps| steps.iter().any(is_message)) {
        Claim::Members(&["steps"])
    } else {
        Claim::Nothing
    }
}

fn is_message(step: &Value) -> bool {
    has_any(step, &["command"]) && has_any(step, &["payload_hex", "payload_length"])
}

fn check(value: &Value, report: &mut Report) {
    let steps = get(value, "steps").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (index, step) in steps.iter().enumerate() {
        if has_any(step, &["event"]) {
            continue;
        }
        let later = steps.get(index + 1..).unwrap_or_default();
        report.case(&format!(".steps[{index}]"), |case| {
            if is_message(step) {
                check_message(step, is_hung_up_on(step, later), case);
            } else {
                case.fail("neither a message nor an event");
            }
        });
    }
}

/// Tells whether the recorded node closed the connection before anything else came in on it.
fn is_hung_up_on(step: &Value, later: &[Value]) -> bool {
    let connection = get(step, "conn");
    text(step, "dir") == Some("in")
        && later
            .iter()
            .filter(|other| get(other, "conn") == connection)
            .take_while(|other| text(other, "dir") != Some("in"))
            .filter_map(|other| text(other, "event"))
            .any(|event| event.contains("closed by the node"))
}

fn check_message(step: &Value, may_be_malformed: bool, case: &mut Case) {
    let Some(command) = text(step, "command") else { return case.fail("command is no text") };
    case.that(
        (1..=MAX_COMMAND).contains(&command.len()) && command.bytes().all(|b| b.is_ascii_graphic()),
        || format!("{command} is no command"),
    );
    if get(step, "payload_hex").is_none() {
        return check_cut(step, case);
    }
    let Some(payload) = case.bytes(step, "payload_hex") else { return };
    let outcome = match command {
        "block" => round_trip::<Block>(&payload),
        "tx" => round_trip::<Transaction>(&payload),
        _ => read_payload(command, &payload),
    };
    case.that(outcome.is_ok() || may_be_malformed, || {
        format!("{command}: {}", outcome.err().unwrap_or_default())
    });
}

/// A payload that is too long to be shown.
fn check_cut(step: &Value, case: &mut Case) {
    let length = get(step, "payload_length").and_then(to_number);
    case.that(length.is_some_and(|length| length > SHOWN_BYTES as u128), || {
        format!("payload_length: more than {SHOWN_BYTES} expected, found {length:?}")
    });
    if let Some(first) = case.bytes(step, "payload_first_200_hex") {
        case.that(first.len() == SHOWN_BYTES, || format!("{} first bytes", first.len()));
    }
    // Only its form can be checked.
    case.array::<32>(step, "payload_sha256");
}

fn round_trip<T: Decode + Encode>(payload: &[u8]) -> Result<(), String> {
    let value = T::decode(payload).map_err(|error| format!("{error} [{}]", error.code()))?;
    if value.to_bytes() == payload { Ok(()) } else { Err("it encodes to other bytes".to_owned()) }
}

/// Reads the payload of the other commands (p2p.md 4). Those that are not needed to follow the chain
/// may hold anything.
fn read_payload(command: &str, payload: &[u8]) -> Result<(), String> {
    let read: fn(&mut Decoder<'_>) -> Result<(), DecodeError> = match command {
        "headers" => read_headers,
        "inv" | "getdata" | "notfound" => {
            |decoder| decoder.list("inventory", 36, |decoder| decoder.array::<36>("item")).map(drop)
        }
        "addr" => |decoder| {
            decoder.list("addresses", 30, |decoder| decoder.array::<30>("address")).map(drop)
        },
        "getblocks" | "getheaders" => |decoder| {
            decoder.u32_le("version")?;
            decoder.list("locator", 32, |decoder| decoder.array::<32>("hash"))?;
            decoder.array::<32>("stop hash").map(drop)
        },
        "ping" | "pong" => |decoder| decoder.u64_le("nonce").map(drop),
        "verack" | "getaddr" | "mempool" | "sendheaders" | "filterclear" => |_| Ok(()),
        "version" | "reject" | "alert" | "feefilter" | "filterload" | "filteradd"
        | "merkleblock" | "sendcmpct" | "cmpctblock" | "getblocktxn" | "blocktxn" => return Ok(()),
        _ => return Err("unknown command".to_owned()),
    };
    let mut decoder =
        Decoder::new(payload, MAX_PAYLOAD_BYTES).map_err(|error| error.to_string())?;
    read(&mut decoder)
        .and_then(|()| decoder.finish())
        .map_err(|error| format!("{error} [{}]", error.code()))?;
    if decoder.departures() == 0 { Ok(()) } else { Err("it encodes to other bytes".to_owned()) }
}

/// Each header is followed by a number of transactions, which may be anything (p2p.md 6).
fn read_headers(decoder: &mut Decoder<'_>) -> Result<(), DecodeError> {
    let one = |decoder: &mut Decoder<'_>| {
        let header = Header::decode_from(decoder)?;
        CompactSize::decode_from(decoder)?;
        Ok(header)
    };
    decoder.list("headers", Header::MIN_BYTES + 1, one).map(drop)
}
