//! fdlink against bare loops: the bench program of the tests, built in release and run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;

use crate::bench_counts;
use crate::bench_table;
use crate::cargo::{cargo, run as run_command};
use crate::workspace::Workspace;

/// What the bench program takes.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Only the gates (G1) and scenarios whose name starts so: seqpacket, ring, tap, veth, offload, wake, fanout, memory, receive, tcp; without it
    /// all of these, and the gates that are counts (G9 instructions, G11 allocations). Some have to be asked for: latency, growth.
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,

    /// Rounds of each scenario.
    #[arg(long, value_name = "N", default_value_t = 9)]
    rounds: u32,

    /// How long each program has in each round.
    #[arg(long, value_name = "S", default_value_t = 0.2)]
    seconds_per_run: f64,

    /// Write the figures there, too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write charts there, as SVG.
    #[arg(long, value_name = "DIR")]
    plot: Option<PathBuf>,

    /// Write the table of gates in the README anew.
    #[arg(long)]
    readme: bool,

    /// Measure nothing: take the figures of an earlier run, for `--readme`.
    #[arg(long, value_name = "FILE", requires = "readme")]
    from: Option<PathBuf>,

    /// Fail if a gate is missed by more than 25 %.
    #[arg(long)]
    check: bool,
}

/// A gate that does not hold is no error, unless this is a check.
pub(crate) fn run(args: &BenchArgs) -> Result<()> {
    if let Some(figures) = &args.from {
        return bench_table::write(&Workspace::load()?, figures);
    }
    if !args.readme {
        return measure(args, args.json.as_deref());
    }
    let workspace = Workspace::load()?;
    let figures = args.json.clone().unwrap_or_else(|| workspace.target("bench.json"));
    measure(args, Some(&figures))?;
    bench_table::write(&workspace, &figures)
}

fn measure(args: &BenchArgs, json: Option<&Path>) -> Result<()> {
    run_command(cargo("run --quiet --release --package fdlink-tests --bin bench --").args(args.words(json)))?;
    if args.only.is_empty() { bench_counts::run(&Workspace::load()?, json) } else { Ok(()) }
}

impl BenchArgs {
    fn words(&self, json: Option<&Path>) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["--rounds".into(), self.rounds.to_string().into()];
        words.extend(["--seconds-per-run".into(), self.seconds_per_run.to_string().into()]);
        if !self.only.is_empty() {
            words.extend(["--only".into(), self.only.join(",").into()]);
        }
        for (name, file) in [("--json", json), ("--plot", self.plot.as_deref())] {
            words.extend(file.into_iter().flat_map(|file| [name.into(), file.into()]));
        }
        if self.check {
            words.push("--check".into());
        }
        words
    }
}
