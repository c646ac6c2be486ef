//! Steps through the operations of a script.

use super::opcode::Opcode;

/// A push that promises more bytes than the script has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the script ends inside a push")]
pub struct TruncatedPush;

/// One operation of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instruction<'a> {
    /// Pushes bytes: opcodes 0x00 to 0x4e.
    Push {
        /// The form of the push.
        opcode: Opcode,
        /// The bytes.
        data: &'a [u8],
    },
    /// Any other operation, the number pushes -1 and 1 to 16 among them.
    Op(Opcode),
}

impl<'a> Instruction<'a> {
    /// Returns the operation code.
    pub const fn opcode(&self) -> Opcode {
        match self {
            Self::Push { opcode, .. } | Self::Op(opcode) => *opcode,
        }
    }

    /// Returns the bytes of a direct push (1 to 75 bytes), else `None`.
    pub const fn direct_push(&self) -> Option<&'a [u8]> {
        match self {
            Self::Push { opcode, data } if opcode.is_direct_push() => Some(data),
            _ => None,
        }
    }

    /// Returns the bytes that a byte push carries; none for other operations.
    pub const fn data(&self) -> &'a [u8] {
        match self {
            Self::Push { data, .. } => data,
            Self::Op(_) => &[],
        }
    }
}

/// Iterator over the operations of a script; it ends after a [`TruncatedPush`].
#[derive(Debug, Clone)]
pub struct Instructions<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Instructions<'a> {
    /// Starts at the front of a script's bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns the offset of the next operation.
    pub const fn position(&self) -> usize {
        self.position
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.position..)?.get(..len)?;
        self.position += len;
        Some(taken)
    }

    fn push_data(&mut self, opcode: u8) -> Option<&'a [u8]> {
        let len = match opcode {
            0..=75 => usize::from(opcode),
            0x4c => usize::from(*self.take(1)?.first()?),
            0x4d => usize::from(u16::from_le_bytes(*self.take(2)?.first_chunk()?)),
            _ => usize::try_from(u32::from_le_bytes(*self.take(4)?.first_chunk()?)).ok()?,
        };
        self.take(len)
    }
}

impl<'a> Iterator for Instructions<'a> {
    type Item = Result<Instruction<'a>, TruncatedPush>;

    fn next(&mut self) -> Option<Self::Item> {
        let byte = *self.bytes.get(self.position)?;
        self.position += 1;
        let opcode = Opcode::new(byte);
        if byte > Opcode::PUSHDATA4.byte() {
            return Some(Ok(Instruction::Op(opcode)));
        }
        let Some(data) = self.push_data(byte) else {
            self.position = self.bytes.len();
            return Some(Err(TruncatedPush));
        };
        Some(Ok(Instruction::Push { opcode, data }))
    }
}

#[cfg(test)]
mod tests {
    use super::{Instruction, Instructions, TruncatedPush};

    #[test]
    fn pushes_of_every_form_and_truncation() {
        let script = [0x00, 0x01, 7, 0x4c, 1, 8, 0x4d, 1, 0, 9, 0x4e, 1, 0, 0, 0, 10, 0x76];
        let datas: Vec<_> = Instructions::new(&script).map(|i| i.unwrap().data()).collect();
        assert_eq!(datas, [&[][..], &[7], &[8], &[9], &[10], &[]]);
        for cut in [&[0x02, 1][..], &[0x4c], &[0x4d, 1], &[0x4e, 0xff, 0xff, 0xff, 0xff]] {
            let all: Vec<_> = Instructions::new(cut).collect();
            assert_eq!(all, [Err(TruncatedPush)]);
        }
        assert!(matches!(
            Instructions::new(&[0x51]).next(),
            Some(Ok(Instruction::Op(op))) if op.small_number() == Some(1)
        ));
    }
}
