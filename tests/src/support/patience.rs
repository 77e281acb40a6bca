use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for something that comes at once where nothing is wrong.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until `done` holds, looking again and again.
///
/// # Panics
///
/// If it does not hold within [`PATIENCE`].
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        thread::yield_now();
    }
}

/// Runs `f` on another thread and returns what it returned and how long it took.
///
/// # Panics
///
/// If it panics, or has not come back within [`PATIENCE`].
#[track_caller]
pub fn within<R: Send + 'static>(what: &str, f: impl FnOnce() -> R + Send + 'static) -> (R, Duration) {
    let (sender, receiver) = mpsc::channel();
    let started = Instant::now();
    let thread = thread::spawn(move || {
        let result = f();
        // Nobody listens where the time was over.
        let _ = sender.send((result, started.elapsed()));
    });
    let answer = receiver.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("does not come back: {what}"));
    thread.join().expect("it has sent its result");
    answer
}
