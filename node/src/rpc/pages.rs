//! `/metrics`, `/status`, `/healthy` and `/ready`, for programs that watch the node.

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::chain::command::ChainHandle;
use crate::chain::stop::Stop;
use crate::p2p::network::Network;
use crate::telemetry::metrics;

/// The media type of Prometheus' text form.
const METRICS_TYPE: &str = "text/plain; version=0.0.4";

/// Returns the pages.
pub fn watch_pages(chain: ChainHandle, network: Network, stop: Stop) -> Router {
    let numbers = {
        let chain = chain.clone();
        move || {
            let text = metrics::render(&chain, &network);
            async move { ([(header::CONTENT_TYPE, METRICS_TYPE)], text) }
        }
    };
    let now = {
        let chain = chain.clone();
        move || {
            let text = status(&chain, &stop);
            async move { ([(header::CONTENT_TYPE, "application/json")], text) }
        }
    };
    let ready = move || {
        let status = chain.status();
        async move {
            if status.is_synced && !status.is_disk_full {
                (StatusCode::OK, "ready\n").into_response()
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
            }
        }
    };
    Router::new()
        .route("/metrics", get(numbers))
        .route("/status", get(now))
        .route("/healthy", get(|| async { "healthy\n" }))
        .route("/ready", get(ready))
}

/// The chain and what the node is doing, as JSON. Tip and digests belong together.
fn status(chain: &ChainHandle, stop: &Stop) -> String {
    let (status, tip) = (chain.status(), chain.tip().tip);
    let phase = if stop.is_set() {
        "stopping"
    } else if status.is_synced {
        "synced"
    } else if status.reading_headers {
        "headers"
    } else if status.header_height > tip.height {
        "blocks"
    } else {
        "starting"
    };
    serde_json::json!({
        "height": tip.height.value(),
        "tip": tip.hash.to_string(),
        "headers": status.header_height.value(),
        "coin_digest": format!("{:032x}", tip.coin_digest.to_u128()),
        "registry_digest": format!("{:032x}", tip.registry_digest),
        "work": tip.work.to_string(),
        "peers": status.peers,
        "mempool": status.loose,
        "phase": phase,
    })
    .to_string()
}
