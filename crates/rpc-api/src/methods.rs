//! The table of methods: the one source of the dispatcher, of `/openrpc.json`, of `control_help` and of
//! the command line.

use schemars::{Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{ErrorCode, RpcError};
use crate::introspect::fields_of;
use crate::types::Nothing;
use crate::types::address::{
    AddressBalance, AddressBalanceParams, AddressHistory, AddressHistoryParams, AddressUnspent,
    AddressUnspentParams,
};
use crate::types::chain::{
    BlockAnswer, BlockParams, BlockStatistics, ChainDigest, ChainTip, CoinAnswer, CoinParams,
    Header, ShowBlockParams, TransactionAnswer, TransactionParams,
};
use crate::types::control::{ControlHelpParams, ControlLogParams, ControlStatus};
use crate::types::mempool::{
    MempoolEntry, MempoolEntryParams, MempoolList, MempoolListParams, MempoolVerdict,
    RawTransactionParams, Submitted,
};
use crate::types::mining::{
    BlockVerdict, MiningInfo, MiningInfoParams, MiningSubmitParams, MiningTemplate,
    MiningTemplateParams, RawBlockParams,
};
use crate::types::names::{
    AddressParams, Asset, AssetHolders, AssetHoldersParams, AssetIssues, AssetList,
    AssetListParams, AssetParams, Certificates, Did, DidHistory, DidList, DidParams, ListParams,
    Mit, MitList, MitParams, MitTrace, SymbolParams,
};
use crate::types::network::{
    Done, FeeEstimate, FeeEstimateParams, NetworkAddParams, NetworkBanParams, NetworkBans,
    NetworkPeers, NetworkTraffic,
};
use crate::types::stake::{
    StakeStatus, StakeStatusParams, StakeSubmitParams, StakeTemplate, StakeTemplateParams,
};
use crate::types::subscription::{EventSubscribeParams, EventUnsubscribeParams, Subscribed};

/// What somebody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Right {
    /// Ask about the node itself: everybody who has any right may.
    Any,
    /// Read chain, pool and peers.
    Read,
    /// Get work and hand in solutions.
    Mine,
    /// Everything: send transactions, change peers and logs, stop the node.
    All,
}

impl Right {
    /// Returns the word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Any => "any",
            Self::Read => "read",
            Self::Mine => "mine",
            Self::All => "all",
        }
    }
}

macro_rules! methods {
    ($(
        $(#[doc = $doc:literal])+
        $variant:ident = $name:literal ($params:ty) -> $answer:ty, $right:ident [$($error:ident)*];
    )+) => {
        /// A method.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Method {
            $($(#[doc = $doc])+ $variant,)+
        }

        /// A method with its parameters.
        #[derive(Debug, Clone, PartialEq)]
        #[non_exhaustive]
        pub enum Call {
            $($(#[doc = $doc])+ $variant($params),)+
        }

        /// The answer of a method.
        #[derive(Debug, Clone, PartialEq, Serialize)]
        #[serde(untagged)]
        #[non_exhaustive]
        pub enum Answer {
            $($(#[doc = $doc])+ $variant($answer),)+
        }

        impl Method {
            /// Every method, by group.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Returns what it does.
            pub const fn doc(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, "\n"),+),)+ }
            }

            /// Returns what a caller must be allowed.
            pub const fn right(self) -> Right {
                match self { $(Self::$variant => Right::$right,)+ }
            }

            /// Returns the errors that it may answer with, beside those of every method.
            pub const fn errors(self) -> &'static [ErrorCode] {
                match self { $(Self::$variant => &[$(ErrorCode::$error),*],)+ }
            }

            /// Reads parameters.
            ///
            /// # Errors
            /// [`ErrorCode::InvalidParams`].
            pub fn read(self, params: Option<Value>) -> Result<Call, RpcError> {
                match self { $(Self::$variant => read(params).map(Call::$variant),)+ }
            }

            /// Returns the names of the parameters, in the order of positional ones.
            pub fn parameters(self) -> &'static [&'static str] {
                match self { $(Self::$variant => fields_of::<$params>(),)+ }
            }

            pub(crate) fn schemas(self, generator: &mut SchemaGenerator) -> (Schema, Schema) {
                match self {
                    $(Self::$variant => (
                        generator.root_schema_for::<$params>(),
                        generator.subschema_for::<$answer>(),
                    ),)+
                }
            }
        }

        impl Call {
            /// Returns the method.
            pub const fn method(&self) -> Method {
                match self { $(Self::$variant(_) => Method::$variant,)+ }
            }
        }

        impl Answer {
            /// Returns the method.
            pub const fn method(&self) -> Method {
                match self { $(Self::$variant(_) => Method::$variant,)+ }
            }
        }
    };
}

methods! {
    /// Returns the end of the connected chain.
    ChainTip = "chain_tip" (Nothing) -> ChainTip, Any [];
    /// Returns a block: its bytes, its header with the ids of its transactions, or everything.
    ChainBlock = "chain_block" (ShowBlockParams) -> BlockAnswer, Any [BlockNotFound];
    /// Returns a header.
    ChainHeader = "chain_header" (BlockParams) -> Header, Any [BlockNotFound];
    /// Returns a transaction of the pool or the chain. One of the chain is found by the index, or in
    /// the block that is named.
    ChainTransaction = "chain_transaction" (TransactionParams) -> TransactionAnswer, Read
        [TransactionNotFound BlockNotFound IndexMissing IndexIncomplete];
    /// Returns an unspent output of the chain; what waits in the pool is not looked at.
    ChainCoin = "chain_coin" (CoinParams) -> CoinAnswer, Read [CoinNotFound];
    /// Returns numbers about a block.
    ChainStatistics = "chain_statistics" (BlockParams) -> BlockStatistics, Read [BlockNotFound];
    /// Returns digests of the state after a block: equal for equal chains on every machine.
    ChainDigest = "chain_digest" (BlockParams) -> ChainDigest, Read [BlockNotFound];

    /// Returns the pool and some of its transactions, parents before children.
    MempoolList = "mempool_list" (MempoolListParams) -> MempoolList, Read [TransactionNotFound];
    /// Returns a transaction of the pool with what the pool knows of it.
    MempoolEntry = "mempool_entry" (MempoolEntryParams) -> MempoolEntry, Read [TransactionNotFound];
    /// Tells whether a transaction would enter the pool, and if not, why. It is neither kept nor passed
    /// on.
    MempoolTest = "mempool_test" (RawTransactionParams) -> MempoolVerdict, Read [];
    /// Puts a transaction into the pool and tells the peers of it.
    MempoolSubmit = "mempool_submit" (RawTransactionParams) -> Submitted, All [TransactionRefused];

    /// Returns lines of an address's history. Needs the index.
    AddressHistory = "address_history" (AddressHistoryParams) -> AddressHistory, Read
        [IndexMissing IndexIncomplete];
    /// Returns unspent outputs of an address. Needs the index.
    AddressUnspent = "address_unspent" (AddressUnspentParams) -> AddressUnspent, Read
        [IndexMissing IndexIncomplete];
    /// Returns what an address owns. Needs the index.
    AddressBalance = "address_balance" (AddressBalanceParams) -> AddressBalance, Read
        [IndexMissing IndexIncomplete];

    /// Returns assets by symbol.
    AssetList = "asset_list" (AssetListParams) -> AssetList, Read [];
    /// Returns an asset.
    AssetShow = "asset_show" (AssetParams) -> Asset, Read [AssetNotFound];
    /// Returns the issues of an asset, oldest first.
    AssetIssues = "asset_issues" (AssetParams) -> AssetIssues, Read [AssetNotFound];
    /// Returns who holds an asset, the largest holders first. Needs the index.
    AssetHolders = "asset_holders" (AssetHoldersParams) -> AssetHolders, Read
        [AssetNotFound IndexMissing IndexIncomplete];
    /// Returns the certificates of a symbol.
    AssetCertificates = "asset_certificates" (SymbolParams) -> Certificates, Read [];

    /// Returns an identity.
    DidShow = "did_show" (DidParams) -> Did, Read [DidNotFound];
    /// Returns identities by name.
    DidList = "did_list" (ListParams) -> DidList, Read [];
    /// Returns the identity that lives at an address.
    DidOfAddress = "did_of_address" (AddressParams) -> Did, Read [DidNotFound];
    /// Returns where an identity has lived, oldest first.
    DidHistory = "did_history" (DidParams) -> DidHistory, Read [DidNotFound];

    /// Returns a unique item.
    MitShow = "mit_show" (MitParams) -> Mit, Read [MitNotFound];
    /// Returns unique items by name.
    MitList = "mit_list" (ListParams) -> MitList, Read [];
    /// Returns where an item has lived, oldest first.
    MitTrace = "mit_trace" (MitParams) -> MitTrace, Read [MitNotFound];

    /// Returns work.
    MiningTemplate = "mining_template" (MiningTemplateParams) -> MiningTemplate, Mine
        [NoWork NoPayout];
    /// Hands in a solution of work.
    MiningSubmit = "mining_submit" (MiningSubmitParams) -> BlockVerdict, Mine [BlockRefused];
    /// Hands in a whole block.
    MiningSubmitBlock = "mining_submit_block" (RawBlockParams) -> BlockVerdict, Mine [BlockRefused];
    /// Returns what miners want to know, with an estimate of the hash rate.
    MiningInfo = "mining_info" (MiningInfoParams) -> MiningInfo, Any [];

    /// Tells how an address's stake does: deposits, coins, difficulty, expected time. What is said of
    /// its coins needs the index.
    StakeStatus = "stake_status" (StakeStatusParams) -> StakeStatus, Read [];
    /// Returns a stake block that lacks time and signatures. The keys stay with the caller.
    StakeTemplate = "stake_template" (StakeTemplateParams) -> StakeTemplate, Mine
        [NoWork IndexMissing IndexIncomplete];
    /// Hands in what a stake block lacked.
    StakeSubmit = "stake_submit" (StakeSubmitParams) -> BlockVerdict, Mine [BlockRefused];

    /// Returns the peers.
    NetworkPeers = "network_peers" (Nothing) -> NetworkPeers, Read [];
    /// Stays connected to a peer, or lets it go.
    NetworkAdd = "network_add" (NetworkAddParams) -> Done, All [];
    /// Keeps an address out, or lets it in again.
    NetworkBan = "network_ban" (NetworkBanParams) -> Done, All [];
    /// Returns the addresses that are kept out.
    NetworkBans = "network_bans" (Nothing) -> NetworkBans, Read [];
    /// Returns bytes by what they were spent on, since the start.
    NetworkTraffic = "network_traffic" (Nothing) -> NetworkTraffic, Read [];

    /// Returns the rate that a transaction should pay, as the pool looks now.
    FeeEstimate = "fee_estimate" (FeeEstimateParams) -> FeeEstimate, Read [];

    /// Starts to tell events, as notifications `event`. Only over a WebSocket.
    EventSubscribe = "event_subscribe" (EventSubscribeParams) -> Subscribed, Read
        [NeedsSocket IndexMissing IndexIncomplete CursorGone TooManySubscriptions];
    /// Ends a subscription. Only over a WebSocket.
    EventUnsubscribe = "event_unsubscribe" (EventUnsubscribeParams) -> Done, Read
        [NeedsSocket SubscriptionNotFound];

    /// Returns how the node is.
    ControlStatus = "control_status" (Nothing) -> ControlStatus, Any [];
    /// Changes what is logged, until the node stops.
    ControlLog = "control_log" (ControlLogParams) -> Done, All [];
    /// Returns the methods, or what one does.
    ControlHelp = "control_help" (ControlHelpParams) -> String, Any [MethodNotFound];
    /// Stops the node.
    ControlStop = "control_stop" (Nothing) -> Done, All [];
}

/// Errors that every method may answer with.
pub const COMMON_ERRORS: &[ErrorCode] = &[
    ErrorCode::Parse,
    ErrorCode::InvalidRequest,
    ErrorCode::MethodNotFound,
    ErrorCode::InvalidParams,
    ErrorCode::Internal,
    ErrorCode::Rights,
    ErrorCode::Busy,
    ErrorCode::TooMuch,
    ErrorCode::Stopping,
    ErrorCode::Timeout,
];

impl Method {
    /// Finds a method by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|method| method.name() == name)
    }

    /// Returns the group: what stands before the first underscore.
    pub fn group(self) -> &'static str {
        self.name().split('_').next().unwrap_or_default()
    }

    /// Returns its use on one line: `chain_block [block] [verbosity]`.
    pub fn usage(self) -> String {
        let required = self.required();
        let mut usage = self.name().to_owned();
        for parameter in self.parameters() {
            let is_required = required.iter().any(|name| name == parameter);
            let shown =
                if is_required { (*parameter).to_owned() } else { format!("[{parameter}]") };
            usage.push(' ');
            usage.push_str(&shown);
        }
        usage
    }

    /// Returns the schema of a parameter.
    pub fn parameter_schema(self, name: &str) -> Option<Value> {
        let (params, _) = self.schemas(&mut SchemaGenerator::default());
        params.as_object()?.get("properties")?.get(name).cloned()
    }

    fn required(self) -> Vec<String> {
        let (params, _) = self.schemas(&mut SchemaGenerator::default());
        let names = params.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
        names.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }
}

fn read<T: for<'de> Deserialize<'de>>(params: Option<Value>) -> Result<T, RpcError> {
    let params = params.unwrap_or_else(|| Value::Array(Vec::new()));
    serde_json::from_value(params)
        .map_err(|error| RpcError::new(ErrorCode::InvalidParams, error.to_string()))
}

/// Returns the text of `control_help`.
///
/// # Errors
/// [`ErrorCode::MethodNotFound`].
pub fn help(method: Option<&str>) -> Result<String, RpcError> {
    use std::fmt::Write as _;
    let mut out = String::new();
    if let Some(name) = method {
        let method =
            Method::from_name(name).ok_or_else(|| RpcError::of(ErrorCode::MethodNotFound))?;
        let _ = write!(out, "{}\n\n{}", method.usage(), tidy(method.doc()));
        for parameter in method.parameters() {
            let schema = method.parameter_schema(parameter).unwrap_or_default();
            let doc = schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let _ = write!(out, "\n  {parameter}: {}", doc.replace('\n', " "));
        }
        let _ = write!(out, "\n\nRight: {}", method.right().name());
        return Ok(out);
    }
    let mut group = "";
    for method in Method::ALL {
        if method.group() != group {
            group = method.group();
            let _ = write!(out, "{}== {group} ==", if out.is_empty() { "" } else { "\n\n" });
        }
        let doc = tidy(method.doc());
        let first = doc.split(". ").next().unwrap_or_default().trim_end_matches('.').to_owned();
        let _ = write!(out, "\n{}\n    {first}", method.usage());
    }
    Ok(out)
}

/// Makes one line of a doc comment.
pub(crate) fn tidy(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Call, Method, help};
    use crate::error::ErrorCode;
    use crate::types::BlockId;
    use serde_json::{Value, json};
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_have_a_group() {
        let names: HashSet<&str> = Method::ALL.iter().map(|method| method.name()).collect();
        assert_eq!(names.len(), Method::ALL.len());
        for method in Method::ALL {
            assert_eq!(Method::from_name(method.name()), Some(*method));
            assert!(method.name().contains('_'), "{}", method.name());
            assert!(method.doc().trim().ends_with('.'), "{}", method.name());
        }
    }

    #[test]
    fn parameters_by_name_and_by_place_are_the_same() {
        let block = |params: Value| Method::ChainBlock.read(Some(params)).unwrap();
        let named = block(json!({"block": 7, "verbosity": "full"}));
        assert_eq!(named, block(json!([7, "full"])));
        let Call::ChainBlock(params) = block(json!([7])) else { panic!("another call") };
        assert_eq!((params.block, params.verbosity), (Some(BlockId::Height(7)), None));
        assert_eq!(block(json!([])), Method::ChainBlock.read(None).unwrap());
        assert_eq!(block(json!([null, "full"])), block(json!({"verbosity": "full"})));
    }

    #[test]
    fn wrong_parameters_are_refused() {
        for (method, params) in [
            (Method::ChainTip, json!([1])),
            (Method::ChainTip, json!({"x": 1})),
            (Method::ChainBlock, json!([1, "full", 3])),
            (Method::ChainBlock, json!([-1])),
            (Method::ChainBlock, json!([1.5])),
            (Method::ChainBlock, json!([1, "fuller"])),
            (Method::ChainCoin, json!(["00"])),
            (Method::ChainCoin, json!({"txid": "00", "index": 4_294_967_296u64})),
            (Method::EventSubscribe, json!({"topic": "weather"})),
        ] {
            let error = method.read(Some(params.clone())).unwrap_err();
            assert!(error.is(ErrorCode::InvalidParams), "{} {params}", method.name());
        }
    }

    #[test]
    fn help_names_every_method_and_parameter() {
        let all = help(None).unwrap();
        for method in Method::ALL {
            assert!(all.contains(&method.usage()), "{}", method.name());
            let one = help(Some(method.name())).unwrap();
            for parameter in method.parameters() {
                let line = one.lines().find_map(|l| l.strip_prefix(&format!("  {parameter}: ")));
                assert!(line.is_some_and(|doc| !doc.is_empty()), "{} {parameter}", method.name());
            }
        }
        assert_eq!(Method::ChainCoin.usage(), "chain_coin txid index [amounts]");
        assert_eq!(Method::ChainBlock.usage(), "chain_block [block] [verbosity] [amounts]");
        assert!(help(Some("weather")).unwrap_err().is(ErrorCode::MethodNotFound));
    }
}
