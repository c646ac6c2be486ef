//! `reject`: what a peer did not like. The first node never sends it and ignores it.

use mvs_primitives::encode::{CompactSize, Decode, DecodeError, Decoder, Encode, Sink};

/// Why a peer refused something; by its word, for the log only.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reject {
    /// The command that was refused.
    pub message: Vec<u8>,
    /// What kind of trouble (p2p.md 4, reject codes).
    pub code: u8,
    /// Text for people.
    pub reason: Vec<u8>,
    /// For blocks and transactions their hash, else nothing.
    pub hash: Option<[u8; 32]>,
}

impl Reject {
    /// Returns a text that is safe to print: at most 200 printable ASCII characters.
    pub fn to_text(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let whole = format!("{} 0x{:02x} {}", text(&self.message), self.code, text(&self.reason));
        whole.chars().map(|c| if (' '..='~').contains(&c) { c } else { '?' }).take(200).collect()
    }
}

impl Decode for Reject {
    const MIN_BYTES: usize = 3;

    fn decode_from(decoder: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        let message = decoder.var_bytes("rejected command")?.to_vec();
        let code = decoder.u8("reject code")?;
        let reason = decoder.var_bytes("reject reason")?.to_vec();
        let hash = match decoder.remaining() {
            0 => None,
            _ => Some(decoder.array("rejected hash")?),
        };
        Ok(Self { message, code, reason, hash })
    }
}

impl Encode for Reject {
    fn encode<S: Sink>(&self, sink: &mut S) {
        CompactSize::new(self.message.len() as u64).encode(sink); // widening
        sink.put(&self.message);
        sink.put(&[self.code]);
        CompactSize::new(self.reason.len() as u64).encode(sink); // widening
        sink.put(&self.reason);
        if let Some(hash) = &self.hash {
            sink.put(hash);
        }
    }
}
