//! The envelope of the RPC, and the parameters of every method.

use mvs_rpc_api::envelope::{
    Id, Incoming, MAX_BATCH, MAX_BODY_BYTES, Refused, Request, Response, read,
};
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::methods::Method;
use serde_json::Value;

/// Reads a body as the server does, up to the call, and answers with an error.
pub(crate) fn envelope(data: &[u8]) {
    match read(data) {
        Err(error) => known(&error),
        Ok(incoming) => {
            assert!(data.len() <= MAX_BODY_BYTES);
            match incoming {
                Incoming::Single(one) => check(one),
                Incoming::Batch(all) => {
                    assert!((1..=MAX_BATCH).contains(&all.len()));
                    all.into_iter().for_each(check);
                }
            }
        }
    }
}

fn check(one: Result<Request, Refused>) {
    match one {
        Err(Refused { id, error }) => {
            known(&error);
            answered(id, error);
        }
        Ok(request) => {
            let id = request.id.clone().unwrap_or(Id::Null);
            // As it is meant, and as anything else.
            let meant = Method::from_name(&request.method);
            for method in meant.iter().chain(Method::ALL) {
                match method.read(request.params.clone()) {
                    Ok(call) => assert_eq!(call.method(), *method),
                    Err(error) => assert!(error.is(ErrorCode::InvalidParams)),
                }
            }
            answered(id, RpcError::of(ErrorCode::MethodNotFound));
        }
    }
}

fn known(error: &RpcError) {
    assert!(ErrorCode::ALL.iter().any(|code| error.is(*code)), "{error}");
}

/// An answer is JSON, and names its request.
fn answered(id: Id, error: RpcError) {
    let answer: Response<Value> = Response { id: id.clone(), outcome: Err(error.clone()) };
    let text = serde_json::to_string(&answer).expect("answers are always writable");
    let value: Value = serde_json::from_str(&text).expect("answers are valid JSON");
    assert_eq!(value["error"]["code"], error.code);
    assert_eq!(serde_json::from_value::<Id>(value["id"].clone()).ok(), Some(id));
}
