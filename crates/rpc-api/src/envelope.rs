//! The envelope of JSON-RPC 2.0: requests, batches, answers.
//!
//! The bytes are a stranger's. Their length and the depth of their nesting are looked at before a
//! parser is, and a batch is counted before anything in it is done.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{ErrorCode, RpcError};

/// The longest body in bytes.
pub const MAX_BODY_BYTES: usize = 1 << 20;
/// The most requests of a batch.
pub const MAX_BATCH: usize = 100;
/// How deep arrays and objects may be nested.
pub const MAX_DEPTH: usize = 32;
/// The longest identifier in bytes, as it is written.
const MAX_ID_BYTES: usize = 256;

/// What a caller names his request, to know the answer by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Id {
    /// A whole number.
    Number(i64),
    /// A text.
    Text(String),
    /// None, which JSON-RPC allows and discourages; the answer to a request that cannot be read.
    Null,
}

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its name; without one nobody waits for an answer.
    pub id: Option<Id>,
    /// What is asked.
    pub method: String,
    /// With what: an array, an object, or nothing.
    pub params: Option<Value>,
}

/// What a body holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// One request, or why it is none.
    Single(Result<Request, Refused>),
    /// Several, each with its own fate.
    Batch(Vec<Result<Request, Refused>>),
}

/// A request that cannot be read, with its name where that could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The name.
    pub id: Id,
    /// Why.
    pub error: RpcError,
}

impl From<RpcError> for Refused {
    fn from(error: RpcError) -> Self {
        Self { id: Id::Null, error }
    }
}

/// Reads a body.
///
/// # Errors
/// The one error that answers the whole body: too long, no JSON, too deep, a bad batch.
pub fn read(body: &[u8]) -> Result<Incoming, RpcError> {
    if body.len() > MAX_BODY_BYTES {
        let text = format!("{} bytes, at most {MAX_BODY_BYTES} are allowed", body.len());
        return Err(RpcError::new(ErrorCode::InvalidRequest, text));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| RpcError::new(ErrorCode::Parse, "the body is not UTF-8"))?;
    check_depth(body)?;
    // Whole numbers beyond 64 bits and the like are left to whoever reads the parameters.
    let parse = |error: serde_json::Error| RpcError::new(ErrorCode::Parse, error.to_string());
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'[') {
        let value: Value = serde_json::from_str(text).map_err(parse)?;
        return Ok(Incoming::Single(read_one(value)));
    }
    // Not read into values before they are counted.
    let parts: Vec<&RawValue> = serde_json::from_str(text).map_err(parse)?;
    if parts.is_empty() || parts.len() > MAX_BATCH {
        let text = format!("a batch of {}, 1 to {MAX_BATCH} are allowed", parts.len());
        return Err(RpcError::new(ErrorCode::InvalidRequest, text));
    }
    let read_part = |part: &RawValue| {
        let value = serde_json::from_str(part.get()).map_err(parse)?;
        read_one(value)
    };
    Ok(Incoming::Batch(parts.into_iter().map(read_part).collect()))
}

/// Looks at the depth of nesting before a parser does.
///
/// # Errors
/// [`ErrorCode::Parse`] beyond [`MAX_DEPTH`].
pub fn check_depth(body: &[u8]) -> Result<(), RpcError> {
    let (mut depth, mut is_text, mut is_escaped) = (0usize, false, false);
    for byte in body {
        if is_text {
            match byte {
                _ if is_escaped => is_escaped = false,
                b'\\' => is_escaped = true,
                b'"' => is_text = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => is_text = true,
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let text = format!("nested deeper than {MAX_DEPTH}");
            return Err(RpcError::new(ErrorCode::Parse, text));
        }
    }
    Ok(())
}

fn read_one(value: Value) -> Result<Request, Refused> {
    let invalid = |text: &str| RpcError::new(ErrorCode::InvalidRequest, text);
    let Value::Object(mut members) = value else {
        return Err(invalid("a request is an object").into());
    };
    let id = match members.remove("id") {
        None => None,
        Some(Value::Null) => Some(Id::Null),
        Some(Value::String(text)) if text.len() <= MAX_ID_BYTES => Some(Id::Text(text)),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(number) => Some(Id::Number(number)),
            None => return Err(invalid("an id is a whole number of 64 bits or a text").into()),
        },
        Some(_) => return Err(invalid("an id is a whole number or a short text").into()),
    };
    let refuse = |id: &Option<Id>, text: &str| Refused {
        id: id.clone().unwrap_or(Id::Null),
        error: invalid(text),
    };
    if members.remove("jsonrpc") != Some(Value::String("2.0".to_owned())) {
        return Err(refuse(&id, "`jsonrpc` must be \"2.0\""));
    }
    let Some(Value::String(method)) = members.remove("method") else {
        return Err(refuse(&id, "`method` must be a text"));
    };
    let params = match members.remove("params") {
        None => None,
        Some(params @ (Value::Array(_) | Value::Object(_))) => Some(params),
        Some(_) => return Err(refuse(&id, "`params` must be an array or an object")),
    };
    Ok(Request { id, method, params })
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Response<T> {
    /// The name of the request.
    pub id: Id,
    /// What came of it.
    pub outcome: Result<T, RpcError>,
}

impl<T: Serialize> Serialize for Response<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;
        let mut answer = serializer.serialize_struct("Response", 3)?;
        answer.serialize_field("jsonrpc", "2.0")?;
        match &self.outcome {
            Ok(result) => answer.serialize_field("result", result)?,
            Err(error) => answer.serialize_field("error", error)?,
        }
        answer.serialize_field("id", &self.id)?;
        answer.end()
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Id, Incoming, MAX_BATCH, MAX_BODY_BYTES, MAX_DEPTH, Refused, Request, Response, read,
    };
    use crate::error::{ErrorCode, RpcError};

    fn single(body: &str) -> Result<Request, Refused> {
        match read(body.as_bytes()).map_err(Refused::from)? {
            Incoming::Single(one) => one,
            Incoming::Batch(_) => panic!("no batch"),
        }
    }

    fn code(body: &str) -> i32 {
        single(body).unwrap_err().error.code
    }

    #[test]
    fn requests_of_either_form_are_read() {
        let read = single(r#"{"jsonrpc":"2.0","id":"a","method":"m","params":{"x":1}}"#).unwrap();
        assert_eq!((read.id, read.method.as_str()), (Some(Id::Text("a".to_owned())), "m"));
        let read = single(r#" {"jsonrpc":"2.0","method":"m","params":[1]}"#).unwrap();
        assert_eq!(read.id, None);
        let Incoming::Batch(all) =
            super::read(br#"[{"jsonrpc":"2.0","id":1,"method":"m"}, 7]"#).unwrap()
        else {
            panic!("a batch")
        };
        assert!(all[0].is_ok() && all[1].is_err());
    }

    #[test]
    fn what_is_no_request_is_told_apart_from_what_is_no_json() {
        assert_eq!(code("{"), ErrorCode::Parse.number());
        assert_eq!(code(""), ErrorCode::Parse.number());
        for body in [
            "7",
            "{}",
            "[]",
            r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":[],"method":"m"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"m","params":3}"#,
        ] {
            assert_eq!(code(body), ErrorCode::InvalidRequest.number(), "{body}");
        }
        let refused = single(r#"{"jsonrpc":"1.0","id":9,"method":"m"}"#).unwrap_err();
        assert_eq!(refused.id, Id::Number(9));
    }

    #[test]
    fn limits_hold_at_their_edge() {
        let request = r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#;
        let batch = |count: usize| format!("[{}]", vec![request; count].join(","));
        assert!(read(batch(MAX_BATCH).as_bytes()).is_ok());
        assert!(read(batch(MAX_BATCH + 1).as_bytes()).is_err());
        let deep = |depth: usize| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{open}{close}}}"#)
        };
        assert!(single(&deep(MAX_DEPTH - 1)).is_ok());
        assert_eq!(code(&deep(MAX_DEPTH)), ErrorCode::Parse.number());
        // Brackets in a text nest nothing.
        let text = format!(r#"{{"jsonrpc":"2.0","method":"m\"{}"}}"#, "[".repeat(100));
        assert!(single(&text).is_ok());
        let long = format!("{request}{}", " ".repeat(MAX_BODY_BYTES));
        assert_eq!(code(&long), ErrorCode::InvalidRequest.number());
    }

    #[test]
    fn answers_have_a_result_or_an_error() {
        let good = Response { id: Id::Number(1), outcome: Ok(7) };
        assert_eq!(serde_json::to_string(&good).unwrap(), r#"{"jsonrpc":"2.0","result":7,"id":1}"#);
        let bad: Response<u8> =
            Response { id: Id::Null, outcome: Err(RpcError::of(ErrorCode::Busy)) };
        let text = serde_json::to_string(&bad).unwrap();
        assert!(text.contains("\"code\":1002") && text.ends_with("\"id\":null}"), "{text}");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(body: Vec<u8>) {
            let _ = read(&body);
        }

        #[test]
        fn nothing_that_looks_like_json_panics(body in r#"[\[\]{}",:0-9a-z \\]{0,60}"#) {
            let _ = read(body.as_bytes());
        }
    }
}
