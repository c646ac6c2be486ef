//! The interface of the chain's first node on the port: who may ask there, and in which form.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use mvs_rpc_api::envelope;
use serde_json::Value;

use super::compat::{self, Version};
use super::server::{JSON, RpcServer, unauthorised};

/// Answers a request in one of the two versions.
///
/// Without credentials the caller is a guest, who may do what the configuration lets guests do.
pub(super) async fn answer(
    State(server): State<Arc<RpcServer>>,
    Path(version): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let version = match version.as_str() {
        "v2" => Version::V2,
        "v3" => Version::V3,
        _ => {
            let text = "/rpc, /rpc/v2 and /rpc/v3 are served\n";
            return (StatusCode::NOT_FOUND, text).into_response();
        }
    };
    if !is_type_of_scripts(&headers) {
        let text = "Content-Type must be application/json\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let is_guest = !headers.contains_key(header::AUTHORIZATION);
    let grant = if is_guest { server.guest } else { server.grant(&headers).await };
    let Some(grant) = grant else { return unauthorised() };
    let (place, body) = match server.take(body).await {
        Ok(taken) => taken,
        Err(refusal) => return refusal,
    };
    let request: Option<Value> =
        envelope::check_depth(&body).ok().and_then(|()| serde_json::from_slice(&body).ok());
    let Some(request) = request else { return reply(&compat::parse_error()) };
    let method = request.get("method").and_then(Value::as_str).unwrap_or_default();
    let right = compat::right(method);
    if !grant.allows(right) {
        return reply(&compat::refusal(
            &request,
            &format!("it needs the right `{}`", right.name()),
        ));
    }
    if let Some(answer) = compat::answer_at_once(version, &server.compat, &request) {
        return reply(&answer);
    }
    let source = server.compat.clone();
    let shared = Arc::new(request.clone());
    let asked = Arc::clone(&shared);
    let effort = compat::effort(method);
    let work = move || Ok(compat::answer(version, &source, &asked));
    let answered = server.context.compat_on(is_guest, effort, work);
    let answer = answered.await.unwrap_or_else(|error| compat::refusal(&shared, &error.message));
    drop(place);
    reply(&answer)
}

fn reply(answer: &Value) -> Response {
    ([(header::CONTENT_TYPE, JSON)], answer.to_string()).into_response()
}

/// Scripts for the first node send JSON under what their program calls it by default: the type of
/// forms, or none. No form sends JSON under these (a browser writes a form's body with `%`), and what
/// a page's script sends has an `Origin`.
fn is_type_of_scripts(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (first, second) = (types.next(), types.next());
    let Some(first) = first else { return true };
    let media = first.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let is_usual =
        [JSON, "application/x-www-form-urlencoded"].iter().any(|t| media.eq_ignore_ascii_case(t));
    second.is_none() && is_usual
}
