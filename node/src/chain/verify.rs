//! The threads that verify: seals, bodies, scripts.
//!
//! Four queues: what the chain owner waits for goes first, and the owner helps with it; checks of
//! blocks from peers come after, then headers in bulk, loose transactions last. A thread pool of a
//! library would do, were it not for the order: scripts of the block that is being connected must not wait behind a thousand bodies.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce() + Send>;

/// Threads that verify. Dropped, it finishes the jobs that run and drops those that wait.
pub struct VerifyPool {
    queues: Arc<Queues>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Queues {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    urgent: VecDeque<Job>,
    normal: VecDeque<Job>,
    later: VecDeque<Job>,
    last: VecDeque<Job>,
    /// Threads that wait for a job; nobody is called when there are none.
    asleep: usize,
    is_closed: bool,
}

impl State {
    fn queues(&mut self) -> [&mut VecDeque<Job>; 4] {
        let Self { urgent, normal, later, last, .. } = self;
        [urgent, normal, later, last]
    }
}

impl VerifyPool {
    /// Starts the threads; at least one.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let queues = Arc::new(Queues::default());
        let mut pool = Self { queues, threads: Vec::new() };
        for number in 0..threads.max(1) {
            let queues = Arc::clone(&pool.queues);
            let thread = std::thread::Builder::new()
                .name(format!("verify-{number}"))
                .spawn(move || queues.work())?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }

    /// Returns the number of threads.
    pub fn threads(&self) -> usize {
        self.threads.len()
    }

    /// Returns how many jobs wait.
    pub fn waiting(&self) -> usize {
        self.queues.lock().queues().iter().map(|queue| queue.len()).sum()
    }

    /// Runs a job some time. The caller bounds how many wait, and must expect that a job is dropped
    /// unrun when the pool is.
    pub fn spawn(&self, job: impl FnOnce() + Send + 'static) {
        self.queues.add(|state| &mut state.normal, Box::new(job));
    }

    /// Runs a job before all that [`VerifyPool::spawn`] was given.
    pub fn spawn_urgent(&self, job: impl FnOnce() + Send + 'static) {
        self.queues.add(|state| &mut state.urgent, Box::new(job));
    }

    /// Runs a job after all that [`VerifyPool::spawn`] was given.
    pub fn spawn_later(&self, job: impl FnOnce() + Send + 'static) {
        self.queues.add(|state| &mut state.later, Box::new(job));
    }

    /// Runs a job when there is nothing else to do.
    pub fn spawn_last(&self, job: impl FnOnce() + Send + 'static) {
        self.queues.add(|state| &mut state.last, Box::new(job));
    }

    /// Runs `work` for each number below `count` on all threads, this one included, and returns the
    /// answers in order once all are there; `None` for one that panicked.
    pub fn run_all<T, F>(&self, count: usize, work: F) -> Vec<Option<T>>
    where
        T: Send + 'static,
        F: Fn(usize) -> T + Send + Sync + 'static,
    {
        let task = Arc::new(Task {
            work: RwLock::new(Some(work)),
            next: AtomicUsize::new(0),
            count,
            answers: Mutex::new(Answers { done: 0, list: (0..count).map(|_| None).collect() }),
            all_done: Condvar::new(),
        });
        let helpers = self.threads().min(count.saturating_sub(1));
        if helpers > 0 {
            for _ in 0..helpers {
                let task = Arc::clone(&task);
                self.spawn_urgent(move || task.help());
            }
        }
        task.help();
        let answers = task.wait();
        // Whatever helpers come late find nothing; what `work` holds is free now.
        drop(task.work.write().unwrap_or_else(PoisonError::into_inner).take());
        answers
    }
}

impl std::fmt::Debug for VerifyPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyPool").field("threads", &self.threads.len()).finish_non_exhaustive()
    }
}

impl Drop for VerifyPool {
    fn drop(&mut self) {
        let mut state = self.queues.lock();
        state.is_closed = true;
        let waiting = state.queues().map(std::mem::take);
        drop(state);
        drop(waiting);
        self.queues.changed.notify_all();
        for thread in self.threads.drain(..) {
            // It ends by itself; a panic of a job was caught there.
            let _ = thread.join();
        }
    }
}

impl Queues {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is one step; jobs run outside.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, queue: impl FnOnce(&mut State) -> &mut VecDeque<Job>, job: Job) {
        let mut state = self.lock();
        queue(&mut state).push_back(job);
        // Whoever is awake looks again before it sleeps.
        let is_anyone_asleep = state.asleep > 0;
        drop(state);
        if is_anyone_asleep {
            self.changed.notify_one();
        }
    }

    fn work(&self) {
        loop {
            let mut state = self.lock();
            let job = loop {
                if state.is_closed {
                    return;
                }
                if let Some(job) = state.queues().into_iter().find_map(VecDeque::pop_front) {
                    break job;
                }
                state.asleep += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.asleep -= 1;
            };
            drop(state);
            if catch_unwind(AssertUnwindSafe(job)).is_err() {
                tracing::error!(target: "chain", "a verification job panicked; this is a bug");
            }
        }
    }
}

struct Task<T, F> {
    work: RwLock<Option<F>>,
    next: AtomicUsize,
    count: usize,
    answers: Mutex<Answers<T>>,
    all_done: Condvar,
}

struct Answers<T> {
    done: usize,
    list: Vec<Option<T>>,
}

impl<T, F: Fn(usize) -> T> Task<T, F> {
    fn help(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.count {
                return;
            }
            let answer = {
                let work = self.work.read().unwrap_or_else(PoisonError::into_inner);
                let Some(work) = work.as_ref() else { return };
                catch_unwind(AssertUnwindSafe(|| work(number))).ok()
            };
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = answers.list.get_mut(number) {
                *place = answer;
            }
            answers.done += 1;
            if answers.done == self.count {
                self.all_done.notify_all();
            }
        }
    }

    fn wait(&self) -> Vec<Option<T>> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        while answers.done < self.count {
            answers = self.all_done.wait(answers).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::take(&mut answers.list)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};

    use super::VerifyPool;

    #[test]
    fn answers_come_in_order_and_what_the_work_holds_is_free_afterwards() {
        let pool = VerifyPool::new(3).unwrap();
        let shared = Arc::new(7usize);
        for count in [0, 1, 2, 100] {
            let held = Arc::clone(&shared);
            let answers = pool.run_all(count, move |number| number * *held);
            let expected: Vec<_> = (0..count).map(|number| Some(number * 7)).collect();
            assert_eq!(answers, expected);
            assert_eq!(Arc::strong_count(&shared), 1);
        }
    }

    #[test]
    fn a_panic_is_an_answer_that_is_missing() {
        let pool = VerifyPool::new(2).unwrap();
        let answers = pool.run_all(4, |number| {
            assert!(number != 2, "as a broken rule engine would");
            number
        });
        assert_eq!(answers, [Some(0), Some(1), None, Some(3)]);
        let (send, receive) = mpsc::channel();
        pool.spawn(|| panic!("one job"));
        pool.spawn(move || send.send(5).unwrap());
        assert_eq!(receive.recv(), Ok(5));
    }

    #[test]
    fn jobs_run_in_the_order_of_their_urgency() {
        let pool = VerifyPool::new(1).unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let (send, receive) = mpsc::channel();
        pool.spawn(move || gate.recv().unwrap());
        let note = |number: u8| {
            let send = send.clone();
            move || send.send(number).unwrap()
        };
        pool.spawn_last(note(4));
        pool.spawn_later(note(3));
        pool.spawn(note(2));
        pool.spawn_urgent(note(1));
        release.send(()).unwrap();
        assert_eq!([(); 4].map(|()| receive.recv().unwrap()), [1, 2, 3, 4]);
    }

    #[test]
    fn urgent_work_does_not_wait_behind_the_rest() {
        let pool = VerifyPool::new(1).unwrap();
        let (release, gate) = mpsc::channel::<()>();
        let done = Arc::new(AtomicUsize::new(0));
        pool.spawn(move || gate.recv().unwrap());
        for _ in 0..50 {
            let done = Arc::clone(&done);
            pool.spawn(move || {
                done.fetch_add(1, Ordering::SeqCst);
            });
        }
        // The only thread waits at the gate, so this thread does all of it.
        assert_eq!(pool.run_all(5, |number| number).len(), 5);
        assert_eq!(done.load(Ordering::SeqCst), 0);
        release.send(()).unwrap();
    }
}
