//! Frames that wait before they are received, so that nothing wakes up for them: what a step of a program that drains does.
//!
//! They are sent from the other core, if there is one: what is received comes out of another core's cache, as it does where a network
//! card or another process sends.

use std::error::Error;
use std::thread::{scope, sleep};
use std::time::Duration;

use crate::cable::Cable;
use crate::machine;
use crate::program::{Cost, StepResult};

/// A cable, and the frames that go through it in each step.
pub(crate) struct Backlog {
    pub(crate) cable: Cable,
    frames: Vec<Vec<u8>>,
    /// How long a ring may keep frames back.
    rest: Duration,
}

impl Backlog {
    pub(crate) fn new(frames: Vec<Vec<u8>>, rest: Duration) -> Result<Self, Box<dyn Error>> {
        Ok(Self { cable: Cable::new()?, frames, rest })
    }

    /// Queues the frames, and times how `drain` takes them: it is told how many there are, and tells how many it took and the time.
    pub(crate) fn step(&self, mut drain: impl FnMut(usize) -> StepResult) -> StepResult {
        self.feed()?;
        sleep(self.rest);
        let mut cost = Cost::default();
        for _ in 0..TRIES {
            cost.add(drain(self.frames.len() - cost.frames.min(self.frames.len()))?);
            if cost.frames >= self.frames.len() {
                return Ok(cost);
            }
            // The kernel put some off.
            sleep(MOMENT);
        }
        cost.failed = self.frames.len() - cost.frames;
        Ok(cost)
    }

    fn feed(&self) -> Result<(), String> {
        let feed = || machine::pin_apart().map_err(Box::from).and_then(|()| self.cable.feed(&self.frames));
        let fed = scope(|scope| scope.spawn(|| feed().map_err(|error: Box<dyn Error>| error.to_string())).join());
        fed.unwrap_or_else(|_| Err("the sender panicked".to_owned()))
    }
}

const TRIES: usize = 20;
const MOMENT: Duration = Duration::from_millis(1);
