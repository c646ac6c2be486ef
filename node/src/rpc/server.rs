//! The port: who is let in, and where a request goes.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::serve::Listener as _;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mvs_consensus::params::Params;
use mvs_rpc_api::envelope::MAX_BODY_BYTES;
use mvs_rpc_api::methods::Right;
use mvs_rpc_api::openrpc;
use tokio::net::TcpListener;
use tokio::sync::OwnedSemaphorePermit;

use super::auth::Auth;
use super::compat::NodeSource;
use super::compat_route;
use super::context::Context;
use super::guard::{Guard, Refusal};
use super::listener::Bounded;
use super::users::Grant;
use super::{dispatch, pages, socket};
use crate::chain::stop::Stop;

/// How long the head of a request may take to arrive, and a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(20);
/// How long a body may take to arrive.
const BODY: Duration = Duration::from_secs(20);
/// Bytes that may wait to be sent over a WebSocket: the longest answer, and some more.
const MOST_UNSENT_BYTES: usize = 48 << 20;
/// The media type of requests and answers.
pub(super) const JSON: &str = "application/json";

/// What the server knows.
#[derive(Debug)]
pub struct RpcServer {
    /// The parts of the node.
    pub context: Context,
    /// Who may ask.
    pub auth: Auth,
    /// What callers without a password may do at the first node's interface.
    pub guest: Option<Grant>,
    /// Which pages and names may.
    pub guard: Guard,
    /// The node in the first node's shapes.
    pub(super) compat: NodeSource,
    document: Bytes,
    /// Others than this machine can reach the port.
    is_public: bool,
}

impl RpcServer {
    /// Puts the parts together, for ports at these addresses.
    pub fn new(
        context: Context,
        auth: Auth,
        guest: Option<Grant>,
        guard: Guard,
        addresses: &[SocketAddr],
    ) -> Self {
        let document = openrpc::document(env!("CARGO_PKG_VERSION"));
        Self {
            compat: NodeSource::new(
                Arc::clone(&context.params),
                context.chain.clone(),
                context.network.clone(),
                context.payee.clone(),
                context.is_mining,
            ),
            context,
            auth,
            guest,
            guard,
            document: Bytes::from(document.to_string()),
            is_public: addresses.iter().any(|address| !address.ip().is_loopback()),
        }
    }

    pub(super) async fn grant(&self, headers: &HeaderMap) -> Option<Grant> {
        let mut given = headers.get_all(header::AUTHORIZATION).iter();
        let first = given.next();
        if given.next().is_some() {
            return None;
        }
        self.auth.grant(first.map(HeaderValue::as_bytes)).await
    }

    /// Reads a body, within the bounds on length, time, and requests at a time.
    ///
    /// # Errors
    /// The answer to one that is refused.
    pub(super) async fn take(&self, body: Body) -> Result<(OwnedSemaphorePermit, Bytes), Response> {
        let too_large = || {
            let text = format!("the body broke off, or has more than {MAX_BODY_BYTES} bytes\n");
            (StatusCode::PAYLOAD_TOO_LARGE, text).into_response()
        };
        // What says that it is too long need not come first.
        let least = axum::body::HttpBody::size_hint(&body).lower();
        if usize::try_from(least).map_or(true, |least| least > MAX_BODY_BYTES) {
            return Err(too_large());
        }
        match tokio::time::timeout(BODY, to_bytes(body, MAX_BODY_BYTES)).await {
            // A place is taken once the body is there: one that trickles in keeps nobody out.
            Ok(Ok(body)) => match self.context.body_turn() {
                Some(place) => Ok((place, body)),
                None => {
                    let text = "too many requests at a time\n";
                    Err((StatusCode::SERVICE_UNAVAILABLE, text).into_response())
                }
            },
            Ok(Err(_)) => Err(too_large()),
            Err(_) => {
                let text = "the body did not come in time\n";
                Err((StatusCode::REQUEST_TIMEOUT, text).into_response())
            }
        }
    }
}

/// Returns the port on which a network's nodes are asked by default.
pub fn default_port(params: &Params) -> u16 {
    match params.name.as_str() {
        "mainnet" => 8_820,
        "testnet" => 18_820,
        _ => 28_820,
    }
}

/// Answers until the stop token is set.
pub async fn serve(listener: TcpListener, server: Arc<RpcServer>, stop: Stop) {
    serve_router(listener, router(&server), stop).await;
}

/// Answers with these routes until the stop token is set.
pub async fn serve_router(listener: TcpListener, router: Router, stop: Stop) {
    let mut listener = Bounded::new(listener);
    let mut http = http1::Builder::new();
    // `axum::serve` has no deadline for a head that comes byte by byte, or not at all.
    http.timer(TokioTimer::new()).header_read_timeout(HEAD);
    loop {
        let connection = tokio::select! {
            (connection, _) = listener.accept() => connection,
            () = stop.wait() => return,
        };
        let service = TowerToHyperService::new(router.clone());
        let served = http.serve_connection(TokioIo::new(connection), service).with_upgrades();
        let stop = stop.clone();
        tokio::spawn(async move {
            let mut served = pin!(served);
            // How a connection ends is its caller's affair.
            tokio::select! {
                _ = served.as_mut() => return,
                () = stop.wait() => served.as_mut().graceful_shutdown(),
            }
            let _ = served.await;
        });
    }
}

fn router(server: &Arc<RpcServer>) -> Router {
    let context = &server.context;
    let watched =
        pages::watch_pages(context.chain.clone(), context.network.clone(), context.stop.clone());
    let watched =
        watched.layer(middleware::from_fn_with_state(Arc::clone(server), watch_from_outside));
    Router::new()
        .route("/rpc", post(answer).get(upgrade))
        .route("/rpc/{*version}", post(compat_route::answer).fallback(no_version))
        .route("/openrpc.json", get(document))
        .with_state(Arc::clone(server))
        .merge(watched)
        .layer(middleware::from_fn_with_state(Arc::clone(server), guard))
}

async fn no_version() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, "only POST is answered here\n").into_response()
}

async fn document(State(server): State<Arc<RpcServer>>) -> Response {
    ([(header::CONTENT_TYPE, JSON)], server.document.clone()).into_response()
}

/// Looks at names and origins before anything else is. Connections of callers without credentials end
/// with the answer, unless they are guests who were answered: places are few.
async fn guard(State(server): State<Arc<RpcServer>>, request: Request, next: Next) -> Response {
    let is_known = request.headers().contains_key(header::AUTHORIZATION);
    let is_guest = server.guest.is_some() && request.uri().path().starts_with("/rpc/");
    let mut response = look(State(server), request, next).await;
    let is_answered = response.status().is_success() || response.status().is_informational();
    if !(is_answered && (is_known || is_guest)) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

async fn look(State(server): State<Arc<RpcServer>>, request: Request, next: Next) -> Response {
    let origin = match server.guard.check(request.uri(), request.headers()) {
        Ok(origin) => origin,
        Err(refusal) => {
            let status = match refusal {
                Refusal::NoHost => StatusCode::BAD_REQUEST,
                Refusal::Host | Refusal::Origin => StatusCode::FORBIDDEN,
            };
            return (status, format!("{refusal}\n")).into_response();
        }
    };
    let Some(origin) = origin.and_then(|origin| HeaderValue::try_from(origin).ok()) else {
        return next.run(request).await;
    };
    // A page that the operator allows: its browser asks before it sends.
    let mut response = match *request.method() {
        Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    let allowed = HeaderValue::from_static("authorization, content-type");
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    let methods = HeaderValue::from_static("GET, POST");
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
    response
}

/// On a port that others can reach, numbers are for those who may read.
async fn watch_from_outside(
    State(server): State<Arc<RpcServer>>,
    request: Request,
    next: Next,
) -> Response {
    let is_open = !server.is_public || matches!(request.uri().path(), "/healthy" | "/ready");
    if is_open || server.grant(request.headers()).await.is_some_and(|g| g.allows(Right::Read)) {
        return next.run(request).await;
    }
    unauthorised()
}

pub(super) fn unauthorised() -> Response {
    let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"mvs-node\"")];
    (StatusCode::UNAUTHORIZED, ask, "see the node's .cookie file, or rpc_users\n").into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else { return false };
    let media = given.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    media.trim().eq_ignore_ascii_case(JSON)
}

async fn answer(State(server): State<Arc<RpcServer>>, headers: HeaderMap, body: Body) -> Response {
    // What a form of a web page can send is refused before anything is read.
    if !is_json(&headers) {
        let text = "Content-Type must be application/json\n";
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, text).into_response();
    }
    let Some(grant) = server.grant(&headers).await else { return unauthorised() };
    let (_place, body) = match server.take(body).await {
        Ok(taken) => taken,
        Err(refusal) => return refusal,
    };
    match dispatch::answer(&server.context, grant, &body, None).await {
        Some(answer) => ([(header::CONTENT_TYPE, JSON)], answer).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

async fn upgrade(
    State(server): State<Arc<RpcServer>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(grant) = server.grant(&headers).await else { return unauthorised() };
    let context = server.context.clone();
    upgrade
        .max_message_size(MAX_BODY_BYTES)
        .max_frame_size(MAX_BODY_BYTES)
        .max_write_buffer_size(MOST_UNSENT_BYTES)
        .on_upgrade(move |socket| socket::serve(socket, context, grant))
}
