//! The node itself.

use mvs_rpc_api::error::ErrorCode;
use mvs_rpc_api::types::control::{ControlLogParams, ControlStatus};
use mvs_rpc_api::types::network::Done;

use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};
use crate::telemetry::LogError;

/// The longest filter of logs in bytes.
const MAX_FILTER_BYTES: usize = 1_000;

pub(in crate::rpc) fn status(context: &Context) -> ControlStatus {
    let (status, view) = (context.chain.status(), context.chain.tip());
    ControlStatus {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        network: context.params.name.to_string(),
        uptime_secs: context.started.elapsed().as_secs(),
        height: view.tip.height.value(),
        headers: status.header_height.max(view.tip.height).value(),
        is_synced: status.is_synced,
        is_disk_full: status.is_disk_full,
        peers: u32::try_from(context.network.peer_count()).unwrap_or(u32::MAX),
        mempool: u64::try_from(status.loose).unwrap_or(u64::MAX),
        index_height: view.snapshot.index_height().map(mvs_primitives::height::Height::value),
    }
}

pub(in crate::rpc) fn log(context: &Context, params: &ControlLogParams) -> RpcResult<Done> {
    if params.filter.len() > MAX_FILTER_BYTES {
        return Err(fault::bad(format!("filter: at most {MAX_FILTER_BYTES} bytes")));
    }
    match context.logs.set(&params.filter) {
        Ok(()) => {
            tracing::info!(target: "rpc", filter = %params.filter, "logs changed");
            Ok(Done { done: true })
        }
        Err(LogError::Filter(error)) => Err(fault::bad(format!("filter: {error}"))),
        Err(error) => {
            Err(mvs_rpc_api::error::RpcError::new(ErrorCode::Internal, error.to_string()))
        }
    }
}

pub(in crate::rpc) fn stop(context: &Context) -> Done {
    tracing::info!(target: "rpc", "asked to stop");
    context.stop.set();
    Done { done: true }
}
