//! Words, keys, addresses and what they sign.

pub mod derive;
pub mod discovery;
pub mod message;
pub mod mnemonic;
pub mod multisig;
pub mod network;
pub mod path;
pub mod private_key;
pub mod public_key;
pub mod secret;
