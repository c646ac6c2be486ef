//! Opens the port for questions, and makes users of it.

use std::io::{IsTerminal as _, Read as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context as _;
use mvs_consensus::params::Params;
use mvs_primitives::address::Address;
use mvs_primitives::text::Symbol;
use tokio::net::TcpListener;

use super::setup::Setup;
use crate::config::{Config, MiningConfig};
use crate::mining::Payout;
use crate::rpc::compat::Payee;
use crate::rpc::{
    Auth, Context, Grant, Guard, RpcServer, User, default_port, payout_script, serve,
};

/// The longest password that is read, in bytes.
const MOST_PASSWORD_BYTES: u64 = 4_096;

/// Returns the addresses at which the node answers.
pub(super) fn addresses(config: &Config, params: &Params) -> Vec<SocketAddr> {
    let usual = || vec![SocketAddr::from((Ipv4Addr::LOCALHOST, default_port(params)))];
    config.rpc.rpc_listen.clone().unwrap_or_else(usual)
}

/// Reads whom work pays if nobody is named.
pub(super) fn payee(config: &MiningConfig, params: &Params) -> anyhow::Result<Option<Payee>> {
    let Some(text) = &config.payout else {
        anyhow::ensure!(config.payout_asset.is_none(), "payout_asset needs payout, an address");
        return Ok(None);
    };
    let address = Address::parse(text, &params.addresses)
        .with_context(|| format!("payout: {text} is no address of {}", params.name))?;
    let mut payout = Payout::to(payout_script(&address));
    if let Some(asset) = &config.payout_asset {
        let symbol = Symbol::new(asset);
        payout.asset = Some(symbol.with_context(|| format!("payout_asset: {asset}"))?);
    }
    Ok(Some(Payee { payout, address: text.clone() }))
}

/// An open port that nobody answers on yet.
#[derive(Debug)]
pub(super) struct Port {
    listeners: Vec<TcpListener>,
    addresses: Vec<SocketAddr>,
    /// `None` when the node answers nowhere.
    auth: Option<Auth>,
    guest: Option<Grant>,
    guard: Guard,
}

impl Port {
    /// Opens the port, then writes the cookie: nobody shall read it who has not asked this node.
    ///
    /// # Errors
    /// What the system says, or wrong users.
    pub(super) async fn open(config: &Config, setup: &Setup) -> anyhow::Result<Self> {
        let mut listeners = Vec::new();
        let mut local = Vec::new();
        for address in addresses(config, &setup.params) {
            let listener = TcpListener::bind(address).await.with_context(|| {
                format!("cannot listen on {address} for rpc; choose another with --rpc-listen")
            })?;
            local.push(listener.local_addr()?);
            listeners.push(listener);
        }
        let rpc = &config.rpc;
        let auth = match listeners.is_empty() {
            true => None,
            false => Some(Auth::new(&setup.data_dir, rpc.rpc_cookie, rpc.rpc_users.as_deref())?),
        };
        Guard::check_settings(&rpc.rpc_hosts, &rpc.rpc_origins).map_err(anyhow::Error::msg)?;
        let guard = Guard::new(&rpc.rpc_hosts, &rpc.rpc_origins);
        Ok(Self { listeners, addresses: local, auth, guest: rpc.rpc_guest, guard })
    }

    /// Answers from now on, until the node stops. Must be called inside the runtime.
    pub(super) fn serve(self, context: Context) {
        let Some(auth) = self.auth else { return };
        let stop = context.stop.clone();
        if let Some(guest) = self.guest {
            tracing::warn!(target: "rpc", may = guest.name(),
                "whoever reaches the port needs no password at /rpc/v2 and /rpc/v3");
        }
        let server = RpcServer::new(context, auth, self.guest, self.guard, &self.addresses);
        let server = Arc::new(server);
        for (listener, address) in self.listeners.into_iter().zip(self.addresses) {
            if !address.ip().is_loopback() {
                tracing::warn!(target: "rpc", %address,
                    "others can reach the port; what they send and read is not encrypted");
            }
            tracing::info!(target: "app", %address, "rpc");
            tokio::spawn(serve(listener, Arc::clone(&server), stop.clone()));
        }
    }
}

/// Asks for a password, or reads it from standard input where nobody sits before it, and prints the
/// line for the file of users.
pub(super) fn make_user(name: &str, grant: Grant) -> anyhow::Result<()> {
    let mut password = Vec::new();
    if std::io::stdin().is_terminal() {
        let prompt = format!("Password for {name}: ");
        password = rpassword::prompt_password(prompt).context("cannot ask for it")?.into_bytes();
        let again = rpassword::prompt_password("Again: ").context("cannot ask for it")?;
        anyhow::ensure!(again.as_bytes() == password, "the two are not the same");
    } else {
        std::io::stdin()
            .take(MOST_PASSWORD_BYTES)
            .read_to_end(&mut password)
            .context("cannot read the password from standard input")?;
    }
    while password.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        password.pop();
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    let user = User::new(name, grant, &password, salt)?;
    say!("{}", user.to_line());
    Ok(())
}
