use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fdlink_tests::random::Dice;

const USAGE: &str = "usage: fuzz [--seconds S | --cases N] [--seed N]";

pub(crate) struct Arguments {
    pub(crate) time: Duration,
    /// Instead of the time.
    pub(crate) cases: Option<u64>,
    /// Of the first case.
    pub(crate) seed: u64,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self { time: Duration::from_secs(20), cases: None, seed: fresh_seed() };
        let mut words = words.fuse();
        while let Some(word) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--seconds" => arguments.time = Duration::try_from_secs_f64(value.parse()?)?,
                "--cases" => arguments.cases = Some(value.parse()?),
                "--seed" => arguments.seed = value.parse()?,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(arguments)
    }
}

/// Another one each time, far from those of other runs.
fn fresh_seed() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_nanos() as u64);
    Dice::new(time).number() >> 16
}
