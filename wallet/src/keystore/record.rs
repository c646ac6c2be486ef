//! How a vault's parts are written: little-endian integers, counts and lengths before what they count.

use zeroize::Zeroizing;

use crate::keys::secret::Secret;

/// Content that is no vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Written by a newer program.
    #[error("its version is {found}; this program knows version 1: use a newer one")]
    Version {
        /// The version.
        found: u16,
    },
    /// It ends too early.
    #[error("it ends too early")]
    Truncated,
    /// Something follows that should not.
    #[error("something follows its end")]
    Trailing,
    /// A field has no meaning.
    #[error("its {what} has no meaning")]
    Content {
        /// Which field.
        what: &'static str,
    },
    /// A text or list is too long to be written.
    #[error("its {what} is too long")]
    TooLong {
        /// Which field.
        what: &'static str,
    },
}

impl RecordError {
    /// Every code that [`RecordError::code`] can give.
    pub const CODES: [&'static str; 5] = [
        "record.version",
        "record.truncated",
        "record.trailing",
        "record.content",
        "record.too_long",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Version { .. } => Self::CODES[0],
            Self::Truncated => Self::CODES[1],
            Self::Trailing => Self::CODES[2],
            Self::Content { .. } => Self::CODES[3],
            Self::TooLong { .. } => Self::CODES[4],
        }
    }
}

/// Longest text in bytes.
pub(crate) const MAX_TEXT: usize = 1024;

/// Where a record goes: counted first, so that the buffer never grows and leaves no copies behind.
pub(crate) enum Writer {
    Counting(usize),
    Writing(Zeroizing<Vec<u8>>),
}

impl Writer {
    /// Runs `write` twice: to count, and to write into a buffer of that size.
    pub(crate) fn run(
        write: impl Fn(&mut Self) -> Result<(), RecordError>,
    ) -> Result<Secret<[u8]>, RecordError> {
        let mut counter = Self::Counting(0);
        write(&mut counter)?;
        let len = if let Self::Counting(len) = counter { len } else { 0 };
        let mut writer = Self::Writing(Zeroizing::new(Vec::with_capacity(len)));
        write(&mut writer)?;
        match writer {
            Self::Writing(bytes) => Ok(Secret::copy_of_slice(&bytes)),
            Self::Counting(_) => Err(RecordError::Truncated),
        }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::Counting(len) => *len += bytes.len(),
            Self::Writing(buffer) => buffer.extend_from_slice(bytes),
        }
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    /// Bytes behind their length as `u16`.
    pub(crate) fn short(&mut self, bytes: &[u8], what: &'static str) -> Result<(), RecordError> {
        self.u16(u16::try_from(bytes.len()).map_err(|_| RecordError::TooLong { what })?);
        self.bytes(bytes);
        Ok(())
    }

    pub(crate) fn text(&mut self, text: &str, what: &'static str) -> Result<(), RecordError> {
        if text.len() > MAX_TEXT {
            return Err(RecordError::TooLong { what });
        }
        self.short(text.as_bytes(), what)
    }

    /// Items behind their count as `u32`.
    pub(crate) fn list<T>(
        &mut self,
        items: &[T],
        what: &'static str,
        mut put: impl FnMut(&mut Self, &T) -> Result<(), RecordError>,
    ) -> Result<(), RecordError> {
        self.u32(u32::try_from(items.len()).map_err(|_| RecordError::TooLong { what })?);
        items.iter().try_for_each(|item| put(self, item))
    }
}

/// Reads a record; believes no count before it is compared with the bytes that are left.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], RecordError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(RecordError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, RecordError> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, RecordError> {
        Ok(u16::from_le_bytes(*self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, RecordError> {
        Ok(u32::from_le_bytes(*self.array()?))
    }

    pub(crate) fn flag(&mut self, what: &'static str) -> Result<bool, RecordError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(RecordError::Content { what }),
        }
    }

    pub(crate) fn short(&mut self) -> Result<&'a [u8], RecordError> {
        let len = self.u16()?;
        self.take(len.into())
    }

    pub(crate) fn text(&mut self, what: &'static str) -> Result<String, RecordError> {
        let bytes = self.short()?;
        if bytes.len() > MAX_TEXT {
            return Err(RecordError::Content { what });
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| RecordError::Content { what })
    }

    pub(crate) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let count = self.u32()?;
        // Each item has at least two bytes.
        if usize::try_from(count).is_ok_and(|count| count > self.0.len() / 2) {
            return Err(RecordError::Truncated);
        }
        (0..count).map(|_| item(self)).collect()
    }

    pub(crate) const fn finish(self) -> Result<(), RecordError> {
        if self.0.is_empty() { Ok(()) } else { Err(RecordError::Trailing) }
    }
}
