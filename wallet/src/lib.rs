//! The wallet's foundation: keys, the keystore that holds them, and the files of existing wallets.
//!
//! It must not know a chain, a node or a network connection: everything here works on a machine that
//! is never online. Facts are in `wallet.md`; the keystore's format is in this crate's README.
//!
//! ```text
//! words --seed--> ExtendedPrivateKey --derive--> PrivateKey --> PublicKey --> address
//!   |                     |                         |
//!   |               ExtendedPublicKey (watch-only)  +-- WIF, messages, signatures
//!   +--------------- Vault --seal--> Keystore (one file)
//!                      ^
//!   keyfile, WIF ------+
//! ```
//!
//! Start reading in `keys/secret` (how secrets are held), `keystore` (how the file is written) and
//! `keys/discovery` (how a restored wallet finds its addresses).

pub mod keyfile;
pub mod keys;
pub mod keystore;
pub mod password;
pub mod process;
