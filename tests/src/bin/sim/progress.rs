use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::Duration;

use crate::arguments::Arguments;

/// A line on standard error that changes, if that is a terminal: `▕█████     ▏ 2500 of 5000 seeds, 412/s, 0 failed`.
pub(crate) struct Progress {
    is_terminal: bool,
    seeds: u64,
    time: Option<Duration>,
}

impl Progress {
    pub(crate) fn new(arguments: &Arguments) -> Self {
        Self { is_terminal: stderr().is_terminal(), seeds: arguments.seeds, time: arguments.time }
    }

    pub(crate) fn show(&mut self, elapsed: Duration, done: u64, failed: u64) {
        if !self.is_terminal {
            return;
        }
        let (share, of) = match self.time {
            Some(time) => {
                (elapsed.as_secs_f64() / time.as_secs_f64().max(1e-9), format!("in {} min", time.as_secs() / 60))
            }
            None => (done as f64 / self.seeds.max(1) as f64, format!("of {}", self.seeds)),
        };
        let full = (share.min(1.0) * WIDTH as f64) as usize;
        let bar = "█".repeat(full) + &" ".repeat(WIDTH - full);
        let rate = done as f64 / elapsed.as_secs_f64();
        tell(&format!("\r\x1b[K▕{bar}▏ {done} {of} seeds, {rate:.0}/s, {failed} failed"));
    }

    pub(crate) fn end(&self) {
        if self.is_terminal {
            tell("\r\x1b[K");
        }
    }
}

/// Nobody misses it if standard error is closed.
fn tell(text: &str) {
    let mut stderr = stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

const WIDTH: usize = 30;
