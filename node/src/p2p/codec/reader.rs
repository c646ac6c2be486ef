//! Cuts a stream of bytes into frames.

use bytes::Bytes;

use super::{Command, FRAME_HEADER_BYTES, Frame, MAX_FRAME_PAYLOAD, Magic, checksum};
use crate::p2p::error::WireError;

/// Most bytes that the reader reserves ahead of what has arrived.
pub const READ_AHEAD_BYTES: usize = 16 * 1024;

/// The header of a frame whose payload is on its way.
#[derive(Debug, Clone, Copy)]
struct Pending {
    command: Command,
    len: u32,
    checksum: [u8; 4],
}

/// Assembles frames from pieces of any size.
///
/// # Invariants
/// It holds at most one frame, and memory for at most twice the bytes that have arrived of it plus
/// [`READ_AHEAD_BYTES`]: an announced length alone reserves next to nothing. A frame is refused at its
/// header when its payload cannot be right, before a byte of that payload is kept.
#[derive(Debug)]
pub struct FrameReader {
    magic: Magic,
    header: [u8; FRAME_HEADER_BYTES],
    header_len: usize,
    pending: Option<Pending>,
    payload: Vec<u8>,
}

impl FrameReader {
    /// Starts between two frames.
    pub const fn new(magic: Magic) -> Self {
        Self {
            magic,
            header: [0; FRAME_HEADER_BYTES],
            header_len: 0,
            pending: None,
            payload: Vec::new(),
        }
    }

    /// Takes bytes from the front of `input` until a frame is complete or the input is used up.
    ///
    /// # Errors
    /// [`WireError`]; the stream has no frame boundary any more and must be closed.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<Frame>, WireError> {
        let pending = match self.pending {
            Some(pending) => pending,
            None => {
                let wanted = FRAME_HEADER_BYTES.saturating_sub(self.header_len);
                let piece = take_front(input, wanted);
                if let Some(place) = self.header.get_mut(self.header_len..)
                    && let Some(place) = place.get_mut(..piece.len())
                {
                    place.copy_from_slice(piece);
                }
                self.header_len += piece.len(); // at most FRAME_HEADER_BYTES
                if self.header_len < FRAME_HEADER_BYTES {
                    // A stranger is told off by its first four bytes, not after 24.
                    self.check_magic()?;
                    return Ok(None);
                }
                let pending = self.parse_header()?;
                self.pending = Some(pending);
                pending
            }
        };

        let len = pending.len as usize; // u32 to usize: at most 1,800,003
        let piece = take_front(input, len.saturating_sub(self.payload.len()));
        self.reserve(piece.len(), len);
        self.payload.extend_from_slice(piece);
        if self.payload.len() < len {
            return Ok(None);
        }
        self.pending = None;
        self.header_len = 0;
        let payload = Bytes::from(std::mem::take(&mut self.payload));
        let expected = checksum(&payload);
        if expected != pending.checksum {
            let Pending { command, checksum: found, .. } = pending;
            return Err(WireError::Checksum { command, found, expected });
        }
        Ok(Some(Frame { command: pending.command, payload }))
    }

    /// Returns how many bytes of memory the frame in progress takes.
    pub fn held_bytes(&self) -> usize {
        self.payload.capacity()
    }

    /// Returns the command and payload length of the frame in progress, once its header is there.
    pub fn in_progress(&self) -> Option<(Command, u32)> {
        self.pending.map(|pending| (pending.command, pending.len))
    }

    /// Tells whether the stream stands between two frames.
    pub const fn is_between_frames(&self) -> bool {
        self.header_len == 0
    }

    /// Makes room for `piece` more bytes of a payload of `len` bytes.
    fn reserve(&mut self, piece: usize, len: usize) {
        let have = self.payload.len();
        let needed = have + piece; // lengths of slices in memory
        if needed <= self.payload.capacity() {
            return;
        }
        // Doubling keeps copying linear; the two bounds keep memory close to what has arrived.
        let room = needed.saturating_mul(2).min(needed + READ_AHEAD_BYTES.max(needed)).min(len);
        self.payload.reserve_exact(room.max(needed) - have);
    }

    fn check_magic(&self) -> Result<(), WireError> {
        let seen = self.header_len.min(4);
        let expected = *self.magic.as_bytes();
        if self.header.get(..seen) == expected.get(..seen) {
            return Ok(());
        }
        let [a, b, c, d, ..] = self.header;
        Err(WireError::Magic { found: [a, b, c, d], expected })
    }

    fn parse_header(&self) -> Result<Pending, WireError> {
        self.check_magic()?;
        let mut command = [0; 12];
        let mut len = [0; 4];
        let mut sum = [0; 4];
        let places = command.iter_mut().chain(&mut len).chain(&mut sum);
        for (place, byte) in places.zip(self.header.iter().skip(4)) {
            *place = *byte;
        }
        let command = Command::from_wire(command)?;
        let len = u32::from_le_bytes(len);
        let max = command.max_payload().unwrap_or(MAX_FRAME_PAYLOAD);
        if len > max {
            return Err(WireError::Length { command, len, max });
        }
        Ok(Pending { command, len, checksum: sum })
    }
}

/// Splits at most `wanted` bytes off the front.
fn take_front<'a>(input: &mut &'a [u8], wanted: usize) -> &'a [u8] {
    let (front, rest) = input.split_at(wanted.min(input.len()));
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{FrameReader, READ_AHEAD_BYTES};
    use crate::p2p::codec::{Command, Frame, MAX_FRAME_PAYLOAD, Magic};

    const MAGIC: Magic = Magic::from_number(0x4d53_564d);

    fn frame(command: Command, payload: &'static [u8]) -> Vec<u8> {
        Frame { command, payload: Bytes::from_static(payload) }.to_bytes(MAGIC).to_vec()
    }

    fn code_of(bytes: &[u8]) -> &'static str {
        FrameReader::new(MAGIC).read(&mut &bytes[..]).unwrap_err().code()
    }

    #[test]
    fn frames_come_out_one_at_a_time() {
        let stream = [frame(Command::VERACK, b""), frame(Command::PING, b"12345678")].concat();
        let mut reader = FrameReader::new(MAGIC);
        let mut input = &stream[..];
        assert_eq!(reader.read(&mut input).unwrap().unwrap().command, Command::VERACK);
        assert_eq!(reader.read(&mut input).unwrap().unwrap().payload, &b"12345678"[..]);
        assert_eq!(reader.read(&mut input), Ok(None));
        assert!(reader.is_between_frames());
    }

    #[test]
    fn a_frame_that_cannot_be_right_is_refused_at_its_header() {
        let good = frame(Command::PING, b"12345678");
        let mangled = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            bytes
        };
        assert_eq!(code_of(&mangled(0, 0)[..1]), "p2p.magic");
        assert_eq!(code_of(&mangled(15, b'x')[..24]), "p2p.command_text");
        assert_eq!(code_of(&mangled(16, 9)[..24]), "p2p.length");
        assert_eq!(code_of(&mangled(20, 0)), "p2p.checksum");
        assert_eq!(code_of(&mangled(31, 0)), "p2p.checksum");

        let mut block = frame(Command::BLOCK, b"");
        block[16..20].copy_from_slice(&(MAX_FRAME_PAYLOAD + 1).to_le_bytes());
        assert_eq!(code_of(&block), "p2p.length");
    }

    #[test]
    fn an_announced_length_reserves_nothing() {
        let mut bytes = frame(Command::BLOCK, b"");
        bytes[16..20].copy_from_slice(&MAX_FRAME_PAYLOAD.to_le_bytes());
        let mut reader = FrameReader::new(MAGIC);
        assert_eq!(reader.read(&mut &bytes[..]), Ok(None));
        assert_eq!(reader.held_bytes(), 0);
        let mut sent = 0;
        while sent < 1_000_000 {
            assert_eq!(reader.read(&mut &[7; 1000][..]), Ok(None));
            sent += 1000;
            assert!(reader.held_bytes() <= 2 * sent + READ_AHEAD_BYTES);
        }
        assert!(reader.held_bytes() <= MAX_FRAME_PAYLOAD as usize);
    }
}
