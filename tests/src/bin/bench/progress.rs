use std::io::{IsTerminal as _, Write as _, stderr};
use std::time::{Duration, Instant};

/// Tells on standard error what is being measured and how long it will take.
pub(crate) struct Progress {
    started: Instant,
    rounds: usize,
    done: usize,
    scenario: String,
    /// A terminal gets a line that changes, everything else a line for each scenario.
    is_terminal: bool,
}

impl Progress {
    /// For so many rounds, all scenarios together.
    pub(crate) fn new(rounds: usize) -> Self {
        let is_terminal = stderr().is_terminal();
        Self { started: Instant::now(), rounds, done: 0, scenario: String::new(), is_terminal }
    }

    pub(crate) fn begin(&mut self, scenario: &str) {
        scenario.clone_into(&mut self.scenario);
        self.show();
    }

    /// A round is done.
    pub(crate) fn advance(&mut self) {
        self.done += 1;
        if self.is_terminal {
            self.show();
        }
    }

    /// These rounds will not be.
    pub(crate) const fn skip(&mut self, rounds: usize) {
        self.rounds -= rounds;
    }

    pub(crate) fn end(&self) {
        if self.is_terminal {
            tell("\r\x1b[K");
        }
    }

    fn show(&self) {
        let (start, end) = if self.is_terminal { ("\r\x1b[K", "") } else { ("", "\n") };
        let Self { scenario, done, rounds, .. } = self;
        tell(&format!("{start}round {done} of {rounds}, {}: {scenario}{end}", self.left()));
    }

    fn left(&self) -> String {
        let done = u32::try_from(self.done).unwrap_or(u32::MAX);
        let rounds = u32::try_from(self.rounds - self.done).unwrap_or(u32::MAX);
        match self.started.elapsed().checked_div(done) {
            Some(round) => minutes(round.saturating_mul(rounds)),
            None => "time left not known yet".to_owned(),
        }
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02} left", seconds / 60, seconds % 60)
}

/// Nobody misses it if standard error is closed.
fn tell(text: &str) {
    let mut stderr = stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}
