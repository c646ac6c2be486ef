//! The few questions that a wallet asks a node, over the node's own JSON-RPC.
//!
//! Answers are what the node says. What decides over coin is proven elsewhere, or made here.

mod http;
mod pages;
mod printable;

use std::net::SocketAddr;
use std::path::PathBuf;

use mvs_primitives::encode::Encode as _;
use mvs_primitives::hash::TxId;
use mvs_primitives::input::OutPoint;
use mvs_primitives::transaction::Transaction;
use mvs_rpc_api::error::RpcError;
use mvs_rpc_api::methods::Method;
use mvs_rpc_api::types::BlockId;
use mvs_rpc_api::types::address::{AddressUnspent, AddressUnspentParams, UnspentCoin};
use mvs_rpc_api::types::chain::{
    ChainTip, TransactionAnswer, TransactionParams, TransactionVerbosity,
};
use mvs_rpc_api::types::control::ControlStatus;
use mvs_rpc_api::types::mempool::{RawTransactionParams, Submitted};
use mvs_rpc_api::types::mining::BlockVerdict;
use mvs_rpc_api::types::stake::{
    StakeStatus, StakeStatusParams, StakeSubmitParams, StakeTemplate, StakeTemplateParams,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::pages::{PAGE, Pages};
use crate::assemble::{AssembleError, ProvenCoin};
use crate::keys::secret::Secret;
use crate::stake::SignedStake;

pub(crate) use printable::steers;
pub use printable::{MOST_CHARS, printable};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// No node answers.
    #[error("no node answers at {address}: {text}")]
    Unreachable {
        /// Where it was asked.
        address: SocketAddr,
        /// What happened.
        text: String,
    },
    /// There is nothing to show to the node.
    #[error("no credentials: cannot read {}: {source}; a node writes it while it runs", path.display())]
    Credentials {
        /// The cookie's file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The node answered with an error.
    #[error("the node says: {0}")]
    Refused(RpcError),
    /// The answer is none of a node.
    #[error("the answer to {method} is not one of a node: {text}")]
    Strange {
        /// What was asked.
        method: &'static str,
        /// What is wrong with it.
        text: String,
    },
}

impl LinkError {
    /// Every code that [`LinkError::code`] can give.
    pub const CODES: [&'static str; 4] =
        ["link.unreachable", "link.credentials", "link.refused", "link.strange"];

    /// Returns the stable code of this error.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => Self::CODES[0],
            Self::Credentials { .. } => Self::CODES[1],
            Self::Refused(_) => Self::CODES[2],
            Self::Strange { .. } => Self::CODES[3],
        }
    }

    /// Makes what the node says fit for a terminal.
    fn cleaned(self) -> Self {
        match self {
            Self::Unreachable { address, text } => {
                Self::Unreachable { address, text: printable(&text) }
            }
            Self::Strange { method, text } => Self::Strange { method, text: printable(&text) },
            Self::Refused(mut refused) => {
                refused.message = printable(&refused.message);
                if let Some(data) = &mut refused.data {
                    data.name = printable(&data.name);
                    data.rule = data.rule.as_deref().map(printable);
                    data.holds = data.holds.as_deref().map(printable);
                }
                Self::Refused(refused)
            }
            own @ Self::Credentials { .. } => own,
        }
    }
}

/// What a wallet shows to a node.
#[derive(Debug)]
pub enum Credentials {
    /// The file that the node writes at each start; it is read for each question.
    Cookie(PathBuf),
    /// `name:password`.
    User(Secret<str>),
}

/// A node that is asked.
#[derive(Debug)]
pub struct NodeLink {
    address: SocketAddr,
    credentials: Credentials,
}

impl NodeLink {
    /// Names the node. Nothing is sent yet.
    pub const fn new(address: SocketAddr, credentials: Credentials) -> Self {
        Self { address, credentials }
    }

    /// Returns where it is asked.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    async fn ask<P: Serialize, A: DeserializeOwned>(
        &self,
        method: Method,
        params: &P,
    ) -> Result<A, LinkError> {
        let strange = |text| LinkError::Strange { method: method.name(), text };
        let answer = http::ask(self.address, &self.credentials, method, params).await;
        let answer = answer.map_err(LinkError::cleaned)?;
        // The error may repeat what the node wrote.
        serde_json::from_value(answer).map_err(|error| strange(error.to_string()).cleaned())
    }

    /// Returns the end of the chain.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn tip(&self) -> Result<ChainTip, LinkError> {
        self.ask(Method::ChainTip, &serde_json::json!({})).await
    }

    /// Tells how the node does.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn status(&self) -> Result<ControlStatus, LinkError> {
        self.ask(Method::ControlStatus, &serde_json::json!({})).await
    }

    /// Returns the unspent outputs of an address, as the node says.
    ///
    /// # Errors
    /// [`LinkError`]; among them that the node keeps no index, and that there are too many.
    pub async fn unspent(&self, address: &str) -> Result<Vec<UnspentCoin>, LinkError> {
        let strange = |text| LinkError::Strange { method: Method::AddressUnspent.name(), text };
        let mut pages = Pages::default();
        loop {
            let params = AddressUnspentParams {
                address: address.to_owned(),
                after: pages.next(),
                limit: Some(PAGE),
                amounts: None,
            };
            let page: AddressUnspent = self.ask(Method::AddressUnspent, &params).await?;
            if !pages.take(page).map_err(strange)? {
                return Ok(pages.into_coins());
            }
        }
    }

    /// Returns a coin with the proof that it is what it seems. `height` is where the node says that it
    /// was made.
    ///
    /// # Errors
    /// [`LinkError`]; the inner one says that the node lies.
    pub async fn prove(
        &self,
        coin: OutPoint,
        height: u32,
    ) -> Result<Result<ProvenCoin, AssembleError>, LinkError> {
        let params = TransactionParams {
            txid: coin.txid.to_string(),
            block: Some(BlockId::Height(height)),
            verbosity: Some(TransactionVerbosity::Hex),
            amounts: None,
        };
        let strange =
            |text: String| LinkError::Strange { method: Method::ChainTransaction.name(), text };
        match self.ask(Method::ChainTransaction, &params).await? {
            TransactionAnswer::Hex(text) => {
                let bytes = hex::decode(text).map_err(|error| strange(error.to_string()))?;
                Ok(ProvenCoin::prove(coin, &bytes))
            }
            TransactionAnswer::Transaction(_) => Err(strange("not hex".to_owned())),
        }
    }

    /// Hands a transaction in; returns its id.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn submit(&self, transaction: &Transaction) -> Result<TxId, LinkError> {
        let params = RawTransactionParams { transaction: hex::encode(transaction.to_bytes()) };
        let _: Submitted = self.ask(Method::MempoolSubmit, &params).await?;
        Ok(transaction.txid())
    }

    /// Tells how an address's stake does.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn stake_status(&self, address: &str) -> Result<StakeStatus, LinkError> {
        let params = StakeStatusParams { address: address.to_owned(), blocks: None };
        self.ask(Method::StakeStatus, &params).await
    }

    /// Asks for a stake block.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn stake_template(
        &self,
        params: &StakeTemplateParams,
    ) -> Result<StakeTemplate, LinkError> {
        self.ask(Method::StakeTemplate, params).await
    }

    /// Hands in what a stake block lacked.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn stake_submit(&self, signed: &SignedStake) -> Result<BlockVerdict, LinkError> {
        let params = StakeSubmitParams {
            template: signed.template.to_string(),
            coinstake: hex::encode(signed.coinstake.to_bytes()),
            timestamp: signed.timestamp.unix_secs(),
            signature: hex::encode(signed.signature.as_bytes()),
        };
        self.ask(Method::StakeSubmit, &params).await
    }
}

#[cfg(test)]
mod tests {
    use mvs_rpc_api::error::{ErrorCode, RpcError};

    use super::{LinkError, MOST_CHARS, steers};

    #[test]
    fn nothing_that_a_node_says_steers_a_terminal() {
        let bad = "\u{1b}]0;owned\u{7}\n".repeat(500);
        let mut refused = RpcError::new(ErrorCode::Internal, "").with_rule(bad.clone());
        refused.message = bad.clone();
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
        for error in [
            LinkError::Refused(refused),
            LinkError::Strange { method: "chain_tip", text: bad.clone() },
            LinkError::Unreachable { address, text: bad.clone() },
        ] {
            let said = error.cleaned().to_string();
            assert!(!said.chars().any(steers), "{said}");
            assert!(said.chars().count() < 2 * MOST_CHARS + 100, "{said}");
        }
    }
}
