//! Random input, for a short time: the property tests with many cases, then the fuzz program of the tests.

use anyhow::Result;
use cargo_metadata::Package;
use clap::Args;

use crate::cargo::{Steps, cargo, run as run_command};
use crate::workspace::Workspace;

/// How much.
#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    /// Cases of each property test, and of each target of the fuzz program instead of a time.
    #[arg(long, value_name = "N", conflicts_with = "seconds")]
    cases: Option<u64>,

    /// How long the fuzz program runs.
    #[arg(long, value_name = "S", default_value_t = 20.0)]
    seconds: f64,

    /// The seed of its first case; another one each time if none is given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,

    /// Only these targets of the fuzz program.
    #[arg(long, value_name = "TARGET,…")]
    only: Option<String>,

    /// Add cases of a new kind, and smaller ones of those there are, to `tests/corpus`.
    #[arg(long)]
    keep: bool,
}

/// The first failure is the error; the seed of the case was printed.
pub(crate) fn run(args: &FuzzArgs, workspace: &Workspace) -> Result<()> {
    let mut steps = Steps::new(2);
    steps.begin("property tests");
    property_tests(args, workspace)?;
    steps.begin("random frames, packets and lives of an endpoint");
    random_lives(args)
}

fn property_tests(args: &FuzzArgs, workspace: &Workspace) -> Result<()> {
    let mut command = cargo("test --quiet --release --all-features --lib --tests");
    for package in workspace.metadata.workspace_packages().into_iter().filter(|package| has_properties(package)) {
        command.arg("--package").arg(package.name.as_str());
    }
    command.env("PROPTEST_CASES", args.cases.unwrap_or(PROPERTY_CASES).to_string());
    run_command(&mut command)
}

fn has_properties(package: &Package) -> bool {
    package.dependencies.iter().any(|dependency| dependency.name == "proptest")
}

fn random_lives(args: &FuzzArgs) -> Result<()> {
    let mut command = cargo("run --quiet --release --package fdlink-tests --bin fuzz --");
    match args.cases {
        Some(cases) => command.arg("--cases").arg(cases.to_string()),
        None => command.arg("--seconds").arg(args.seconds.to_string()),
    };
    if let Some(seed) = args.seed {
        command.arg("--seed").arg(seed.to_string());
    }
    if let Some(targets) = &args.only {
        command.arg("--only").arg(targets);
    }
    if args.keep {
        command.args(["--keep", "true"]);
    }
    run_command(&mut command)
}

/// Eight times as many as `cargo test` runs.
const PROPERTY_CASES: u64 = 2048;
