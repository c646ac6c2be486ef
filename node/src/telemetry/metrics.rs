//! The numbers that programs watch, in the text form of Prometheus.
//!
//! | name | kind | meaning |
//! |---|---|---|
//! | `mvs_chain_height` | gauge | height of the connected chain |
//! | `mvs_chain_header_height` | gauge | height of the heaviest header |
//! | `mvs_chain_synced` | gauge | 1 when the node has caught up |
//! | `mvs_chain_coins` | gauge | unspent outputs |
//! | `mvs_chain_disk_full` | gauge | 1 while blocks wait for room on the disk |
//! | `mvs_sync_blocks_in_flight` | gauge | blocks on their way from peers |
//! | `mvs_sync_blocks_waiting` | gauge | blocks that wait to be connected |
//! | `mvs_mempool_transactions` | gauge | loose transactions |
//! | `mvs_p2p_peers` | gauge | connected peers |
//! | `mvs_p2p_received_bytes_total` | counter | bytes from peers, by `class` |
//! | `mvs_p2p_sent_bytes_total` | counter | bytes to peers, by `class` |

use std::fmt::Write as _;

use crate::chain::command::ChainHandle;
use crate::p2p::api::TrafficClass;
use crate::p2p::network::Network;

/// Writes all numbers.
pub fn render(chain: &ChainHandle, network: &Network) -> String {
    let status = chain.status();
    let tip = chain.tip().tip;
    let mut out = String::new();
    let gauges: [(&str, &str, u64); 9] = [
        ("mvs_chain_height", "Height of the connected chain.", tip.height.value().into()),
        (
            "mvs_chain_header_height",
            "Height of the heaviest header.",
            status.header_height.value().into(),
        ),
        ("mvs_chain_synced", "1 when the node has caught up.", status.is_synced.into()),
        ("mvs_chain_coins", "Unspent outputs.", tip.coins),
        (
            "mvs_chain_disk_full",
            "1 while blocks wait for room on the disk.",
            status.is_disk_full.into(),
        ),
        // Counts in memory fit 64 bits.
        ("mvs_sync_blocks_in_flight", "Blocks on their way from peers.", status.in_flight as u64),
        ("mvs_sync_blocks_waiting", "Blocks that wait to be connected.", status.waiting as u64),
        ("mvs_mempool_transactions", "Loose transactions.", status.loose as u64),
        ("mvs_p2p_peers", "Connected peers.", network.peer_count() as u64),
    ];
    for (name, help, value) in gauges {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}\n");
    }
    let (received, sent) = network.totals();
    for (name, help, counts) in [
        ("mvs_p2p_received_bytes_total", "Bytes from peers.", received),
        ("mvs_p2p_sent_bytes_total", "Bytes to peers.", sent),
    ] {
        let _ = write!(out, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for class in TrafficClass::ALL {
            let (class_name, value) = (class.name(), counts.of(class));
            let _ = writeln!(out, "{name}{{class=\"{class_name}\"}} {value}");
        }
    }
    out
}
