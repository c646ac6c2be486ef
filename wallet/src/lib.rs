//! The wallet: keys, the keystore that holds them, the files of existing wallets, and what is made with
//! them: transactions and stake blocks.
//!
//! Everything but [`link`] and [`app`] works on a machine that is never online. Nothing believes a
//! node: what is signed is made here, or was checked here. Facts are in `wallet.md`; the keystore's
//! format and the commands are in this crate's README.
//!
//! ```text
//! words --seed--> ExtendedPrivateKey --derive--> PrivateKey --> PublicKey --> address
//!   |                     |                         |
//!   |               ExtendedPublicKey (watch-only)  +-- WIF, messages, signatures
//!   +--------------- Vault --seal--> Keystore (one file)
//!                      ^
//!   keyfile, WIF ------+
//!
//! node --link--> coins --assemble--> transaction --sign--> node
//!                template --stake: check, search, sign--> node
//! ```
//!
//! Start reading in `keys/secret` (how secrets are held), `keystore` (how the file is written),
//! `assemble` (how transactions are made) and `stake/template` (what is asked before a stake block is
//! signed).

pub mod app;
pub mod assemble;
pub mod keyfile;
pub mod keys;
pub mod keystore;
pub mod link;
pub mod password;
pub mod process;
pub mod stake;
