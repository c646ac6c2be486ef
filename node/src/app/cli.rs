//! `cli`: asks a running node.

mod show;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{StatusCode, header};
use hyper_util::rt::TokioIo;
use mvs_rpc_api::error::RpcError;
use mvs_rpc_api::methods::Method;
use serde_json::{Map, Value};
use tokio::net::TcpStream;

use super::args::CliOrder;
use super::{rpc, setup};
use crate::config::Config;
use crate::rpc::COOKIE_FILE;

/// How long the node may take to take the call.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to answer; it gives up earlier itself.
const ANSWER: Duration = Duration::from_secs(60);
/// The longest answer that is read, in bytes.
const MOST_ANSWER_BYTES: usize = 256 << 20;
/// The variable with the password of `--user`.
const PASSWORD: &str = "RPC_PASSWORD";

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    /// The question is none.
    #[error("{0}")]
    Usage(String),
    /// The node answered with an error.
    #[error("{0}")]
    Refused(RpcError),
    /// No node answers.
    #[error("no node answers at {address}: {text}; does it run, and is --rpc-listen the same?")]
    Unreachable { address: SocketAddr, text: String },
    /// Nobody lets us in.
    #[error("no credentials: {text}; the node writes them to {path} while it runs")]
    Credentials { path: PathBuf, text: String },
    /// The answer is none.
    #[error("the answer is not one of a node: {0}")]
    Strange(String),
}

pub(super) fn run(config: &Config, order: &CliOrder) -> anyhow::Result<()> {
    let method = find(&order.method)?;
    let params = read_params(method, &order.params)?;
    let chain = setup::params(config)?;
    let address = rpc::addresses(config, &chain).first().copied();
    let address = address.ok_or_else(|| CliError::Usage("rpc_listen is empty".to_owned()))?;
    let path = setup::data_dir(config, &chain)?.join(COOKIE_FILE);
    let credentials = credentials(order, path)?;
    let request = serde_json::json!({
        "jsonrpc": "2.0", "id": 1, "method": method.name(), "params": params,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let answer = runtime.block_on(ask(address, &credentials, request.to_string()))?;
    if order.is_json {
        say!("{}", serde_json::to_string_pretty(&answer)?);
    } else {
        say_text!(show::table(&answer));
    }
    Ok(())
}

fn find(name: &str) -> Result<Method, CliError> {
    Method::from_name(name).ok_or_else(|| {
        let nearest = Method::ALL
            .iter()
            .map(|method| method.name())
            .max_by(|a, b| {
                let likeness = |other: &str| strsim::jaro_winkler(name, other);
                likeness(a).total_cmp(&likeness(b))
            })
            .unwrap_or_default();
        CliError::Usage(format!("no method {name}; did you mean {nearest}?"))
    })
}

/// Makes an object of the parameters: each by its name, or in order.
fn read_params(method: Method, given: &[String]) -> Result<Value, CliError> {
    let names = method.parameters();
    let mut params = Map::new();
    let usage = || CliError::Usage(format!("usage: {}", method.usage()));
    for (place, text) in given.iter().enumerate() {
        let named = text.split_once('=').filter(|(name, _)| names.contains(name));
        let (name, text) = match named {
            Some((name, text)) => (name, text),
            None => (*names.get(place).ok_or_else(usage)?, text.as_str()),
        };
        let schema = method.parameter_schema(name).unwrap_or_default();
        if params.insert(name.to_owned(), read_value(&schema, text)).is_some() {
            return Err(usage());
        }
    }
    Ok(Value::Object(params))
}

/// Reads a value: a text where only a text will do, else JSON if it is some.
fn read_value(schema: &Value, text: &str) -> Value {
    let is = |wanted: &str, kind: &Value| match kind {
        Value::String(kind) => kind == wanted,
        Value::Array(kinds) => kinds.iter().any(|kind| kind == wanted),
        _ => false,
    };
    let is_text = schema.get("type").is_some_and(|kind| is("string", kind));
    if is_text {
        return Value::String(text.to_owned());
    }
    match serde_json::from_str(text) {
        // A block's hash of digits alone is no number of 64 bits.
        Ok(Value::Number(number)) if number.is_f64() => Value::String(text.to_owned()),
        Ok(value) => value,
        Err(_) => Value::String(text.to_owned()),
    }
}

fn credentials(order: &CliOrder, path: PathBuf) -> Result<String, CliError> {
    let text = match &order.user {
        Some(user) => {
            let password = std::env::var(PASSWORD)
                .map_err(|_| CliError::Usage(format!("--user needs the variable {PASSWORD}")))?;
            format!("{user}:{password}")
        }
        None => match fs::read_to_string(&path) {
            Ok(text) => text.trim().to_owned(),
            Err(error) => return Err(CliError::Credentials { path, text: error.to_string() }),
        },
    };
    Ok(format!("Basic {}", STANDARD.encode(text)))
}

async fn ask(address: SocketAddr, credentials: &str, body: String) -> Result<Value, CliError> {
    let unreachable = |text: String| CliError::Unreachable { address, text };
    let late = || unreachable("no answer in time".to_owned());
    let stream = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = stream.map_err(|_| late())?.map_err(|error| unreachable(error.to_string()))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| unreachable(error.to_string()))?;
    // Ends with the answer, or with the program.
    tokio::spawn(connection);
    let request = hyper::Request::post("/rpc")
        .header(header::HOST, address.to_string())
        .header(header::AUTHORIZATION, credentials)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| CliError::Usage(error.to_string()))?;
    let exchange = async {
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| unreachable(error.to_string()))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MOST_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| CliError::Strange(error.to_string()))?.to_bytes();
        Ok::<_, CliError>((status, body))
    };
    let (status, body) = tokio::time::timeout(ANSWER, exchange).await.map_err(|_| late())??;
    read_answer(status, &body).map_err(|error| match error {
        ReadError::Status(text) => unreachable(text),
        ReadError::Refused(error) => CliError::Refused(error),
        ReadError::Strange(text) => CliError::Strange(text),
    })
}

enum ReadError {
    Status(String),
    Refused(RpcError),
    Strange(String),
}

fn read_answer(status: StatusCode, body: &[u8]) -> Result<Value, ReadError> {
    if status != StatusCode::OK {
        let text = String::from_utf8_lossy(body).trim().to_owned();
        return Err(ReadError::Status(format!("{status}: {text}")));
    }
    let strange = |text: &str| ReadError::Strange(text.to_owned());
    let answer: Value =
        serde_json::from_slice(body).map_err(|error| strange(&error.to_string()))?;
    let Value::Object(mut members) = answer else { return Err(strange("no object")) };
    if let Some(error) = members.remove("error") {
        let error = serde_json::from_value(error).map_err(|error| strange(&error.to_string()))?;
        return Err(ReadError::Refused(error));
    }
    members.remove("result").ok_or_else(|| strange("neither result nor error"))
}

#[cfg(test)]
mod tests {
    use super::{find, read_params};
    use mvs_rpc_api::methods::Method;
    use serde_json::json;

    fn params(method: Method, given: &[&str]) -> serde_json::Value {
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        read_params(method, &given).unwrap()
    }

    #[test]
    fn words_become_parameters() {
        assert_eq!(
            params(Method::ChainBlock, &["7", "full"]),
            json!({"block": 7, "verbosity": "full"})
        );
        assert_eq!(params(Method::ChainBlock, &["verbosity=hex"]), json!({"verbosity": "hex"}));
        let digits = "1".repeat(64);
        assert_eq!(params(Method::ChainBlock, &[&digits]), json!({"block": digits}));
        assert_eq!(params(Method::DidShow, &["123"]), json!({"name": "123"}));
        assert_eq!(
            params(Method::NetworkBan, &["192.0.2.1", "60"]),
            json!({"ip": "192.0.2.1", "seconds": 60})
        );
        assert_eq!(params(Method::AssetShow, &["A=B"]), json!({"symbol": "A=B"}));
        let many: Vec<String> = vec!["1".to_owned(); 3];
        assert!(read_params(Method::ChainHeader, &many).is_err());
        let twice = ["block=1".to_owned(), "block=2".to_owned()];
        assert!(read_params(Method::ChainBlock, &twice).is_err());
    }

    #[test]
    fn a_mistyped_method_is_put_right() {
        let error = find("chain_tipp").unwrap_err().to_string();
        assert!(error.contains("did you mean chain_tip?"), "{error}");
    }
}
