use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::Peer;

/// A thread that sends the same frame as fast as it can, until it is dropped or the other end is gone.
#[derive(Debug)]
pub struct Flood {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<Peer>>,
}

impl Flood {
    /// Starts to send `frame` from `peer`.
    #[must_use]
    pub fn start(peer: Peer, frame: Vec<u8>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&over);
        let thread = thread::spawn(move || {
            while !seen.load(Ordering::Acquire) {
                if peer.try_send(&frame).is_err() {
                    thread::yield_now();
                }
            }
            peer
        });
        Self { over, thread: Some(thread) }
    }

    /// Ends it and gives the peer back.
    ///
    /// # Panics
    ///
    /// If its thread panicked.
    #[must_use]
    pub fn end(mut self) -> Peer {
        self.over.store(true, Ordering::Release);
        let thread = self.thread.take().expect("it runs until here");
        thread.join().expect("a flood does not panic")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // It cannot panic; nobody could be told here.
            let _ = thread.join();
        }
    }
}
