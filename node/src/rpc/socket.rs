//! A WebSocket: the same requests, and events.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket};
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::network::Done;
use mvs_rpc_api::types::subscription::{
    Event, EventSubscribeParams, EventUnsubscribeParams, Notification, Subscribed,
};

use super::context::Context;
use super::dispatch;
use super::fault::RpcResult;
use super::subscription::{Portion, Subscription};
use super::users::Grant;

/// Most subscriptions of a connection.
const MOST_SUBSCRIPTIONS: usize = 64;
/// A connection that does not take a message for so long is closed.
const SLOWEST: Duration = Duration::from_secs(10);
/// Between two signs of life that are asked for; without any the listener closes the connection.
const PING: Duration = Duration::from_secs(30);

/// The subscriptions of a connection.
#[derive(Debug, Default)]
pub(super) struct Session {
    subscriptions: BTreeMap<u32, Subscription>,
    last: u32,
}

impl Session {
    pub(super) async fn subscribe(
        &mut self,
        context: &Context,
        params: EventSubscribeParams,
    ) -> RpcResult<Subscribed> {
        if self.subscriptions.len() >= MOST_SUBSCRIPTIONS {
            return Err(RpcError::of(ErrorCode::TooManySubscriptions));
        }
        let own = context.clone();
        let subscription = context.block_on(move || Subscription::begin(&own, &params)).await?;
        self.last = self
            .last
            .checked_add(1)
            .ok_or_else(|| RpcError::of(ErrorCode::TooManySubscriptions))?;
        let cursor = subscription.cursor();
        self.subscriptions.insert(self.last, subscription);
        Ok(Subscribed { subscription: self.last, cursor })
    }

    pub(super) fn unsubscribe(&mut self, params: &EventUnsubscribeParams) -> RpcResult<Done> {
        match self.subscriptions.remove(&params.subscription) {
            Some(_) => Ok(Done { done: true }),
            None => Err(RpcError::of(ErrorCode::SubscriptionNotFound)),
        }
    }

    /// Makes the next events of every subscription, with its number.
    async fn advance(&mut self, context: &Context) -> Vec<(u32, RpcResult<Portion>)> {
        let mut told = Vec::new();
        for (number, subscription) in &mut self.subscriptions {
            if !subscription.is_behind(&context.hub) {
                continue;
            }
            if !subscription.reads() {
                told.push((*number, subscription.advance(&context.hub)));
                continue;
            }
            let (hub, mut moved) = (context.hub.clone(), subscription.clone());
            let made =
                context.block_on(move || moved.advance(&hub).map(|portion| (moved, portion))).await;
            match made {
                Ok((moved, portion)) => {
                    *subscription = moved;
                    told.push((*number, Ok(portion)));
                }
                // Later.
                Err(error) if error.is(ErrorCode::Busy) => {
                    let portion = Portion { events: Vec::new(), has_more: true };
                    told.push((*number, Ok(portion)));
                }
                Err(error) if error.is(ErrorCode::IndexIncomplete) => {}
                Err(error) => told.push((*number, Err(error))),
            }
        }
        told
    }
}

/// The connection is to be closed.
struct Close;

/// Serves a connection to its end.
pub(super) async fn serve(mut socket: WebSocket, context: Context, grant: Grant) {
    let mut session = Session::default();
    // However it ends, the connection closes when it is dropped.
    let _ = talk(&mut socket, &context, grant, &mut session).await;
}

async fn talk(
    socket: &mut WebSocket,
    context: &Context,
    grant: Grant,
    session: &mut Session,
) -> Result<(), Close> {
    let (mut views, mut pool) = context.hub.watch();
    let mut ping = tokio::time::interval(PING);
    ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Marked as seen before the events are made: what comes meanwhile wakes us again.
        views.borrow_and_update();
        pool.borrow_and_update();
        let has_more = tell(socket, context, session).await?;
        tokio::select! {
            biased;
            () = context.stop.wait() => return Err(Close),
            message = socket.recv() => hear(socket, context, grant, session, message).await?,
            _ = ping.tick() => send(socket, Message::Ping(bytes::Bytes::new())).await?,
            // While there is more, only what has already come is heard.
            () = std::future::ready(()), if has_more => {}
            changed = views.changed() => changed.map_err(|_| Close)?,
            changed = pool.changed() => changed.map_err(|_| Close)?,
        }
    }
}

async fn hear(
    socket: &mut WebSocket,
    context: &Context,
    grant: Grant,
    session: &mut Session,
    message: Option<Result<Message, axum::Error>>,
) -> Result<(), Close> {
    let body = match message {
        Some(Ok(Message::Text(text))) => bytes::Bytes::copy_from_slice(text.as_str().as_bytes()),
        Some(Ok(Message::Binary(body))) => body,
        // Answered before more is heard: whoever pings and does not read must not fill our memory.
        Some(Ok(Message::Ping(payload))) => return send(socket, Message::Pong(payload)).await,
        Some(Ok(Message::Pong(_))) => return Ok(()),
        Some(Ok(Message::Close(_)) | Err(_)) | None => return Err(Close),
    };
    // As many as there is room for, however they come.
    let Some(_place) = context.body_turn() else {
        return send(socket, text(dispatch::busy())).await;
    };
    match dispatch::answer(context, grant, &body, Some(session)).await {
        Some(answer) => send(socket, text(answer)).await,
        None => Ok(()),
    }
}

/// Sends what there is to tell; tells whether there may be more.
async fn tell(
    socket: &mut WebSocket,
    context: &Context,
    session: &mut Session,
) -> Result<bool, Close> {
    let mut has_more = false;
    for (subscription, portion) in session.advance(context).await {
        let portion = match portion {
            Ok(portion) => portion,
            Err(error) => {
                let cursor = match session.subscriptions.remove(&subscription) {
                    Some(ended) => ended.cursor(),
                    None => String::new(),
                };
                let event = Event::Gap { reason: error.to_string() };
                notify(socket, Notification { subscription, cursor, event }).await?;
                continue;
            }
        };
        has_more |= portion.has_more;
        for (cursor, event) in portion.events {
            notify(socket, Notification { subscription, cursor, event }).await?;
        }
    }
    Ok(has_more)
}

async fn notify(socket: &mut WebSocket, notification: Notification) -> Result<(), Close> {
    let message = serde_json::json!({
        "jsonrpc": "2.0",
        "method": "event",
        "params": notification,
    });
    send(socket, text(message.to_string().into_bytes())).await
}

fn text(bytes: Vec<u8>) -> Message {
    match String::from_utf8(bytes) {
        Ok(text) => Message::Text(text.into()),
        // JSON is UTF-8.
        Err(error) => Message::Binary(error.into_bytes().into()),
    }
}

/// Sends a message, or gives the connection up: nothing waits for slow ones.
async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Close> {
    match tokio::time::timeout(SLOWEST, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(Close),
        Err(_) => {
            tracing::debug!(target: "rpc", "a subscriber does not read; dropped");
            Err(Close)
        }
    }
}
