//! Deterministic simulation: the sim program of the tests, built in release and run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;

use crate::cargo::{Steps, cargo, run as run_command, stdout};

/// What the sim program takes.
#[derive(Debug, Args)]
pub(crate) struct SimArgs {
    /// How many seeds.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    seeds: u64,

    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 0)]
    from: u64,

    /// Play seeds for so long instead.
    #[arg(long, value_name = "M", conflicts_with = "seeds")]
    minutes: Option<f64>,

    /// `tcp`, `accounting`, `lifecycle`, `transmit`, `muxed`, `restore`, `bulk` (1 MiB each way), or `mixed`: the first six with each seed.
    #[arg(long, value_name = "NAME", default_value = "mixed")]
    scenario: String,

    /// Play this seed alone, and show everything that happens.
    #[arg(long, value_name = "SEED")]
    replay: Option<u64>,

    /// With --replay: write every frame there (pcapng).
    #[arg(long, value_name = "FILE", requires = "replay")]
    pcap: Option<PathBuf>,

    /// The last line is a summary in JSON.
    #[arg(long)]
    json: bool,

    /// Threads; one for each processor if not given.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,

    /// Play each seed twice, in a development build and in release and, where it can be built, on a 32-bit target, and compare all that happened
    /// byte for byte.
    #[arg(long, conflicts_with_all = ["replay", "minutes"])]
    check_determinism: bool,
}

/// The first seed that fails makes this fail, after all were played.
pub(crate) fn run(args: &SimArgs) -> Result<()> {
    if args.check_determinism {
        return check_determinism(args);
    }
    run_command(program("--release").args(args.words()))
}

fn program(options: &str) -> Command {
    cargo(&format!("run --quiet {options} --package fdlink-tests --bin sim --"))
}

impl SimArgs {
    fn words(&self) -> Vec<String> {
        let mut words = self.range();
        let mut add = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                words.extend([name.to_owned(), value]);
            }
        };
        add("--minutes", self.minutes.map(|minutes| minutes.to_string()));
        add("--replay", self.replay.map(|seed| seed.to_string()));
        add("--pcap", self.pcap.as_ref().map(|file| file.display().to_string()));
        add("--threads", self.threads.map(|threads| threads.to_string()));
        if self.json {
            words.push("--json".to_owned());
        }
        words
    }

    /// Which seeds of what.
    fn range(&self) -> Vec<String> {
        let Self { seeds, from, scenario, .. } = self;
        ["--seeds", &seeds.to_string(), "--from", &from.to_string(), "--scenario", scenario].map(str::to_owned).into()
    }
}

fn check_determinism(args: &SimArgs) -> Result<()> {
    let builds = ["", "--release"];
    let mut steps = Steps::new(builds.len() + 1);
    let mut digests = Vec::new();
    for build in builds {
        steps.begin(if build.is_empty() { "development build" } else { "release build" });
        digests.push(digest(program(build).args(args.range()))?);
    }
    steps.begin(format!("development build for {OTHER_TARGET}"));
    if is_installed(OTHER_TARGET)? {
        let mut other = program(&format!("--target {OTHER_TARGET}"));
        digests.push(digest(with_linker(&mut other).args(args.range()))?);
    } else {
        println!("SKIP {OTHER_TARGET}: not installed; `rustup target add {OTHER_TARGET}`");
    }
    ensure!(digests.windows(2).all(|pair| pair[0] == pair[1]), "the same seeds, other transcripts: {digests:?}");
    println!("{} seeds of {}: {} builds agree on {}", args.seeds, args.scenario, digests.len(), digests[0]);
    Ok(())
}

fn digest(command: &mut Command) -> Result<String> {
    stdout(command.arg("--digest"))
}

/// Without its standard library nothing is built for a target; with it, a build that fails is an error.
fn is_installed(target: &str) -> Result<bool> {
    let libraries = stdout(Command::new("rustc").args(["--print=target-libdir", "--target", target]))?;
    Ok(Path::new(&libraries).is_dir())
}

/// Rust's own linker and C library, as the system may have none for this target.
fn with_linker(command: &mut Command) -> &mut Command {
    command.env("CARGO_TARGET_I686_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld")
}

/// Pointers of 32 bits; runs on any x86_64 kernel.
const OTHER_TARGET: &str = "i686-unknown-linux-musl";
