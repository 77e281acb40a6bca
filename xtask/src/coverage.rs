//! How much of the core the simulation runs: built with counters, played, read with the LLVM tools of the toolchain.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::Value;

use crate::cargo::{Steps, cargo, run as run_command, stdout};
use crate::workspace::Workspace;

/// How much is played, and how much of the core has to run.
#[derive(Debug, Args)]
pub(crate) struct CoverageArgs {
    /// Seeds of the mixed scenario.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,

    /// Fail where fewer lines or regions were run, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0)]
    least: f64,

    /// Show the lines of this file of core/src that were not run.
    #[arg(long, value_name = "FILE")]
    missed: Option<String>,
}

/// Lines, and regions between branches, that exist and that were run.
struct Covered {
    name: String,
    lines: [u64; 2],
    regions: [u64; 2],
}

/// The test code within the core is not built into the simulation, so that it does not count.
pub(crate) fn run(args: &CoverageArgs, workspace: &Workspace) -> Result<()> {
    let target = workspace.target("coverage");
    let mut steps = Steps::new(3);
    steps.begin("build the simulation with counters");
    let command = |words: &str| {
        let mut command = cargo(words);
        command.env("CARGO_TARGET_DIR", &target).env("RUSTFLAGS", "-Cinstrument-coverage");
        // Build scripts have counters too, and would leave them where they run.
        command.env("LLVM_PROFILE_FILE", target.join("build-%m.profraw"));
        command
    };
    run_command(&mut command("build --quiet --package fdlink-tests --bin sim"))?;
    steps.begin(format_args!("play {} seeds", args.seeds));
    let (program, raw) = (target.join("debug/sim"), target.join("sim.profraw"));
    let mut play = Command::new(&program);
    play.args(["--seeds", &args.seeds.to_string()]).env("LLVM_PROFILE_FILE", &raw).current_dir(&target);
    stdout(&mut play)?;
    steps.begin("read the counters");
    let (tools, data) = (tools()?, target.join("sim.profdata"));
    run_command(Command::new(tools.join("llvm-profdata")).args(["merge", "--sparse"]).arg(&raw).arg("-o").arg(&data))?;
    let sources = workspace.root().join("core/src");
    let cov = |words: &[&str], source: &Path| {
        let mut command = Command::new(tools.join("llvm-cov"));
        command.args(words).arg(&program).arg("--instr-profile").arg(&data).arg(source);
        command
    };
    if let Some(file) = &args.missed {
        return show_missed(&stdout(&mut cov(&["show"], &sources.join(file)))?);
    }
    let summary = stdout(&mut cov(&["export", "--summary-only"], &sources))?;
    fs::remove_file(&raw)?;
    tell(&serde_json::from_str(&summary)?, &sources, args.least)
}

/// The LLVM tools beside the compiler: `rustup component add llvm-tools`.
fn tools() -> Result<PathBuf> {
    let libraries = stdout(Command::new("rustc").arg("--print=target-libdir"))?;
    let tools = Path::new(&libraries).with_file_name("bin");
    ensure!(tools.join("llvm-cov").is_file(), "no llvm-cov in {}: `rustup component add llvm-tools`", tools.display());
    Ok(tools)
}

fn tell(summary: &Value, sources: &Path, least: f64) -> Result<()> {
    let data = summary.pointer("/data/0").context("no data")?;
    let total = Covered::new("core".to_owned(), data.get("totals").context("no totals")?)?;
    let files = data.get("files").and_then(Value::as_array).context("no files")?;
    let mut files = files.iter().map(|file| Covered::of_file(file, sources)).collect::<Result<Vec<_>>>()?;
    files.sort_by_key(|file| std::cmp::Reverse(file.missed()));
    println!("{:>9} {:>9}  missed", "lines", "regions");
    for covered in std::iter::once(&total).chain(files.iter().take(WORST)) {
        println!("{}", covered.row());
    }
    let reached = percent(total.lines).min(percent(total.regions));
    ensure!(reached >= least, "{reached:.1} % is below {least} %");
    Ok(())
}

impl Covered {
    fn of_file(file: &Value, sources: &Path) -> Result<Self> {
        let path = Path::new(file.get("filename").and_then(Value::as_str).context("a file without name")?);
        let name = path.strip_prefix(sources).unwrap_or(path).display().to_string();
        Self::new(name, file.get("summary").context("a file without summary")?)
    }

    fn new(name: String, summary: &Value) -> Result<Self> {
        let of = |what: &str| {
            let number = |field: &str| summary.get(what).and_then(|counts| counts.get(field)).and_then(Value::as_u64);
            number("count").zip(number("covered")).map(|(all, run)| [all, run]).context("no counts")
        };
        Ok(Self { name, lines: of("lines")?, regions: of("regions")? })
    }

    const fn missed(&self) -> u64 {
        self.lines[0] - self.lines[1]
    }

    fn row(&self) -> String {
        let [lines, regions] = [self.lines, self.regions].map(percent);
        format!("{lines:>7.1} % {regions:>7.1} %  {:>4}  {}", self.missed(), self.name)
    }
}

/// Lines with a count of zero.
fn show_missed(source: &str) -> Result<()> {
    let is_missed = |line: &&str| line.split('|').nth(1).is_some_and(|count| count.trim() == "0");
    source.lines().filter(is_missed).for_each(|line| println!("{line}"));
    Ok(())
}

fn percent([all, run]: [u64; 2]) -> f64 {
    if all == 0 { 100.0 } else { run as f64 * 100.0 / all as f64 }
}

const WORST: usize = 15;
