//! The values of the benchmark's workload through the codec of coins.
//!
//! A workload value is `height u32 | amount u64 | script 25 | attachment`, little endian. Its parts
//! go through the same codec as real coins; a value too short for that stands for itself.

use super::{AttachmentForm, CodecError, CoinParts, MAX_VALUE_BYTES, OPAQUE, ScriptForm};

const SCRIPT_BYTES: usize = 25;

/// Appends the stored form of a workload value. Any bytes are kept.
pub fn encode_workload_value(value: &[u8], out: &mut Vec<u8>) {
    match split(value) {
        Some(parts) => parts.encode(out),
        None => {
            out.push(OPAQUE);
            out.extend_from_slice(value);
        }
    }
}

/// Appends the workload value whose stored form is given.
///
/// # Errors
/// [`CodecError`] for bytes that [`encode_workload_value`] does not write.
pub fn decode_workload_value(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
    if bytes.len() > MAX_VALUE_BYTES {
        return Err(CodecError::TooLong(bytes.len()));
    }
    if let Some(value) = bytes.strip_prefix(&[OPAQUE]) {
        if split(value).is_some() {
            return Err(CodecError::NotCanonical("head"));
        }
        out.extend_from_slice(value);
        return Ok(());
    }
    let parts = CoinParts::decode(bytes)?;
    let head = out.len();
    out.extend_from_slice(&parts.height.to_le_bytes());
    out.extend_from_slice(&parts.amount.to_le_bytes());
    let script = out.len();
    parts.script.write_to(out);
    if parts.is_coinbase || parts.open_locktime != 0 || out.len() - script != SCRIPT_BYTES {
        out.truncate(head);
        return Err(CodecError::NotCanonical("head"));
    }
    parts.attachment.write_to(out);
    Ok(())
}

fn split(value: &[u8]) -> Option<CoinParts<'_>> {
    let (height, rest) = value.split_first_chunk()?;
    let (amount, rest) = rest.split_first_chunk()?;
    let (script, attachment) = rest.split_at_checked(SCRIPT_BYTES)?;
    Some(CoinParts {
        height: u32::from_le_bytes(*height),
        amount: u64::from_le_bytes(*amount),
        is_coinbase: false,
        open_locktime: 0,
        script: ScriptForm::of(script),
        attachment: AttachmentForm::of(attachment),
    })
}
