//! fdlink against bare loops: the bench program of the tests, built in release and run.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::cargo::{cargo, run as run_command};

/// What the bench program takes.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Only the gates (G1) and scenarios (tap, seqpacket-readv-64) whose name starts so.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,

    /// Rounds of each scenario.
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: u32,

    /// How long each program runs in each round.
    #[arg(long, value_name = "S", default_value_t = 0.2)]
    seconds_per_run: f64,

    /// Write the figures there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Fail if a gate is missed by more than 25 %.
    #[arg(long)]
    check: bool,
}

/// A gate that does not hold is no error, unless this is a check.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    run_command(cargo("run --quiet --release --package fdlink-tests --bin bench --").args(args.words()))
}

impl BenchArgs {
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--rounds".into(), self.rounds.to_string().into()];
        words.extend(["--seconds-per-run".into(), self.seconds_per_run.to_string().into()]);
        if !self.only.is_empty() {
            words.extend(["--only".into(), self.only.join(",").into()]);
        }
        if let Some(file) = &self.json {
            words.extend(["--json".into(), file.into()]);
        }
        if self.check {
            words.push("--check".into());
        }
        words
    }
}
