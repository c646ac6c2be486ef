//! The interface of the chain's first node, in the shapes that scripts of explorers, exchanges and
//! pools expect: `/rpc/v2` and `/rpc/v3` (rpc.md).
//!
//! ```text
//! request --envelope--> id, method, tokens --command_line--> Args --run--> Value --> reply
//!                                                                   |
//!                                                       Source: chain, pool, peers, work
//! ```
//!
//! No HTTP and no passwords: whoever calls [`answer`] has decided that the caller may ask; [`right`]
//! tells what a method needs. Nothing here panics on any JSON.
//! Keys come out in alphabetical order, as they do from the first node; this rests on the sorted
//! maps of `serde_json`.
//!
//! Commands of accounts belong to the wallet and say so. What differs on purpose is listed in
//! `docs/rpc-compat.md`. Start reading in `compat/table.rs` (the commands) and `compat/shapes.rs`
//! (how chain data looks).

mod address;
mod asset;
mod chain;
mod command_line;
mod envelope;
mod error;
mod identity;
mod mining;
mod network;
mod node_source;
mod numbers;
mod raw;
mod reason;
mod shapes;
mod source;
mod spendable;
mod table;

use mvs_consensus::params::Params;
use mvs_rpc_api::methods::Right;
use mvs_store::Snapshot;
use serde_json::{Value, json};

pub use self::node_source::{NodeSource, Payee};
pub use self::source::{MiningView, Source, Unavailable};

use self::source::AtOnce;

use self::command_line::Args;
use self::envelope::Call;
use self::error::RpcError;
use self::table::{Command, Found};

/// Which shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `/rpc/v2`: lists and objects stand under a name, names are written with `-`.
    V2,
    /// `/rpc/v3`: bare lists and objects, names are written with `_`.
    V3,
}

impl Version {
    /// Puts a list or object under its name where the version has one.
    fn wrap(self, name: &str, value: Value) -> Value {
        match self {
            Self::V2 => object([(name, value)]),
            Self::V3 => value,
        }
    }

    /// Wraps a list. Version 2 writes `null` for an empty one.
    fn wrap_list(self, name: &str, list: Vec<Value>) -> Value {
        match self {
            Self::V2 => object([(name, or_null(list))]),
            Self::V3 => Value::Array(list),
        }
    }

    /// Chooses between the names of a key.
    const fn key(self, v2: &'static str, v3: &'static str) -> &'static str {
        match self {
            Self::V2 => v2,
            Self::V3 => v3,
        }
    }
}

/// Returns `null` for an empty list.
fn or_null(list: Vec<Value>) -> Value {
    if list.is_empty() { Value::Null } else { Value::Array(list) }
}

/// Makes an object of values as they are; `json!` would copy them, however large.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Answers one request. The reply is always an object with `id`, `jsonrpc` and one of `result` and
/// `error`.
///
/// It may read the disk and wait for the chain owner for some seconds, so it does not belong on a
/// thread that serves others.
pub fn answer<S: Source>(version: Version, source: &S, request: &Value) -> Value {
    let (id, call) = envelope::read(request);
    match call.and_then(|call| run(version, source, call)) {
        Ok(result) => object([("id", id), ("jsonrpc", json!("2.0")), ("result", result)]),
        Err(error) => error.reply(&id),
    }
}

/// Answers a request that neither waits for anybody nor reads much; `None` for all others, and where
/// the answer would be an error.
///
/// What it reads has a bound: one block at most.
pub fn answer_at_once<S: Source>(version: Version, source: &S, request: &Value) -> Option<Value> {
    let (id, call) = envelope::read(request);
    let call = call.ok()?;
    let Some(Found::Command(entry)) = table::find(&call.method) else { return None };
    let is_quick = matches!(
        entry.command,
        Command::GetHeight
            | Command::GetBlock
            | Command::GetBlockHeader
            | Command::GetBestBlockHash
            | Command::GetTx
            | Command::DecodeRawTx
            | Command::ValidateAddress
    );
    let result = is_quick.then(|| run(version, &AtOnce(source), call).ok()).flatten()?;
    Some(object([("id", id), ("jsonrpc", json!("2.0")), ("result", result)]))
}

/// What a command costs the node beside the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// It may wait for the chain owner.
    Asks,
    /// It looks through many outputs or names.
    Searches,
    /// It asks the chain owner for the whole pool.
    Pool,
}

/// Returns what a method costs.
pub fn effort(method: &str) -> Effort {
    let Some(Found::Command(entry)) = table::find(method) else { return Effort::Asks };
    match entry.command {
        Command::GetMemoryPool => Effort::Pool,
        Command::GetAddressEtp
        | Command::GetAddressAsset
        | Command::ListAssets
        | Command::GetAsset
        | Command::ListDids
        | Command::GetDid
        | Command::ListMits
        | Command::GetMit => Effort::Searches,
        _ => Effort::Asks,
    }
}

/// Returns the reply to a body that is not JSON.
pub fn parse_error() -> Value {
    RpcError::parse().reply(&json!(0))
}

/// Returns the reply to a request that nobody may make or that there is no room for.
pub fn refusal(request: &Value, why: &str) -> Value {
    RpcError::untyped(why).reply(&envelope::read(request).0)
}

/// Returns what a caller must be allowed for a method. Methods that do nothing need nothing; what pools
/// ask beside work (the tip, headers, blocks) is for whoever has any right.
pub fn right(method: &str) -> Right {
    let Some(Found::Command(entry)) = table::find(method) else { return Right::Any };
    match entry.command {
        Command::AddNode | Command::SendRawTx => Right::All,
        Command::GetWork | Command::SubmitWork | Command::SetMiningAccount => Right::Mine,
        Command::GetMiningInfo
        | Command::GetHeight
        | Command::GetBlock
        | Command::GetBlockHeader
        | Command::GetBestBlockHash
        | Command::FetchHeaderExt
        | Command::ValidateAddress
        | Command::DecodeRawTx => Right::Any,
        _ => Right::Read,
    }
}

/// What every command works with: the version, one view of the chain, what was asked.
struct Context<'a, S: Source> {
    version: Version,
    source: &'a S,
    snapshot: Snapshot<S::Disk>,
    args: Args,
}

impl<S: Source> Context<'_, S> {
    fn params(&self) -> &Params {
        self.source.params()
    }
}

fn run<S: Source>(version: Version, source: &S, call: Call) -> Result<Value, RpcError> {
    let entry = match table::find(&call.method) {
        Some(Found::Command(entry)) => entry,
        Some(Found::Wallet(name)) => return Err(RpcError::use_the_wallet(name)),
        Some(Found::NotOffered(name)) => return Err(RpcError::not_offered(name)),
        None => return Err(RpcError::unknown_method(&call.method)),
    };
    let Some(args) = Args::parse(entry, call.tokens)? else {
        return Ok(Value::String(command_line::usage(entry)));
    };
    let context = Context { version, source, snapshot: source.snapshot(), args };
    match entry.command {
        Command::GetHeight => Ok(json!(context.snapshot.tip().height.value())),
        Command::GetInfo => context.get_info(),
        Command::GetBlock => context.get_block(),
        Command::GetBlockHeader => context.get_block_header(),
        Command::GetBestBlockHash => context.get_best_block_hash(),
        Command::FetchHeaderExt => context.fetch_header_ext(),
        Command::GetTx => context.get_tx(),
        Command::GetMemoryPool => context.get_memory_pool(),
        Command::GetPeerInfo => Ok(context.get_peer_info()),
        Command::AddNode => context.add_node(),
        Command::SendRawTx => context.send_raw_tx(),
        Command::DecodeRawTx => context.decode_raw_tx(),
        Command::ValidateAddress => Ok(context.validate_address()),
        Command::GetAddressEtp => context.get_address_etp(),
        Command::GetAddressAsset => context.get_address_asset(),
        Command::ListAssets => context.list_assets(),
        Command::GetAsset => context.get_asset(),
        Command::ListDids => context.list_dids(),
        Command::GetDid => context.get_did(),
        Command::ListMits => context.list_mits(),
        Command::GetMit => context.get_mit(),
        Command::GetMiningInfo => context.get_mining_info(),
        Command::GetWork => context.get_work(),
        Command::SubmitWork => context.submit_work(),
        Command::SetMiningAccount => context.set_mining_account(),
    }
}
