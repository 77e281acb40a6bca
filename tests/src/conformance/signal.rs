//! Signals that interrupt system calls, for rule E1.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::Signal;

/// Runs `f` while another thread sends this one signals as fast as it can. Their handler does nothing; `poll(2)` is never restarted after
/// one (`signal(7)`).
pub(super) fn rain_on_this_thread(f: impl FnOnce()) {
    install_handler();
    // A pointer in some C libraries, which threads would not share.
    let target = pthread_self() as usize;
    let dry = DryAtEnd::default();
    let ended = Arc::clone(&dry.0);
    thread::scope(|scope| {
        scope.spawn(move || {
            while !ended.load(Ordering::Acquire) {
                pthread_kill(target as Pthread, Signal::SIGUSR1).expect("the thread lives as long as the scope");
                thread::yield_now();
            }
        });
        let _dry = dry;
        f();
    });
}

fn install_handler() {
    static HANDLED: std::sync::Once = std::sync::Once::new();
    HANDLED.call_once(|| {
        let seen = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(Signal::SIGUSR1 as i32, seen).expect("SIGUSR1 can be handled");
    });
}

/// Ends the rain also where `f` panics.
#[derive(Default)]
struct DryAtEnd(Arc<AtomicBool>);

impl Drop for DryAtEnd {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
