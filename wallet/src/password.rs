//! Where passwords come from: a prompt, a file, an open descriptor. Never an argument and never the
//! environment, which other users of the machine can read.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use crate::keys::secret::Secret;

/// Longest password in bytes.
pub const MAX_BYTES: usize = 1024;

/// A password. It is never empty.
#[derive(Debug)]
pub struct Password(Secret<str>);

/// No password could be had. No text of it holds what was read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordError {
    /// Nothing was given.
    #[error("the password is empty")]
    Empty,
    /// More than 1024 bytes.
    #[error("the password is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// Not UTF-8.
    #[error("the password is not UTF-8 text")]
    NotText,
    /// More than one line in a file.
    #[error("the file has more than one line: a password is one line, and nothing is cut off it")]
    Lines,
    /// The two that were typed differ.
    #[error("the two passwords are not the same")]
    NotTheSame,
    /// There is no terminal to ask on.
    #[error("cannot ask for the password: {0}; use --password-file where there is no terminal")]
    Prompt(io::Error),
    /// The file or descriptor cannot be read.
    #[error("cannot read the password from {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl PasswordError {
    /// Every code that [`PasswordError::code`] can give.
    pub const CODES: [&'static str; 7] = [
        "password.empty",
        "password.too_long",
        "password.not_text",
        "password.not_the_same",
        "password.prompt",
        "password.read",
        "password.lines",
    ];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Empty => Self::CODES[0],
            Self::TooLong => Self::CODES[1],
            Self::NotText => Self::CODES[2],
            Self::NotTheSame => Self::CODES[3],
            Self::Prompt(_) => Self::CODES[4],
            Self::Read { .. } => Self::CODES[5],
            Self::Lines => Self::CODES[6],
        }
    }
}

impl Password {
    /// Takes a text over.
    ///
    /// # Errors
    /// [`PasswordError::Empty`] or [`PasswordError::TooLong`].
    pub fn new(text: String) -> Result<Self, PasswordError> {
        let secret = Secret::from_string(text);
        match secret.reveal().len() {
            0 => Err(PasswordError::Empty),
            1..=MAX_BYTES => Ok(Self(secret)),
            _ => Err(PasswordError::TooLong),
        }
    }

    /// Asks on the terminal, without showing what is typed.
    ///
    /// # Errors
    /// [`PasswordError::Prompt`] when there is no terminal; those of [`Password::new`].
    pub fn ask(question: &str) -> Result<Self, PasswordError> {
        Self::new(rpassword::prompt_password(question).map_err(PasswordError::Prompt)?)
    }

    /// Asks twice, for a new password.
    ///
    /// # Errors
    /// As [`Password::ask`], and [`PasswordError::NotTheSame`].
    pub fn ask_twice(question: &str, again: &str) -> Result<Self, PasswordError> {
        let password = Self::ask(question)?;
        let second =
            Zeroizing::new(rpassword::prompt_password(again).map_err(PasswordError::Prompt)?);
        if password.reveal() == *second { Ok(password) } else { Err(PasswordError::NotTheSame) }
    }

    /// Reads a file of one line. Its end is dropped, and so are empty lines behind it.
    ///
    /// # Errors
    /// [`PasswordError::Read`]; [`PasswordError::NotText`]; [`PasswordError::Lines`]; those of [`Password::new`].
    pub fn from_file(path: &Path) -> Result<Self, PasswordError> {
        let read = |source| PasswordError::Read { path: path.to_owned(), source };
        Self::from_reader(File::open(path).map_err(read)?).map_err(|error| match error {
            PasswordError::Prompt(source) => read(source),
            error => error,
        })
    }

    /// Reads an open descriptor of this process, as [`Password::from_file`] does.
    ///
    /// # Errors
    /// As [`Password::from_file`].
    pub fn from_descriptor(number: u32) -> Result<Self, PasswordError> {
        Self::from_file(Path::new(&format!("/dev/fd/{number}")))
    }

    fn from_reader(reader: impl Read) -> Result<Self, PasswordError> {
        // Full size from the start: a buffer that grows leaves copies behind. Two bytes for a line end,
        // one to see that there is more.
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 64));
        reader.take(MAX_BYTES as u64 + 3).read_to_end(&mut bytes).map_err(PasswordError::Prompt)?;
        if bytes.len() > MAX_BYTES + 2 {
            // What comes behind was not read.
            return Err(PasswordError::TooLong);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| PasswordError::NotText)?;
        let (text, rest) = text.split_once('\n').unwrap_or((text, ""));
        if rest.bytes().any(|byte| !matches!(byte, b'\r' | b'\n')) {
            return Err(PasswordError::Lines);
        }
        Self::new(text.strip_suffix('\r').unwrap_or(text).to_owned())
    }

    /// Returns the text as it was given.
    pub const fn reveal(&self) -> &str {
        self.0.reveal()
    }

    /// Returns the text in Unicode NFKD, so that the same password typed on another system is the same
    /// bytes.
    pub(crate) fn normalised(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(20 * self.reveal().len()));
        text.extend(self.reveal().nfkd());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_BYTES, Password};

    #[test]
    fn line_ends_are_dropped_and_bounds_kept() {
        for (bytes, expected) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            (" a \n\n", " a "),
            (" a \r\n\r\n\n", " a "),
        ] {
            assert_eq!(Password::from_reader(bytes.as_bytes()).unwrap().reveal(), expected);
        }
        let code = |bytes: &[u8]| Password::from_reader(bytes).unwrap_err().code();
        assert_eq!(code(b""), "password.empty");
        assert_eq!(code(b"\n"), "password.empty");
        assert_eq!(code(&[b'a'; MAX_BYTES + 1]), "password.too_long");
        assert_eq!(code(&vec![b'a'; 100_000]), "password.too_long");
        assert_eq!(code(b"\xff"), "password.not_text");
        for lines in ["one\ntwo", "one\ntwo\n", "one\r\n\r\ntwo", "\nsecret", "one\n "] {
            assert_eq!(code(lines.as_bytes()), "password.lines", "{lines:?}");
        }
        assert_eq!(
            code(&[b"a\n".as_slice(), &[b'\n'; MAX_BYTES + 9]].concat()),
            "password.too_long"
        );
        assert!(Password::from_reader(&[b'a'; MAX_BYTES][..]).is_ok());
        assert_eq!(Password::from_descriptor(9999).unwrap_err().code(), "password.read");
    }

    #[test]
    fn unicode_forms_are_one_password() {
        let one = Password::new("Gr\u{f6}\u{df}e".to_owned()).unwrap();
        let two = Password::new("Gro\u{308}\u{df}e".to_owned()).unwrap();
        assert_eq!(*one.normalised(), *two.normalised());
        assert_eq!(format!("{one:?}"), "Password(***)");
    }
}
