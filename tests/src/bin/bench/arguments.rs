use std::error::Error;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use fdlink_linux::DispatchMode;

pub(crate) const USAGE: &str = "\
usage: bench [--only NAME,...] [--rounds N] [--seconds-per-run S] [--json FILE] [--plot DIR] [--check]

  --only NAME,...       only the gates (G1) and scenarios whose name starts so: seqpacket, ring, tap, veth, offload, wake, fanout, memory,
                        receive, tcp; without it all of these. Some have to be asked for: latency, growth
  --rounds N            rounds of each scenario (default 9)
  --seconds-per-run S   how long each program runs in each round (default 0.2)
  --json FILE           write the figures there, too
  --plot DIR            write charts there, as SVG
  --check               fail if a gate is missed by more than 25 %";

/// What the command line asks for.
pub(crate) enum Command {
    Help,
    Bench(Arguments),
    /// Tell what idle endpoints of this mode take, as the child that is started for it.
    Memory(DispatchMode),
}

#[derive(Clone)]
pub(crate) struct Arguments {
    /// Beginnings of the names of gates or scenarios; all if empty.
    pub(crate) only: Vec<String>,
    pub(crate) rounds: usize,
    pub(crate) run: Duration,
    pub(crate) json: Option<PathBuf>,
    pub(crate) plot: Option<PathBuf>,
    pub(crate) check: bool,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Command, Box<dyn Error>> {
        let mut arguments =
            Self { only: Vec::new(), rounds: 9, run: Duration::from_millis(200), json: None, plot: None, check: false };
        let mut words = words.fuse();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match word.as_str() {
                "--only" => arguments.only.extend(value()?.split(',').map(str::to_owned)),
                "--rounds" => arguments.rounds = positive(&word, &value()?)?,
                "--seconds-per-run" => arguments.run = Duration::try_from_secs_f64(positive(&word, &value()?)?)?,
                "--json" => arguments.json = Some(value()?.into()),
                "--plot" => arguments.plot = Some(value()?.into()),
                "--check" => arguments.check = true,
                "--help" | "-h" => return Ok(Command::Help),
                "memory" => return mode(&value()?).map(Command::Memory),
                _ => return Err(format!("{word}: unknown\n{USAGE}").into()),
            }
        }
        Ok(Command::Bench(arguments))
    }
}

impl Arguments {
    /// The same with programs that run `times` as long.
    pub(crate) fn for_longer(&self, times: u32) -> Self {
        Self { run: self.run * times, ..self.clone() }
    }
}

fn positive<T: FromStr + PartialOrd + Default>(option: &str, word: &str) -> Result<T, Box<dyn Error>> {
    match word.parse() {
        Ok(number) if number > T::default() => Ok(number),
        _ => Err(format!("{option}: {word} is no number above 0").into()),
    }
}

fn mode(word: &str) -> Result<DispatchMode, Box<dyn Error>> {
    match word {
        "readv" => Ok(DispatchMode::Readv),
        "recvmmsg" => Ok(DispatchMode::RecvMmsg),
        _ => Err(format!("{word}: unknown mode").into()),
    }
}
