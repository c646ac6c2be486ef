//! Asks a node, politely or not.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer by HTTP.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// Where a node is asked, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) address: String,
    pub(crate) credentials: String,
}

impl Client {
    /// Asks with the cookie of a data folder.
    pub(crate) fn new(address: &str, data: &str) -> Self {
        let cookie = std::fs::read_to_string(format!("{data}/.cookie")).unwrap();
        Self { address: address.to_owned(), credentials: cookie }
    }

    pub(crate) fn as_user(&self, credentials: &str) -> Self {
        Self { address: self.address.clone(), credentials: credentials.to_owned() }
    }

    pub(crate) fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(&self.credentials))
    }

    /// Sends bytes and reads to the end.
    pub(crate) fn raw(&self, request: &[u8]) -> Said {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // It may be refused before it was sent to the end.
        let _ = stream.write_all(request);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Said { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Sends a request with headers that replace or add to the usual ones; an empty value leaves one
    /// out.
    pub(crate) fn request(&self, line: &str, more: &[(&str, &str)], body: &str) -> Said {
        let mut headers: HashMap<&str, String> = HashMap::from([
            ("Host", self.address.clone()),
            ("Authorization", self.authorization()),
            ("Content-Type", "application/json".to_owned()),
            ("Content-Length", body.len().to_string()),
            ("Connection", "close".to_owned()),
        ]);
        for (name, value) in more {
            match value.is_empty() {
                true => headers.remove(name),
                false => headers.insert(name, (*value).to_owned()),
            };
        }
        let mut request = format!("{line} HTTP/1.1\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        request += body;
        self.raw(request.as_bytes())
    }

    pub(crate) fn post(&self, body: &str) -> Said {
        self.request("POST /rpc", &[], body)
    }

    pub(crate) fn get(&self, path: &str) -> Said {
        self.request(&format!("GET {path}"), &[], "")
    }

    /// Calls a method: the result, or the error.
    pub(crate) fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        let said = self.post(&body.to_string());
        assert_eq!(said.status, 200, "{method}: {said:?}");
        outcome(serde_json::from_str(&said.body).unwrap())
    }

    /// The number of the error of a call.
    pub(crate) fn error(&self, method: &str, params: Value) -> i64 {
        let error = self.call(method, params.clone());
        let error = error.expect_err(&format!("{method} {params} should fail"));
        error["code"].as_i64().unwrap()
    }

    /// Opens a WebSocket.
    pub(crate) fn socket(&self) -> Socket {
        let mut request = format!("ws://{}/rpc", self.address).into_client_request().unwrap();
        request.headers_mut().insert("authorization", self.authorization().parse().unwrap());
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tokio_tungstenite::tungstenite::client(request, stream).unwrap();
        Socket { socket, events: Vec::new() }
    }
}

fn outcome(answer: Value) -> Result<Value, Value> {
    assert_eq!((&answer["jsonrpc"], &answer["id"]), (&json!("2.0"), &json!(7)), "{answer}");
    match (answer.get("result"), answer.get("error")) {
        (Some(result), None) => Ok(result.clone()),
        (None, Some(error)) => Err(error.clone()),
        _ => panic!("neither or both: {answer}"),
    }
}

/// A WebSocket to a node.
pub(crate) struct Socket {
    socket: WebSocket<TcpStream>,
    events: Vec<Value>,
}

impl Socket {
    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }

    /// Calls a method; events that come meanwhile are kept.
    pub(crate) fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let body = json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params});
        self.socket.send(Message::text(body.to_string())).unwrap();
        loop {
            let message = self.read();
            if message.get("id").is_some() {
                return outcome(message);
            }
            self.events.push(message);
        }
    }

    /// The next event, as `{subscription, cursor, event}`.
    pub(crate) fn event(&mut self) -> Value {
        let message = match self.events.is_empty() {
            true => self.read(),
            false => self.events.remove(0),
        };
        assert_eq!(message["method"], "event", "{message}");
        message["params"].clone()
    }
}
