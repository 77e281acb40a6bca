use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fdlink_tests::fuzz::Target;
use fdlink_tests::random::Dice;

const USAGE: &str = "usage: fuzz [--only TARGET,…] [--seconds S | --cases N] [--seed N] [--keep true]";

pub(crate) struct Arguments {
    /// They take turns.
    pub(crate) targets: Vec<Target>,
    pub(crate) time: Duration,
    /// Instead of the time.
    pub(crate) cases: Option<u64>,
    /// Of the first case.
    pub(crate) seed: u64,
    /// Whether the corpus grows.
    pub(crate) keep: bool,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self {
            targets: Target::ALL.to_vec(),
            time: Duration::from_secs(20),
            cases: None,
            seed: fresh_seed(),
            keep: false,
        };
        let mut words = words.fuse();
        while let Some(word) = words.next() {
            let value = words.next().ok_or(USAGE)?;
            match word.as_str() {
                "--seconds" => arguments.time = Duration::try_from_secs_f64(value.parse()?)?,
                "--cases" => arguments.cases = Some(value.parse()?),
                "--only" => {
                    arguments.targets = value.split(',').map(Target::named).collect::<Option<_>>().ok_or(USAGE)?;
                }
                "--keep" => arguments.keep = value.parse()?,
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
