//! Failures of the node's parts as errors of the API.

use mvs_consensus::error::Fault;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_store::StoreError;

use crate::chain::command::{BlockRefusal, Stopping, TxRefusal};
use crate::mining::TemplateError;
use crate::p2p::network::NetworkBusy;

/// What a method comes to.
pub type RpcResult<T> = Result<T, RpcError>;

/// What to do about a missing index.
const HOW_TO_INDEX: &str = "the index of transactions and addresses is not kept; \
    start the node once with --index (in the file: index = true under [chain]) to build it";

pub(super) fn of_store(error: &StoreError) -> RpcError {
    match error {
        StoreError::NoIndex => RpcError::new(ErrorCode::IndexMissing, HOW_TO_INDEX),
        other => internal(other.code(), other),
    }
}

pub(super) fn of_fault(fault: &Fault) -> RpcError {
    internal("fault", fault)
}

pub(super) fn internal(code: &str, error: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(ErrorCode::Internal, error.to_string()).with_rule(code)
}

pub(super) fn stopping(_: Stopping) -> RpcError {
    RpcError::of(ErrorCode::Stopping)
}

pub(super) fn busy(_: NetworkBusy) -> RpcError {
    RpcError::of(ErrorCode::Busy)
}

pub(super) fn of_tx(refusal: &TxRefusal) -> RpcError {
    match refusal {
        TxRefusal::Busy => RpcError::of(ErrorCode::Busy),
        TxRefusal::Pool(reject) => RpcError::new(ErrorCode::TransactionRefused, reject.to_string())
            .with_rule(reject.code())
            .holding(reject.holds().name()),
    }
}

pub(super) fn of_block(refusal: &BlockRefusal) -> RpcError {
    match refusal {
        BlockRefusal::Busy => RpcError::of(ErrorCode::Busy),
        other => RpcError::new(ErrorCode::BlockRefused, other.to_string()).with_rule(other.code()),
    }
}

pub(super) fn of_template(error: &TemplateError) -> RpcError {
    match error {
        TemplateError::Fault(fault) => of_fault(fault),
        other => RpcError::new(ErrorCode::NoWork, other.to_string()).with_rule(other.code()),
    }
}

pub(super) fn bad(text: impl Into<String>) -> RpcError {
    RpcError::new(ErrorCode::InvalidParams, text)
}
