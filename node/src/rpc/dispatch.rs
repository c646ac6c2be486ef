//! From the bytes of a body to the bytes of its answer.

use std::time::Duration;

use tokio::time::Instant;

use mvs_rpc_api::envelope::{self, Id, Incoming, Refused, Request, Response};
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::methods::{Answer, Call, Method, help};

use super::context::Context;
use super::fault::RpcResult;
use super::methods::{address, chain, control, mempool, mining, names, network, stake};
use super::socket::Session;
use super::users::Grant;

/// How long a method may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes that the answers of a batch may have together; the requests behind are refused.
const MOST_ANSWER_BYTES: usize = 16 << 20;
/// How long a body may take, whatever it asks; the requests behind are refused.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Answers a body; `None` when nobody waits for an answer.
pub(super) async fn answer(
    context: &Context,
    grant: Grant,
    body: &[u8],
    session: Option<&mut Session>,
) -> Option<Vec<u8>> {
    answer_within(MOST_ANSWER_BYTES, context, grant, body, session).await
}

async fn answer_within(
    most_bytes: usize,
    context: &Context,
    grant: Grant,
    body: &[u8],
    mut session: Option<&mut Session>,
) -> Option<Vec<u8>> {
    match envelope::read(body) {
        Err(error) => Some(write(Id::Null, Err(error))),
        Ok(Incoming::Single(one)) => answer_one(context, grant, one, session).await,
        Ok(Incoming::Batch(all)) => {
            let start = Instant::now();
            let mut out = vec![b'['];
            for one in all {
                let answer = if out.len() > most_bytes {
                    refuse(one, ErrorCode::TooMuch, "the answers of this batch are too long")
                } else if start.elapsed() > BODY_TIME {
                    refuse(one, ErrorCode::Timeout, "the batch took too long")
                } else {
                    answer_one(context, grant, one, session.as_deref_mut()).await
                };
                // Others on this thread have a turn between two requests.
                tokio::task::yield_now().await;
                let Some(answer) = answer else { continue };
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(&answer);
            }
            out.push(b']');
            // A batch of nothing but notifications has no answer.
            (out.len() > 2).then_some(out)
        }
    }
}

/// Returns the answer to a body for which there is no room.
pub(super) fn busy() -> Vec<u8> {
    write(Id::Null, Err(RpcError::of(ErrorCode::Busy)))
}

fn refuse(one: Result<Request, Refused>, code: ErrorCode, why: &str) -> Option<Vec<u8>> {
    let id = match one {
        Ok(request) => request.id?,
        Err(refused) => refused.id,
    };
    Some(write(id, Err(RpcError::new(code, why))))
}

async fn answer_one(
    context: &Context,
    grant: Grant,
    one: Result<Request, Refused>,
    session: Option<&mut Session>,
) -> Option<Vec<u8>> {
    let request = match one {
        Ok(request) => request,
        Err(Refused { id, error }) => return Some(write(id, Err(error))),
    };
    let id = request.id.clone();
    let call = read(grant, request);
    let outcome = match call {
        Ok(call) => match tokio::time::timeout(PATIENCE, run(context, call, session)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(RpcError::of(ErrorCode::Timeout)),
        },
        Err(error) => Err(error),
    };
    let outcome = match outcome {
        Err(error) if error.is(ErrorCode::Internal) && context.stop.is_set() => {
            Err(RpcError::of(ErrorCode::Stopping))
        }
        other => other,
    };
    if let Err(error) = &outcome
        && error.is(ErrorCode::Internal)
    {
        let code = error.data.as_ref().and_then(|data| data.rule.as_deref()).unwrap_or_default();
        let error = &error.message;
        tracing::error!(target: "rpc", code, %error, "a question could not be answered");
    }
    // A notification is done, and not answered.
    id.map(|id| write(id, outcome))
}

/// Finds the method and reads its parameters.
fn read(grant: Grant, request: Request) -> RpcResult<Call> {
    let method = Method::from_name(&request.method)
        .ok_or_else(|| RpcError::of(ErrorCode::MethodNotFound))?;
    if !grant.allows(method.right()) {
        let text = format!("{} needs the right `{}`", method.name(), method.right().name());
        return Err(RpcError::new(ErrorCode::Rights, text));
    }
    method.read(request.params)
}

fn write(id: Id, outcome: RpcResult<Answer>) -> Vec<u8> {
    let response = Response { id, outcome };
    serde_json::to_vec(&response).unwrap_or_else(|error| {
        // Texts, numbers and lists always serialise.
        tracing::error!(target: "rpc", %error, "an answer does not serialise");
        br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"internal"},"id":null}"#.to_vec()
    })
}

async fn run(context: &Context, call: Call, session: Option<&mut Session>) -> RpcResult<Answer> {
    if context.stop.is_set() {
        return Err(RpcError::of(ErrorCode::Stopping));
    }
    let own = context.clone();
    Ok(match call {
        Call::ChainTip(_) => Answer::ChainTip(chain::tip(context)?),
        Call::ChainBlock(params) => {
            Answer::ChainBlock(context.look(|view| chain::block(context, view, &params))?)
        }
        Call::ChainHeader(params) => {
            Answer::ChainHeader(context.look(|view| chain::header(view, &params))?)
        }
        Call::ChainTransaction(params) => {
            Answer::ChainTransaction(chain::transaction(context, params).await?)
        }
        Call::ChainCoin(params) => {
            Answer::ChainCoin(context.look(|view| chain::coin(context, view, &params))?)
        }
        Call::ChainStatistics(params) => Answer::ChainStatistics(
            context.read(move |view| chain::statistics(view, &params)).await?,
        ),
        Call::ChainDigest(params) => {
            Answer::ChainDigest(context.read(move |view| chain::digest(view, &params)).await?)
        }
        Call::MempoolList(params) => Answer::MempoolList(mempool::list(context, params).await?),
        Call::MempoolEntry(params) => Answer::MempoolEntry(mempool::entry(context, params).await?),
        Call::MempoolTest(params) => Answer::MempoolTest(mempool::test(context, params).await?),
        Call::MempoolSubmit(params) => {
            Answer::MempoolSubmit(mempool::submit(context, params).await?)
        }
        Call::AddressHistory(params) => Answer::AddressHistory(
            context.read(move |view| address::history(&own, view, &params)).await?,
        ),
        Call::AddressUnspent(params) => Answer::AddressUnspent(
            context.search(move |view| address::unspent(&own, view, &params)).await?,
        ),
        Call::AddressBalance(params) => Answer::AddressBalance(
            context.search(move |view| address::balance(&own, view, &params)).await?,
        ),
        Call::AssetList(params) => {
            Answer::AssetList(context.read(move |view| names::asset_list(view, &params)).await?)
        }
        Call::AssetShow(params) => {
            Answer::AssetShow(context.read(move |view| names::asset_show(view, &params)).await?)
        }
        Call::AssetIssues(params) => {
            Answer::AssetIssues(context.read(move |view| names::asset_issues(view, &params)).await?)
        }
        Call::AssetHolders(params) => Answer::AssetHolders(
            context.search(move |view| names::asset_holders(&own, view, &params)).await?,
        ),
        Call::AssetCertificates(params) => Answer::AssetCertificates(
            context.search(move |view| names::certificates(view, &params)).await?,
        ),
        Call::DidShow(params) => {
            Answer::DidShow(context.read(move |view| names::did_show(&own, view, &params)).await?)
        }
        Call::DidList(params) => {
            Answer::DidList(context.read(move |view| names::did_list(&own, view, &params)).await?)
        }
        Call::DidOfAddress(params) => Answer::DidOfAddress(
            context.read(move |view| names::did_of_address(&own, view, &params)).await?,
        ),
        Call::DidHistory(params) => Answer::DidHistory(
            context.read(move |view| names::did_history(&own, view, &params)).await?,
        ),
        Call::MitShow(params) => {
            Answer::MitShow(context.read(move |view| names::mit_show(&own, view, &params)).await?)
        }
        Call::MitList(params) => {
            Answer::MitList(context.read(move |view| names::mit_list(&own, view, &params)).await?)
        }
        Call::MitTrace(params) => {
            Answer::MitTrace(context.read(move |view| names::mit_trace(&own, view, &params)).await?)
        }
        Call::MiningTemplate(params) => {
            Answer::MiningTemplate(mining::template(context, params).await?)
        }
        Call::MiningSubmit(params) => Answer::MiningSubmit(mining::submit(context, params).await?),
        Call::MiningSubmitBlock(params) => {
            Answer::MiningSubmitBlock(mining::submit_block(context, params).await?)
        }
        Call::MiningInfo(params) => Answer::MiningInfo(mining::info(context, params).await?),
        Call::StakeStatus(params) => {
            let status = context.search(move |view| stake::status(&own, view, &params)).await?;
            Answer::StakeStatus(status)
        }
        Call::StakeTemplate(params) => {
            Answer::StakeTemplate(stake::template(context, params).await?)
        }
        Call::StakeSubmit(params) => Answer::StakeSubmit(stake::submit(context, &params).await?),
        Call::NetworkPeers(_) => Answer::NetworkPeers(network::peers(context)),
        Call::NetworkAdd(params) => Answer::NetworkAdd(network::add(context, &params)?),
        Call::NetworkBan(params) => Answer::NetworkBan(network::ban(context, params).await?),
        Call::NetworkBans(_) => Answer::NetworkBans(network::bans(context).await?),
        Call::NetworkTraffic(_) => Answer::NetworkTraffic(network::traffic(context)),
        Call::FeeEstimate(params) => Answer::FeeEstimate(network::fee(context, params).await?),
        Call::EventSubscribe(params) => {
            let session = session.ok_or_else(|| RpcError::of(ErrorCode::NeedsSocket))?;
            Answer::EventSubscribe(session.subscribe(context, params).await?)
        }
        Call::EventUnsubscribe(params) => {
            let session = session.ok_or_else(|| RpcError::of(ErrorCode::NeedsSocket))?;
            Answer::EventUnsubscribe(session.unsubscribe(&params)?)
        }
        Call::ControlStatus(_) => Answer::ControlStatus(control::status(context)),
        Call::ControlLog(params) => Answer::ControlLog(control::log(context, &params)?),
        Call::ControlHelp(params) => Answer::ControlHelp(help(params.method.as_deref())?),
        Call::ControlStop(_) => Answer::ControlStop(control::stop(context)),
        other => {
            let text = format!("{} is not served", other.method().name());
            return Err(RpcError::new(ErrorCode::Internal, text));
        }
    })
}

#[cfg(test)]
mod tests;
