use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use fdlink_tests::sim::Scenario;

const USAGE: &str = "\
usage: sim [--seeds N] [--from S] [--minutes M] [--scenario NAME] [--threads N] [--json] [--first-failure] [--tries N]
       sim --replay SEED [--scenario NAME] [--pcap FILE]
       sim --digest [--seeds N] [--from S] [--scenario NAME]";

/// What the command line asks for.
pub(crate) struct Arguments {
    pub(crate) task: Task,
    pub(crate) from: u64,
    pub(crate) seeds: u64,
    /// Instead of a number of seeds.
    pub(crate) time: Option<Duration>,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) threads: usize,
    pub(crate) json: bool,
    /// Stop there.
    pub(crate) first_failure: bool,
    /// Runs spent on the shortest script of a failure.
    pub(crate) tries: usize,
    pub(crate) pcap: Option<PathBuf>,
}

/// What to do with the seeds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    Seeds,
    /// One seed again, with its transcript.
    Replay(u64),
    /// One number that stands for all transcripts.
    Digest,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, Box<dyn Error>> {
        let mut arguments = Self {
            task: Task::Seeds,
            from: 0,
            seeds: 1000,
            time: None,
            scenarios: Scenario::MIXED.to_vec(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            json: false,
            first_failure: false,
            tries: 500,
            pcap: None,
        };
        let mut words = words.fuse();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n{USAGE}"));
            match word.as_str() {
                "--seeds" => arguments.seeds = value()?.parse()?,
                "--from" => arguments.from = value()?.parse()?,
                "--minutes" => arguments.time = Some(Duration::try_from_secs_f64(value()?.parse::<f64>()? * 60.0)?),
                "--scenario" => arguments.scenarios = scenarios(&value()?)?,
                "--threads" => arguments.threads = value()?.parse::<usize>()?.max(1),
                "--replay" => arguments.task = Task::Replay(value()?.parse()?),
                "--digest" => arguments.task = Task::Digest,
                "--pcap" => arguments.pcap = Some(value()?.into()),
                "--json" => arguments.json = true,
                "--tries" => arguments.tries = value()?.parse()?,
                "--first-failure" => arguments.first_failure = true,
                _ => return Err(format!("{word}: unknown\n{USAGE}").into()),
            }
        }
        Ok(arguments)
    }
}

fn scenarios(name: &str) -> Result<Vec<Scenario>, String> {
    if name == "mixed" {
        return Ok(Scenario::MIXED.to_vec());
    }
    let found = Scenario::ALL.into_iter().find(|scenario| scenario.name() == name);
    let names = || Scenario::ALL.map(Scenario::name).join(", ");
    found.map(|scenario| vec![scenario]).ok_or_else(|| format!("{name}: no scenario; there are mixed, {}", names()))
}
