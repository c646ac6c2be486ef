//! Peers.

use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::Context;
use super::error::RpcError;
use super::source::Source;

impl<S: Source> Context<'_, S> {
    pub(super) fn get_peer_info(&self) -> Value {
        let peers = self.source.peers().iter().map(|peer| json!(peer.to_string())).collect();
        self.version.wrap_list("peers", peers)
    }

    pub(super) fn add_node(&self) -> Result<Value, RpcError> {
        let operation = self.args.text("operation").unwrap_or("add");
        let node = self.args.needed("NODEADDRESS");
        let wrong = || RpcError::not_legal(format!("'{node:.80}' is no address: use IP:PORT"));
        match operation {
            "add" | "peer" => {
                let address: SocketAddr = node.parse().map_err(|_| wrong())?;
                self.source.add_peer(address)?;
            }
            "ban" => {
                let ip = node.parse::<SocketAddr>().map(|address| address.ip());
                let ip: IpAddr = ip.or_else(|_| node.parse()).map_err(|_| wrong())?;
                self.source.ban(ip)?;
            }
            "list" => return self.list_nodes(),
            other => {
                let text = format!("operation '{other:.80}' is none of add, peer, ban and list");
                return Err(RpcError::not_legal(text));
            }
        }
        Ok(json!("success"))
    }

    fn list_nodes(&self) -> Result<Value, RpcError> {
        let peers: Vec<String> = self.source.peers().iter().map(ToString::to_string).collect();
        let bans = self.source.bans()?;
        // The node bans hosts, not ports.
        let banned = bans.iter().map(|ban| {
            format!("{}, timestamp:{}", SocketAddr::new(ban.ip, 0), ban.until_unix_secs)
        });
        Ok(json!({
            "banned": banned.collect::<Vec<String>>(),
            "manual_banned": [],
            "peers": peers,
            "seeds": self.params().seeds,
        }))
    }
}
