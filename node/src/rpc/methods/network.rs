//! Peers, and fees.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mvs_rpc_api::types::network::{
    Ban, Direction, Done, FeeEstimate, FeeEstimateParams, NetworkAddParams, NetworkBanParams,
    NetworkBans, NetworkPeers, NetworkTraffic, Peer, Traffic,
};

use super::mempool::per_thousand;
use crate::p2p::api::{self, ByteCounts, PeerStats, TrafficClass};
use crate::rpc::context::Context;
use crate::rpc::fault::{self, RpcResult};

/// How long an address is kept out when nobody says: a day.
const USUAL_BAN_SECS: u64 = 86_400;
/// The longest time that an address is kept out: ten years.
const LONGEST_BAN_SECS: u64 = 10 * 365 * 86_400;

pub(in crate::rpc) fn peers(context: &Context) -> NetworkPeers {
    let mut peers: Vec<Peer> = context.network.peers().iter().map(peer).collect();
    peers.sort_unstable_by_key(|peer| peer.id);
    NetworkPeers { peers }
}

fn peer(stats: &PeerStats) -> Peer {
    let facts = &stats.facts;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Peer {
        id: facts.id.number(),
        address: facts.address.to_string(),
        direction: match facts.direction {
            api::Direction::Inbound => Direction::Inbound,
            api::Direction::Outbound => Direction::Outbound,
            api::Direction::Manual => Direction::Manual,
        },
        version: facts.version,
        user_agent: facts.user_agent.clone(),
        start_height: facts.start_height.value(),
        connected_secs: facts.connected_at.elapsed().as_secs(),
        best_ping_us: stats.best_ping.map(micros),
        received: stats.received.total(),
        sent: stats.sent.total(),
        score: stats.score,
    }
}

pub(in crate::rpc) fn add(context: &Context, params: &NetworkAddParams) -> RpcResult<Done> {
    let address: SocketAddr = params
        .address
        .parse()
        .map_err(|_| fault::bad("address: an address and a port, as 127.0.0.1:5251"))?;
    let asked = match params.remove.unwrap_or(false) {
        true => context.network.remove_peer(address),
        false => context.network.add_peer(address),
    };
    asked.map_err(fault::busy)?;
    Ok(Done { done: true })
}

pub(in crate::rpc) async fn ban(context: &Context, params: NetworkBanParams) -> RpcResult<Done> {
    let ip: IpAddr =
        params.ip.parse().map_err(|_| fault::bad("ip: an address without port, as 192.0.2.1"))?;
    match params.seconds.unwrap_or(USUAL_BAN_SECS) {
        0 => {
            context.network.unban(ip).await.map_err(fault::busy)?;
        }
        seconds if seconds > LONGEST_BAN_SECS => {
            return Err(fault::bad(format!("seconds: at most {LONGEST_BAN_SECS}")));
        }
        seconds => {
            context.network.ban(ip, Duration::from_secs(seconds)).map_err(fault::busy)?;
        }
    }
    Ok(Done { done: true })
}

pub(in crate::rpc) async fn bans(context: &Context) -> RpcResult<NetworkBans> {
    let bans = context.network.bans().await.map_err(fault::busy)?;
    let mut bans: Vec<Ban> =
        bans.iter().map(|ban| Ban { ip: ban.ip.to_string(), until: ban.until_unix_secs }).collect();
    bans.sort_unstable_by(|a, b| a.ip.cmp(&b.ip));
    Ok(NetworkBans { bans })
}

pub(in crate::rpc) fn traffic(context: &Context) -> NetworkTraffic {
    let counts = |counts: &ByteCounts| Traffic {
        headers: counts.of(TrafficClass::Headers),
        blocks: counts.of(TrafficClass::Blocks),
        transactions: counts.of(TrafficClass::Transactions),
        inventory: counts.of(TrafficClass::Inventory),
        addresses: counts.of(TrafficClass::Addresses),
        control: counts.of(TrafficClass::Control),
    };
    let (received, sent) = context.network.totals();
    NetworkTraffic { received: counts(&received), sent: counts(&sent) }
}

pub(in crate::rpc) async fn fee(
    context: &Context,
    params: FeeEstimateParams,
) -> RpcResult<FeeEstimate> {
    let blocks = params.blocks.unwrap_or(2);
    if blocks == 0 || blocks > 100 {
        return Err(fault::bad("blocks: 1 to 100"));
    }
    let room = context.params.limits.block_bytes.saturating_mul(blocks.into());
    let _turn = context.pool_turn().await?;
    let found = context.chain.rate_behind(room).await.map_err(fault::stopping)?;
    Ok(FeeEstimate {
        rate: per_thousand(found.rate),
        floor_rate: per_thousand(found.floor),
        blocks,
        ahead_bytes: found.ahead_bytes,
    })
}
