//! Rules on what outputs carry beside coin.

pub(crate) mod asset;
pub mod attenuation;
pub(crate) mod attenuation_rule;
pub(crate) mod cert;
pub(crate) mod did;
pub(crate) mod mit;

use mvs_primitives::address::Address;
use mvs_primitives::attachment::Payload;
use mvs_primitives::output::Output;

/// Tells whether a payload is nothing but coin, or a text.
pub(crate) const fn is_etp_or_message(payload: &Payload) -> bool {
    matches!(payload, Payload::Etp | Payload::Message(_))
}

/// Returns whom an output belongs to where rules compare addresses as text: a script without an
/// address counts as the blackhole (QUIRK, chain.md 5.4).
pub(crate) fn owner_of(output: &Output) -> Address {
    output.script.address().unwrap_or(Address::Blackhole)
}

/// Remembers the first value it is shown.
#[derive(Debug)]
pub(crate) struct First<T>(Option<T>);

impl<T> Default for First<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: PartialEq> First<T> {
    /// Tells whether a value is the first or equals it.
    pub(crate) fn is_same(&mut self, value: T) -> bool {
        match &self.0 {
            Some(first) => *first == value,
            None => {
                self.0 = Some(value);
                true
            }
        }
    }

    /// Returns the first value.
    pub(crate) const fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}
