//! Errors by the numbers of the first node (rpc.md 4).

use mvs_consensus::error::Fault;
use mvs_store::StoreError;
use serde_json::{Value, json};

use super::source::Unavailable;

/// The longest text of a request that a message repeats, in characters.
const ECHO_CHARS: usize = 4_096;

/// An error: number and message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct RpcError {
    /// The number, by which clients decide.
    pub(super) code: i32,
    /// For people; only some messages are those of the first node.
    pub(super) message: String,
}

impl RpcError {
    fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// The reply that carries it.
    pub(super) fn reply(&self, id: &Value) -> Value {
        json!({
            "error": { "code": self.code, "message": self.message },
            "id": id,
            "jsonrpc": "2.0",
        })
    }

    // The envelope.

    pub(super) fn parse() -> Self {
        Self::new(-32_700, "parse error: the body must be one JSON object")
    }

    pub(super) fn request(why: &str) -> Self {
        Self::new(-32_600, format!("invalid request: {why}"))
    }

    pub(super) fn params(why: &str) -> Self {
        Self::new(-32_602, format!("invalid params: {why}"))
    }

    // Which command, and with what.

    pub(super) fn unknown_method(name: &str) -> Self {
        let name = echo(name);
        Self::new(1_020, format!("'{name}' is not a command. Enter 'help' for a list of commands."))
    }

    pub(super) fn not_offered(name: &str) -> Self {
        Self::new(1_020, format!("'{name}' is not offered by this node, see docs/rpc-compat.md"))
    }

    /// What a node without accounts says to a name and a password: the number of a wrong one.
    pub(super) fn use_the_wallet(name: &str) -> Self {
        let text = "this node holds no accounts and no keys: use the wallet";
        Self::new(1_000, format!("{name}: {text}"))
    }

    pub(super) fn use_the_configuration(what: &str) -> Self {
        Self::new(1_000, format!("{what} is set in the node's configuration, not by a command"))
    }

    pub(super) fn argument(name: &str, text: &str) -> Self {
        let text = echo(text);
        Self::new(1_021, format!("the argument ('{text}') for option '--{name}' is invalid"))
    }

    pub(super) fn command_line(why: impl Into<String>) -> Self {
        Self::new(1_021, why)
    }

    pub(super) fn setting_missing(why: impl Into<String>) -> Self {
        Self::new(1_024, why)
    }

    pub(super) fn not_legal(why: impl Into<String>) -> Self {
        Self::new(2_003, why)
    }

    /// An exception that has no number of its own.
    pub(super) fn untyped(why: impl Into<String>) -> Self {
        Self::new(1_000, why)
    }

    // Chain data.

    pub(super) fn no_block() -> Self {
        Self::new(5_101, "object does not exist")
    }

    pub(super) fn no_header() -> Self {
        Self::new(5_105, "object does not exist")
    }

    pub(super) fn no_tx() -> Self {
        Self::new(5_306, "transaction does not exist!")
    }

    pub(super) fn no_did() -> Self {
        Self::new(7_006, "did symbol does not exist on the blockchain")
    }

    pub(super) fn no_such_did(name: &str) -> Self {
        Self::new(7_006, format!("did {} does not exist on the blockchain", echo(name)))
    }

    pub(super) fn unbound_address(address: &str) -> Self {
        Self::new(4_017, format!("no did is bound to address {address}"))
    }

    // Transactions.

    pub(super) fn fee_range(fee: u64, least: u64, most: u64) -> Self {
        Self::new(5_005, format!("fee is {fee}, is not in range [{least}, {most}]"))
    }

    pub(super) fn validate(why: impl Into<String>) -> Self {
        Self::new(5_304, why)
    }
}

/// Repeats a text of the request, cut if it is long.
fn echo(text: &str) -> String {
    text.chars().take(ECHO_CHARS).collect()
}

impl From<StoreError> for RpcError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NoIndex => Self::setting_missing(
                "this node keeps no index of transactions and addresses: build it first",
            ),
            other => Self::untyped(format!("{}: {other}", other.code())),
        }
    }
}

impl From<Fault> for RpcError {
    fn from(fault: Fault) -> Self {
        Self::untyped(fault.to_string())
    }
}

impl From<Unavailable> for RpcError {
    fn from(unavailable: Unavailable) -> Self {
        Self::untyped(unavailable.to_string())
    }
}
