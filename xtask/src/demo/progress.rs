use std::io::{IsTerminal as _, Stderr, Write as _, stderr};
use std::time::{Duration, Instant};

/// Progress on the standard error: on a terminal one line that is written anew, and everywhere one line for each step that is done.
pub(super) struct Progress {
    stderr: Stderr,
    terminal: bool,
    shown: Instant,
}

impl Progress {
    pub(super) fn new() -> Self {
        let stderr = stderr();
        Self { terminal: stderr.is_terminal(), stderr, shown: Instant::now() }
    }

    /// Shows where a step stands, a few times a second. Nothing depends on whether it can be written.
    pub(super) fn live(&mut self, line: impl FnOnce() -> String) {
        if self.terminal && self.shown.elapsed() >= INTERVAL {
            self.shown = Instant::now();
            let _ = write!(self.stderr, "{ERASE}{}", line());
            let _ = self.stderr.flush();
        }
    }

    /// Shows what came of a step.
    pub(super) fn done(&mut self, line: &str) {
        self.clear();
        let _ = writeln!(self.stderr, "{line}");
    }

    /// Takes a live line away.
    fn clear(&mut self) {
        if self.terminal {
            let _ = write!(self.stderr, "{ERASE}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

const INTERVAL: Duration = Duration::from_millis(100);
/// To the start of the line, and nothing behind it (ECMA-48, EL).
const ERASE: &str = "\r\x1b[K";
