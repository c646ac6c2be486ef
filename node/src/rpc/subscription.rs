//! What one subscriber is told next.

use mvs_primitives::address::Address;
use mvs_primitives::height::Height;
use mvs_rpc_api::error::{ErrorCode, RpcError};
use mvs_rpc_api::types::subscription::{ConnectedBlock, Event, EventSubscribeParams, Topic};
use mvs_store::{BlockInfo, EntryCursor, Order, StoreError, TxPlace};

use super::context::Context;
use super::cursor::{ChainCursor, PoolCursor};
use super::fault::{self, RpcResult};
use super::hub::Hub;
use super::methods::address::{check_index, entry};
use crate::chain::events::TipView;
use crate::chain::journal::PoolChange;

/// Events that are made at a time, before they are sent.
const PORTION: usize = 256;
/// Lines of a history that are read at a time.
const LINES: usize = 1_000;

/// A subscription and how far it has been told.
#[derive(Debug, Clone)]
pub(super) enum Subscription {
    Tip(ChainCursor),
    Blocks(ChainCursor),
    Mempool(PoolCursor),
    Address(Address, ChainCursor),
}

/// Events with the cursor behind each, and whether there may be more at once.
#[derive(Debug, Default)]
pub(super) struct Portion {
    pub(super) events: Vec<(String, Event)>,
    pub(super) has_more: bool,
}

fn gone() -> RpcError {
    RpcError::of(ErrorCode::CursorGone)
}

impl Subscription {
    /// Begins at a cursor, or now.
    pub(super) fn begin(context: &Context, params: &EventSubscribeParams) -> RpcResult<Self> {
        let hub = &context.hub;
        if params.topic == Topic::Mempool {
            refuse_address(params)?;
            let Some(text) = &params.cursor else { return Ok(Self::Mempool(hub.pool_cursor())) };
            let cursor = PoolCursor::parse(text).ok_or_else(|| fault::bad("cursor: no cursor"))?;
            return match hub.changes(&cursor, 0) {
                Some(_) => Ok(Self::Mempool(cursor)),
                None => Err(gone()),
            };
        }
        let view = hub.view();
        let cursor = match &params.cursor {
            None => ChainCursor { height: view.tip.height, hash: view.tip.hash },
            Some(text) => {
                let cursor =
                    ChainCursor::parse(text).ok_or_else(|| fault::bad("cursor: no cursor"))?;
                let is_known = is_on(&view, &cursor)? || hub.parent_of(&cursor).is_some();
                // A tip needs no way back.
                if !is_known && params.topic != Topic::Tip {
                    return Err(gone());
                }
                cursor
            }
        };
        match params.topic {
            Topic::Address => {
                let text = params.address.as_deref();
                let text = text.ok_or_else(|| fault::bad("address: must be given"))?;
                let address = context.address(text)?;
                check_index(&view)?;
                Ok(Self::Address(address, cursor))
            }
            topic => {
                refuse_address(params)?;
                let is_tip = topic == Topic::Tip;
                Ok(if is_tip { Self::Tip(cursor) } else { Self::Blocks(cursor) })
            }
        }
    }

    /// Returns the cursor behind what has been told.
    pub(super) fn cursor(&self) -> String {
        match self {
            Self::Tip(cursor) | Self::Blocks(cursor) | Self::Address(_, cursor) => {
                cursor.to_string()
            }
            Self::Mempool(cursor) => cursor.to_string(),
        }
    }

    /// Tells whether there may be something to tell: the chain or the pool is not where it was told to be.
    pub(super) fn is_behind(&self, hub: &Hub) -> bool {
        match self {
            Self::Tip(cursor) | Self::Blocks(cursor) | Self::Address(_, cursor) => {
                hub.view().tip.hash != cursor.hash
            }
            Self::Mempool(cursor) => hub.pool_cursor() != *cursor,
        }
    }

    /// Tells whether [`Subscription::advance`] reads the chain.
    pub(super) const fn reads(&self) -> bool {
        matches!(self, Self::Blocks(_) | Self::Address(..))
    }

    /// Makes the next events, and goes on behind them. Reads the chain: for a thread that may block.
    ///
    /// # Errors
    /// [`ErrorCode::CursorGone`] when the way from here is lost, or what cannot be read.
    pub(super) fn advance(&mut self, hub: &Hub) -> RpcResult<Portion> {
        match self {
            Self::Tip(cursor) => tell_tip(hub, cursor),
            Self::Blocks(cursor) => {
                let view = hub.view();
                let mut portion = Portion::default();
                while portion.events.len() < PORTION {
                    let event = match step_back(hub, &view, cursor)? {
                        Some(event) => event,
                        None => match step_up(&view, cursor)? {
                            Some(event) => event,
                            None => return Ok(portion),
                        },
                    };
                    portion.events.push((cursor.to_string(), event));
                }
                portion.has_more = true;
                Ok(portion)
            }
            Self::Mempool(cursor) => {
                let changes = hub.changes(cursor, PORTION).ok_or_else(gone)?;
                let has_more = changes.len() == PORTION;
                let mut events = Vec::with_capacity(changes.len());
                for change in changes {
                    cursor.next = cursor.next.saturating_add(1);
                    let event = match change {
                        PoolChange::Added(txid) => Event::Added { txid: txid.to_string() },
                        PoolChange::Removed(txid, reason) => {
                            Event::Removed { txid: txid.to_string(), reason: reason.to_owned() }
                        }
                    };
                    events.push((cursor.to_string(), event));
                }
                Ok(Portion { events, has_more })
            }
            Self::Address(address, cursor) => tell_address(hub, address, cursor),
        }
    }
}

fn refuse_address(params: &EventSubscribeParams) -> RpcResult<()> {
    match params.address {
        Some(_) => Err(fault::bad("address: only for that topic")),
        None => Ok(()),
    }
}

fn is_on(view: &TipView, cursor: &ChainCursor) -> RpcResult<bool> {
    let hash = view.snapshot.hash(cursor.height).map_err(|error| fault::of_store(&error))?;
    Ok(hash == Some(cursor.hash))
}

fn tell_tip(hub: &Hub, cursor: &mut ChainCursor) -> RpcResult<Portion> {
    let tip = hub.view().tip;
    let now = ChainCursor { height: tip.height, hash: tip.hash };
    if now == *cursor {
        return Ok(Portion::default());
    }
    *cursor = now;
    Ok(Portion { events: vec![(now.to_string(), Event::Tip(now.block()))], has_more: false })
}

/// Leaves a block that is not part of the chain any more.
fn step_back(hub: &Hub, view: &TipView, cursor: &mut ChainCursor) -> RpcResult<Option<Event>> {
    if is_on(view, cursor)? {
        return Ok(None);
    }
    let parent = hub.parent_of(cursor).ok_or_else(gone)?;
    let event = Event::Disconnected(cursor.block());
    *cursor = parent;
    Ok(Some(event))
}

/// A block of the chain that the store does not have: never "nothing happened".
fn lost(height: Height) -> RpcError {
    fault::of_store(&StoreError::Disagree { height, what: "a block of the chain is lost" })
}

fn info(view: &TipView, height: Height) -> RpcResult<Option<BlockInfo>> {
    view.snapshot.info(height).map_err(|error| fault::of_store(&error))
}

fn step_up(view: &TipView, cursor: &mut ChainCursor) -> RpcResult<Option<Event>> {
    let Some(next) = cursor.height.next() else { return Ok(None) };
    let Some(info) = info(view, next)? else {
        return if next <= view.tip.height { Err(lost(next)) } else { Ok(None) };
    };
    *cursor = ChainCursor { height: next, hash: info.hash };
    Ok(Some(Event::Connected(ConnectedBlock {
        height: next.value(),
        hash: info.hash.to_string(),
        previous: info.header.previous.to_string(),
        timestamp: info.header.timestamp.unix_secs(),
        transactions: info.transactions,
        size: info.block_bytes(),
    })))
}

/// The last place of a block in a history.
const fn end_of(height: Height) -> EntryCursor {
    let place = TxPlace { height, number: u32::MAX };
    EntryCursor { place, is_output: true, index: u32::MAX }
}

fn tell_address(hub: &Hub, address: &Address, cursor: &mut ChainCursor) -> RpcResult<Portion> {
    let view = hub.view();
    let mut portion = Portion::default();
    while let Some(event) = step_back(hub, &view, cursor)? {
        portion.events.push((cursor.to_string(), event));
        if portion.events.len() >= PORTION {
            portion.has_more = true;
            return Ok(portion);
        }
    }
    check_index(&view)?;
    let read = |after: EntryCursor| {
        view.snapshot
            .address_history(address, Order::OldestFirst, Some(after), LINES)
            .map_err(|error| fault::of_store(&error))
    };
    let mut lines = read(end_of(cursor.height))?;
    let is_all = lines.len() < LINES;
    if let Some(last) = lines.last().map(|line| line.cursor).filter(|_| !is_all) {
        let height = last.place.height;
        if lines.first().is_some_and(|line| line.cursor.place.height < height) {
            // The last block may go on: it is told with the next portion.
            lines.retain(|line| line.cursor.place.height < height);
        } else {
            // One block alone: it is read to its end, and no block has more lines than bytes.
            let mut after = last;
            loop {
                let more = read(after)?;
                let count = more.len();
                lines.extend(more.into_iter().filter(|line| line.cursor.place.height == height));
                match lines.last().map(|line| line.cursor) {
                    Some(end) if count == LINES && end != after => after = end,
                    _ => break,
                }
            }
        }
    }
    for block in lines.chunk_by(|a, b| a.cursor.place.height == b.cursor.place.height) {
        let Some(height) = block.first().map(|line| line.cursor.place.height) else { continue };
        let info = info(&view, height)?.ok_or_else(|| lost(height))?;
        *cursor = ChainCursor { height, hash: info.hash };
        let event = Event::Activity {
            height: height.value(),
            hash: info.hash.to_string(),
            entries: block.iter().map(|line| entry(&view, line, None)).collect(),
        };
        portion.events.push((cursor.to_string(), event));
    }
    if is_all {
        // Nothing more up to the tip.
        *cursor = ChainCursor { height: view.tip.height, hash: view.tip.hash };
    }
    portion.has_more = !is_all;
    Ok(portion)
}
