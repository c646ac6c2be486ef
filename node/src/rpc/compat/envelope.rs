//! The request's envelope (rpc.md 2).
//!
//! Parameters become the words of a command line: scalars in their order, and before them the
//! options of the first object. So `"-n"` and `{"number": 2}` both work, as clients expect.

use serde_json::{Map, Value, json};

use super::error::RpcError;

/// The most words of a command line; the rest is cut off, as the first node does.
const MAX_TOKENS: usize = 208;

/// The most bytes of all words together: the hex of the largest transaction, and some more.
const MAX_TOKEN_BYTES: usize = 4 << 20;

/// A method and the words behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) tokens: Vec<String>,
}

/// Reads the envelope. The id is that of the reply, whatever is wrong with the rest.
pub(super) fn read(request: &Value) -> (Value, Result<Call, RpcError>) {
    let Value::Object(request) = request else { return (json!(0), Err(RpcError::parse())) };
    let id = match read_id(request.get("id")) {
        Ok(id) => id,
        Err(error) => return (json!(0), Err(error)),
    };
    (id, read_call(request))
}

/// Returns the id as a number: an integer, or a text of one; 0 when it is absent.
fn read_id(id: Option<&Value>) -> Result<Value, RpcError> {
    match id {
        None | Some(Value::Null) => Ok(json!(0)),
        Some(Value::Number(number)) if !number.is_f64() => Ok(json!(number)),
        Some(Value::String(text)) => text
            .trim()
            .parse::<i64>()
            .map(|id| json!(id))
            .map_err(|_| RpcError::untyped("the id is a text that is no integer")),
        Some(_) => Err(RpcError::request("the id must be an integer")),
    }
}

fn read_call(request: &Map<String, Value>) -> Result<Call, RpcError> {
    let dialect = request.get("jsonrpc").and_then(Value::as_str);
    if !matches!(dialect, Some("2.0" | "3.0")) {
        return Err(RpcError::request("jsonrpc must be \"2.0\""));
    }
    let method = request.get("method").and_then(Value::as_str);
    let method = method.ok_or(RpcError::request("method must be a text"))?.to_owned();
    let tokens = match request.get("params") {
        None => Vec::new(),
        Some(Value::Array(params)) => tokens_of(params)?,
        Some(_) => return Err(RpcError::params("params must be an array")),
    };
    Ok(Call { method, tokens })
}

fn tokens_of(params: &[Value]) -> Result<Vec<String>, RpcError> {
    let mut tokens = Vec::new();
    if let Some(options) = params.iter().find_map(Value::as_object) {
        for (key, value) in options {
            push_option(&mut tokens, key, value)?;
        }
    }
    for param in params.iter().filter(|param| !param.is_object()) {
        tokens.push(scalar(param)?);
        if tokens.len() >= MAX_TOKENS {
            break;
        }
    }
    tokens.truncate(MAX_TOKENS);
    if tokens.iter().map(String::len).sum::<usize>() > MAX_TOKEN_BYTES {
        return Err(RpcError::params("the parameters are too long"));
    }
    Ok(tokens)
}

/// Writes an option of the object as words. `null`, `[]` and `{}` are a bare flag.
fn push_option(tokens: &mut Vec<String>, key: &str, value: &Value) -> Result<(), RpcError> {
    let flag = || format!("--{key}");
    match value {
        Value::Null => tokens.push(flag()),
        Value::Array(items) if items.is_empty() => tokens.push(flag()),
        Value::Object(fields) if fields.is_empty() => tokens.push(flag()),
        Value::Object(_) => return Err(RpcError::params("an option cannot be an object")),
        Value::Array(items) => {
            for item in items.iter().take(MAX_TOKENS) {
                tokens.extend([flag(), scalar(item)?]);
            }
        }
        other => tokens.extend([flag(), scalar(other)?]),
    }
    Ok(())
}

fn scalar(value: &Value) -> Result<String, RpcError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::Bool(value) => Ok(value.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(text.clone()),
        Value::Array(_) | Value::Object(_) => Err(RpcError::params("a list inside the parameters")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{MAX_TOKENS, read};

    fn tokens(params: Value) -> Vec<String> {
        let request = json!({ "jsonrpc": "2.0", "method": "m", "params": params });
        read(&request).1.unwrap().tokens
    }

    fn code(request: Value) -> (Value, i32) {
        let (id, call) = read(&request);
        (id, call.unwrap_err().code)
    }

    #[test]
    fn options_come_before_positionals_and_all_become_words() {
        let params =
            json!(["a", 5, { "n": [1, 2], "flag": null, "empty": "", "e": [] }, true, null]);
        let expected =
            ["--e", "--empty", "", "--flag", "--n", "1", "--n", "2", "a", "5", "true", ""];
        assert_eq!(tokens(params), expected);
        assert_eq!(
            tokens(json!([100000000.0, { "a": 1 }, { "b": 2 }])),
            ["--a", "1", "100000000.0"]
        );
        assert_eq!(tokens(json!(vec![1; 500])).len(), MAX_TOKENS);
    }

    #[test]
    fn each_fault_has_its_number() {
        assert_eq!(code(json!([])), (json!(0), -32_700));
        assert_eq!(code(json!({ "id": 7, "method": "m" })), (json!(7), -32_600));
        assert_eq!(code(json!({ "id": "x", "jsonrpc": "2.0", "method": "m" })), (json!(0), 1_000));
        assert_eq!(
            code(json!({ "id": 1.5, "jsonrpc": "2.0", "method": "m" })),
            (json!(0), -32_600)
        );
        assert_eq!(code(json!({ "id": 1, "jsonrpc": "2.0" })), (json!(1), -32_600));
        let bad = json!({ "id": "9", "jsonrpc": "3.0", "method": "m", "params": {} });
        assert_eq!(code(bad), (json!(9), -32_602));
        let nested = json!({ "id": 1, "jsonrpc": "2.0", "method": "m", "params": [[1]] });
        assert_eq!(code(nested), (json!(1), -32_602));
    }
}
