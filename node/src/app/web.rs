//! A second port for `/metrics`, `/status`, `/healthy` and `/ready` alone.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::chain::command::ChainHandle;
use crate::chain::stop::Stop;
use crate::p2p::network::Network;
use crate::rpc::{serve_router, watch_pages};

/// Opens the port.
///
/// # Errors
/// An address that others can reach, or what the system says.
pub(super) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    anyhow::ensure!(
        address.ip().is_loopback(),
        "metrics_listen is {address}: whoever reaches it needs no password, so it must be a \
         loopback address"
    );
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} for metrics"))
}

/// Answers until the stop token is set.
pub(super) async fn serve(listener: TcpListener, chain: ChainHandle, network: Network, stop: Stop) {
    let router = watch_pages(chain, network, stop.clone());
    serve_router(listener, router, stop).await;
}
