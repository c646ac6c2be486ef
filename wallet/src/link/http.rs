//! One question over HTTP, and its answer.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, header};
use hyper_util::rt::TokioIo;
use mvs_rpc_api::methods::Method;
use serde::Serialize;
use serde_json::Value;
use tokio::net::TcpStream;
use zeroize::Zeroizing;

use super::{Credentials, LinkError};

/// How long the node may take to take the call.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to answer; it gives up earlier itself.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const MOST_ANSWER_BYTES: usize = 32 << 20;

fn authorization(credentials: &Credentials) -> Result<Zeroizing<String>, LinkError> {
    let encoded = match credentials {
        Credentials::User(text) => Zeroizing::new(STANDARD.encode(text.reveal())),
        Credentials::Cookie(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| LinkError::Credentials { path: path.clone(), source })?;
            Zeroizing::new(STANDARD.encode(Zeroizing::new(text).trim()))
        }
    };
    Ok(Zeroizing::new(format!("Basic {}", encoded.as_str())))
}

pub(super) async fn ask<P: Serialize>(
    address: SocketAddr,
    credentials: &Credentials,
    method: Method,
    params: &P,
) -> Result<Value, LinkError> {
    let unreachable = |text: String| LinkError::Unreachable { address, text };
    let late = || unreachable("no answer in time".to_owned());
    let strange = |text: String| LinkError::Strange { method: method.name(), text };
    let authorization = authorization(credentials)?;
    let params = serde_json::to_value(params).map_err(|error| strange(error.to_string()))?;
    let question = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": method.name(), "params": params,
    });
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| late())?.map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    // Ends with the answer, or with the program.
    let connection = tokio::spawn(connection);
    let request = hyper::Request::post("/rpc")
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, authorization.as_str())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(question.to_string())))
        .map_err(|error| strange(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await;
        Ok::<_, LinkError>((status, body.map_err(|error| unreachable(error.to_string()))?))
    };
    let done = tokio::time::timeout(ANSWER, exchange).await;
    connection.abort();
    let (status, body) = done.map_err(|_| late())??;
    let body = body.to_bytes();
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(body.get(..body.len().min(200)).unwrap_or_default());
        return Err(unreachable(format!("{status}: {}", text.trim())));
    }
    read(&body).map_err(|error| match error {
        Ok(refused) => LinkError::Refused(refused),
        Err(text) => strange(text),
    })
}

/// Reads an answer. The error is the node's, or what is wrong with the answer.
fn read(body: &[u8]) -> Result<Value, Result<mvs_rpc_api::error::RpcError, String>> {
    let answer: Value = serde_json::from_slice(body).map_err(|error| Err(error.to_string()))?;
    let Value::Object(mut members) = answer else { return Err(Err("no object".to_owned())) };
    if let Some(error) = members.remove("error") {
        let error = serde_json::from_value(error).map_err(|error| Err(error.to_string()))?;
        return Err(Ok(error));
    }
    members.remove("result").ok_or_else(|| Err("neither result nor error".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn answers_and_what_is_none() {
        assert_eq!(read(br#"{"jsonrpc":"2.0","id":1,"result":5}"#), Ok(5.into()));
        let refused = read(br#"{"jsonrpc":"2.0","id":1,"error":{"code":3003,"message":"no"}}"#);
        assert!(matches!(refused, Err(Ok(error)) if error.code == 3003));
        for wrong in ["", "[]", "{}", r#"{"error":7}"#, r#"{"id":1}"#] {
            assert!(matches!(read(wrong.as_bytes()), Err(Err(_))), "{wrong}");
        }
    }
}
