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
    pub(crate) fn step(&self, drain: impl FnMut(usize) -> StepResult) -> StepResult {
        step(self.frames.len(), self.rest, || self.cable.feed(&self.frames), drain)
    }
}

/// The same with frames that `feed` queues.
pub(crate) fn step(
    frames: usize,
    rest: Duration,
    feed: impl Fn() -> Result<(), Box<dyn Error>> + Sync,
    mut drain: impl FnMut(usize) -> StepResult,
) -> StepResult {
    apart(feed)?;
    sleep(rest);
    let mut cost = Cost::default();
    for _ in 0..TRIES {
        cost.add(drain(frames - cost.taken().min(frames))?);
        if cost.taken() >= frames {
            return Ok(cost);
        }
        // The kernel put some off.
        sleep(MOMENT);
    }
    cost.failed = frames - cost.taken();
    Ok(cost)
}

/// Drains by `take`, which takes some frames at a time, none if there are none.
pub(crate) fn take_all(mut take: impl FnMut() -> Result<usize, Box<dyn Error>>) -> impl FnMut(usize) -> StepResult {
    move |most| {
        Cost::of(|| {
            let mut taken = 0;
            while taken < most {
                match take()? {
                    0 => break,
                    more => taken += more,
                }
            }
            Ok((taken, 0))
        })
    }
}

/// On the other core.
fn apart(feed: impl Fn() -> Result<(), Box<dyn Error>> + Sync) -> Result<(), String> {
    let feed = || machine::pin_apart().map_err(Box::from).and_then(|()| feed());
    let fed = scope(|scope| scope.spawn(|| feed().map_err(|error: Box<dyn Error>| error.to_string())).join());
    fed.unwrap_or_else(|_| Err("the sender panicked".to_owned()))
}

const TRIES: usize = 20;
const MOMENT: Duration = Duration::from_millis(1);
