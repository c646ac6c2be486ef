//! Numbered errors. A number is never used again for something else.

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// What is wrong, as a stable number.
        ///
        /// Numbers from -32768 to -32000 are those of JSON-RPC; the others are the node's own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorCode {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the number.
            pub const fn number(self) -> i32 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// Returns the short name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what it means.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// The body is no JSON, or nested too deeply.
    Parse = -32700, "parse";
    /// The JSON is no request, or a batch that is empty or too long.
    InvalidRequest = -32600, "invalid_request";
    /// There is no such method.
    MethodNotFound = -32601, "method_not_found";
    /// A parameter is missing, unknown, or not what it should be.
    InvalidParams = -32602, "invalid_params";
    /// The node failed, and nobody else is to blame.
    Internal = -32603, "internal";
    /// The credentials do not allow this method.
    Rights = 1001, "rights";
    /// Too much is being asked at the moment; ask again.
    Busy = 1002, "busy";
    /// The node is stopping.
    Stopping = 1003, "stopping";
    /// The answer took too long.
    Timeout = 1004, "timeout";
    /// The method needs a WebSocket.
    NeedsSocket = 1005, "needs_socket";
    /// The chain holds no such block.
    BlockNotFound = 2001, "block_not_found";
    /// Neither chain nor pool hold such a transaction.
    TransactionNotFound = 2002, "transaction_not_found";
    /// There is no such unspent output.
    CoinNotFound = 2003, "coin_not_found";
    /// There is no such asset.
    AssetNotFound = 2004, "asset_not_found";
    /// There is no such identity.
    DidNotFound = 2005, "did_not_found";
    /// There is no such unique item.
    MitNotFound = 2006, "mit_not_found";
    /// The question needs the index of transactions and addresses, which this node does not keep.
    IndexMissing = 2010, "index_missing";
    /// The index of transactions and addresses is still being built.
    IndexIncomplete = 2011, "index_incomplete";
    /// The answer would be too long; ask for a part of it.
    TooMuch = 2012, "too_much";
    /// The transaction is refused; `rule` says by which rule.
    TransactionRefused = 3001, "transaction_refused";
    /// The block is refused; `rule` says by which rule.
    BlockRefused = 3002, "block_refused";
    /// There is no work to give; `rule` says why.
    NoWork = 3003, "no_work";
    /// No address to pay is given, and none is configured.
    NoPayout = 3004, "no_payout";
    /// The cursor leads nowhere any more; start again from the present state.
    CursorGone = 4001, "cursor_gone";
    /// There is no such subscription.
    SubscriptionNotFound = 4002, "subscription_not_found";
    /// The connection has as many subscriptions as it may have.
    TooManySubscriptions = 4003, "too_many_subscriptions";
}

/// The longest message, in characters.
const MOST_MESSAGE_CHARS: usize = 1_000;

/// An error as it is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcError {
    /// The number of an [`ErrorCode`].
    pub code: i32,
    /// What is wrong, for people; it may change.
    pub message: String,
    /// What is wrong, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Box<ErrorData>>,
}

/// What is wrong, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ErrorData {
    /// The name of the number.
    pub name: String,
    /// The stable code of the rule, or of what failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// For how long a refusal holds: `tip`, `chain`, `always` or `policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holds: Option<String>,
}

impl RpcError {
    /// Makes an error.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let data = ErrorData { name: code.name().to_owned(), ..ErrorData::default() };
        let mut message = message.into();
        // It may repeat what the caller sent, however long that was.
        if let Some((end, _)) = message.char_indices().nth(MOST_MESSAGE_CHARS) {
            message.truncate(end);
            message.push_str("...");
        }
        Self { code: code.number(), message, data: Some(Box::new(data)) }
    }

    /// Makes an error that says no more than its code.
    pub fn of(code: ErrorCode) -> Self {
        Self::new(code, code.meaning().trim().trim_end_matches('.'))
    }

    /// Names the rule.
    #[must_use]
    pub fn with_rule(mut self, rule: impl Into<String>) -> Self {
        self.data.get_or_insert_default().rule = Some(rule.into());
        self
    }

    /// Says for how long it holds.
    #[must_use]
    pub fn holding(mut self, holds: impl Into<String>) -> Self {
        self.data.get_or_insert_default().holds = Some(holds.into());
        self
    }

    /// Tells whether it has a code.
    pub const fn is(&self, code: ErrorCode) -> bool {
        self.code == code.number()
    }
}

impl std::fmt::Display for RpcError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)?;
        match self.data.as_ref().and_then(|data| data.rule.as_ref()) {
            Some(rule) => write!(f, ", rule {rule}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RpcError {}

#[cfg(test)]
mod tests {
    use super::{ErrorCode, RpcError};
    use std::collections::HashSet;

    #[test]
    fn numbers_and_names_are_unique() {
        let numbers: HashSet<i32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
        let names: HashSet<&str> = ErrorCode::ALL.iter().map(|code| code.name()).collect();
        assert_eq!((numbers.len(), names.len()), (ErrorCode::ALL.len(), ErrorCode::ALL.len()));
    }

    #[test]
    fn an_error_goes_through_json() {
        let error = RpcError::of(ErrorCode::TransactionRefused)
            .with_rule("tx.input_missing")
            .holding("tip");
        let text = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<RpcError>(&text).unwrap(), error);
        assert!(text.contains("\"rule\":\"tx.input_missing\""), "{text}");
    }
}
