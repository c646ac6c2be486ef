//! What other programs may ask the node: JSON-RPC over HTTP and WebSocket, metrics, health.
//!
//! ```text
//! server   one port: guard (Host, Origin) -> auth (who may what) -> dispatch (envelope) -> methods
//! socket   the same over a WebSocket, and subscriptions
//! hub      what subscribers pull from: the view, and the owner's journal
//! show     chain data as the API's types
//! methods  what each method does, by group
//! compat   the commands of the chain's first node
//! ```
//!
//! Nothing here runs on the chain's thread. What reads the chain works on a snapshot: one block at most
//! where the question arrived, more on the threads for blocking work; what only the owner knows is asked through its queue. Every wait has an end, and
//! everything that a caller can make us keep has a bound. The types and the table of methods are in
//! `mvs-rpc-api`. Start reading in `server`, `dispatch` and `hub`.

mod auth;
pub mod compat;
mod compat_route;
mod context;
mod cursor;
mod dispatch;
mod fault;
mod guard;
mod hub;
mod listener;
mod methods;
mod pages;
mod server;
mod show;
mod socket;
mod subscription;
mod users;

pub use auth::{Auth, AuthError, COOKIE_FILE};
pub use context::Context;
pub use fault::RpcResult;
pub use guard::Guard;
pub use hub::Hub;
pub use methods::mining::payout_script;
pub use pages::watch_pages;
pub use server::{RpcServer, default_port, serve, serve_router};
pub use users::{Grant, User, UserError, Users};
