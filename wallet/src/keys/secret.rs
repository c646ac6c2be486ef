//! How secrets are held in memory.

use std::fmt;

use zeroize::Zeroize;

/// A secret on the heap that is overwritten when it is dropped.
///
/// It cannot be copied, compared, printed or serialised; whoever needs its bytes says so with
/// [`Secret::reveal`]. `Debug` prints `***`. The bytes do not move when the value does, so no copy
/// stays behind on a stack.
pub struct Secret<T: Zeroize + ?Sized>(Box<T>);

/// The system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system's random generator failed")]
pub struct RandomError;

impl RandomError {
    /// Every code that [`RandomError::code`] can give.
    pub const CODES: [&'static str; 1] = ["random.failed"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        "random.failed"
    }
}

/// Fills a buffer from the system's random generator.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(buffer).map_err(|_| RandomError)
}

impl<T: Zeroize + ?Sized> Secret<T> {
    /// Shows the secret. Never log, store or send what it returns.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// Lets the secret be written in place.
    pub(crate) fn reveal_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<const N: usize> Secret<[u8; N]> {
    /// Copies bytes into a secret; the caller still has to overwrite its own.
    pub fn copy_of(bytes: &[u8; N]) -> Self {
        let mut secret = Self(Box::new([0; N]));
        secret.0.copy_from_slice(bytes);
        secret
    }

    /// Returns random bytes.
    ///
    /// # Errors
    /// [`RandomError`] when the system gives none.
    pub fn random() -> Result<Self, RandomError> {
        let mut secret = Self(Box::new([0; N]));
        fill_random(secret.0.as_mut())?;
        Ok(secret)
    }
}

impl Secret<[u8]> {
    /// Copies bytes into a secret; the caller still has to overwrite its own.
    pub fn copy_of_slice(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }

    /// Takes a buffer over. What is behind its length is overwritten.
    pub fn from_vec(mut bytes: Vec<u8>) -> Self {
        let secret = Self::copy_of_slice(&bytes);
        bytes.zeroize();
        secret
    }
}

impl Secret<str> {
    /// Takes a text over.
    pub fn from_string(mut text: String) -> Self {
        let secret = Self(text.as_str().into());
        text.zeroize();
        secret
    }
}

impl<T: Zeroize + ?Sized> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize + ?Sized> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn debug_hides_and_reveal_shows() {
        let secret = Secret::from_string("correct horse".to_owned());
        assert_eq!(format!("{secret:?}"), "***");
        assert_eq!(secret.reveal(), "correct horse");
        assert_eq!(Secret::from_vec(vec![1, 2]).reveal(), &[1, 2]);
        let random = Secret::<[u8; 32]>::random().unwrap();
        assert_ne!(random.reveal(), Secret::<[u8; 32]>::random().unwrap().reveal());
        assert_eq!(Secret::copy_of(random.reveal()).reveal(), random.reveal());
    }
}
