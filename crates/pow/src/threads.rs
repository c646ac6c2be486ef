//! Starting threads, for those who asked for them.

use std::thread;

/// Runs the same work on this many threads (at least one) and returns when all are done.
///
/// One unpinned thread is the caller's own. Fewer run if the system refuses more: `work` must share
/// what there is to do, not divide it beforehand. Pinned threads stay on one processor each.
pub(crate) fn run(name: &str, threads: usize, pinned: bool, work: impl Fn() + Sync) {
    if threads <= 1 && !pinned {
        return work();
    }
    thread::scope(|scope| {
        let work = &work;
        let start = |i| {
            let body = move || {
                if pinned {
                    pin(i);
                }
                work();
            };
            thread::Builder::new().name(format!("{name}-{i}")).spawn_scoped(scope, body)
        };
        let started = (0..threads.max(1)).map_while(|i| start(i).ok()).count();
        if started == 0 {
            work();
        }
    });
}

/// Keeps the calling thread on one of the processors it may use. A refusal is no error: the thread
/// works all the same.
#[cfg(target_os = "linux")]
fn pin(thread: usize) {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    let Ok(allowed) = sched_getaffinity(None) else { return };
    let allowed: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let mut one = CpuSet::new();
    one.set(allowed[thread % allowed.len()]);
    let _ = sched_setaffinity(None, &one);
}

#[cfg(not(target_os = "linux"))]
fn pin(_thread: usize) {}
