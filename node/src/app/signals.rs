//! Ctrl-C and the system's request to end.
//!
//! The first one stops cleanly, the second says what is being waited for, the third ends at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::signal::unix::{SignalKind, signal};

use crate::chain::stop::Stop;

/// The exit code of the third Ctrl-C.
const FORCED: i32 = 130;

/// What a stop is waiting for, for people who ask.
#[derive(Debug, Clone, Default)]
pub(super) struct Awaited(Arc<Mutex<String>>);

impl Awaited {
    pub(super) fn set(&self, what: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = what.to_owned();
    }

    fn get(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Watches for signals until the process ends.
#[expect(clippy::print_stderr, clippy::exit, reason = "somebody at the terminal insists")]
pub(super) async fn watch(stop: Stop, awaited: Awaited) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!(target: "app", "signals cannot be watched; end the node by other means");
        return;
    };
    let mut count = 0;
    loop {
        tokio::select! {
            _ = interrupt.recv() => count += 1,
            // The system asks once and then kills; it need not insist.
            _ = terminate.recv() => count = count.max(1),
        }
        match count {
            1 => {
                if !stop.is_set() {
                    tracing::info!(target: "app", "stopping");
                }
                stop.set();
            }
            2 => eprintln!("mvs-node: waiting for {}; once more to end at once", awaited.get()),
            _ => std::process::exit(FORCED),
        }
    }
}

/// Watches for signals on a thread of its own, for commands without a runtime. The thread ends with
/// the process.
pub(super) fn watch_thread(stop: &Stop, what: &str) -> Option<std::thread::JoinHandle<()>> {
    let (stop, awaited) = (stop.clone(), Awaited::default());
    awaited.set(what);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(watch(stop, awaited)))
        .ok()
}
