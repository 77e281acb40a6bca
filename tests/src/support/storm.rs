use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::thread::{self, JoinHandle};

use nix::sys::pthread::{Pthread, pthread_kill};
use nix::sys::signal::Signal;

/// Signals to one thread, as fast as they can be sent, until it is dropped. poll(2) is never restarted after one (signal(7)).
#[derive(Debug)]
pub struct Storm {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    signals: AtomicUsize,
}

impl Storm {
    /// Starts to send signals to `target`, which has to live until this is dropped.
    #[must_use]
    pub fn over(target: Pthread) -> Self {
        handle_signals();
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        // A pointer in some C libraries, which threads would not share.
        let target = target as usize;
        let thread = thread::spawn(move || {
            while !theirs.over.load(Ordering::Acquire) {
                pthread_kill(target as Pthread, Signal::SIGUSR1).expect("the thread lives");
                theirs.signals.fetch_add(1, Ordering::Relaxed);
                thread::yield_now();
            }
        });
        Self { shared, thread: Some(thread) }
    }

    /// How many signals were sent so far.
    #[must_use]
    pub fn signals(&self) -> usize {
        self.shared.signals.load(Ordering::Relaxed)
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A signal that could not be sent was printed by the panic hook, and shows in `signals`.
            let _ = thread.join();
        }
    }
}

fn handle_signals() {
    static HANDLED: Once = Once::new();
    HANDLED.call_once(|| {
        let seen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::SIGUSR1 as i32, seen).expect("SIGUSR1 can be handled");
    });
}
