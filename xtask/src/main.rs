//! Everything a contributor of fdlink runs: `cargo xtask --help`.

#![forbid(unsafe_code)]

mod bare;
mod bench;
mod bench_counts;
mod bench_table;
mod cargo;
mod coverage;
mod demo;
mod elf;
mod fuzz;
mod instructions;
mod lint;
mod msrv;
mod mutants;
mod no_std;
mod package;
mod sim;
mod slowed;
mod tally;
mod test;
mod toolchain;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

/// Everything a contributor of fdlink runs.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Let a smoltcp stack over fdlink talk to the kernel, and show what came of it.
    ///
    /// Ping, UDP echo, a TCP download and upload with the data's hash compared, an HTTP GET. Needs no program, and no root where the
    /// kernel has user namespaces: everything happens in a network namespace of its own. The exit status is 0 only if all of it worked.
    Demo(demo::DemoArgs),

    /// Run every test: unit, doc and integration tests, and the no_std proof.
    ///
    /// Needs no program but cargo. Tests that cannot run on this machine are skipped and listed with their reason; where the
    /// environment says CI=true a skipped test is a failure. The last line is `N passed, N failed, N skipped`.
    Test,

    /// Measure fdlink against bare loops on the same system calls.
    ///
    /// Each scenario runs both in turns, in a network namespace of its own, and tells the ratio of their CPU times, with least and most
    /// over the rounds, and whether its gate holds. Without privileges it measures what it can and says what it left out. The exit
    /// status is 0 whether gates hold or not, unless this is a check.
    Bench(bench::BenchArgs),

    /// Count instructions for each frame with valgrind, and hold them against the budgets in tests/instructions.toml.
    ///
    /// More than 2 % above a budget is a failure. Budgets belong to a compiler; with another one only the limits of gate G9 are judged.
    Instructions(instructions::InstructionsArgs),

    /// Make copies of the tree that copy, allocate or call the system once more for each received frame, and show which gate catches it.
    ///
    /// Takes some minutes: each is built in release.
    Slowed,

    /// Run the property tests with many cases, and random frames and packets through an endpoint.
    ///
    /// What fails prints its seed.
    Fuzz(fuzz::FuzzArgs),

    /// Play endpoints over simulated networks in which everything goes wrong, each run made of one number, its seed.
    ///
    /// A seed that fails prints what did not hold, the command that repeats it, and the faults without which it does not fail. The exit status
    /// is 0 only if none fails.
    Sim(sim::SimArgs),

    /// Measure how much of the core the simulation runs, and show the files of which it runs least.
    ///
    /// Needs the component llvm-tools of the toolchain.
    Coverage(coverage::CoverageArgs),

    /// Break the endpoint in one way after the other, in a copy, and show that the simulation notices each.
    Mutants(mutants::MutantsArgs),

    /// Prove that core and mock need neither std nor an allocator.
    ///
    /// Links them into a static binary without libc, runs it, and shows that the same binary with an allocator or with std does not
    /// build.
    NoStd {
        /// Build them for bare-metal targets instead (x86, Arm, RISC-V, Cortex-M).
        #[arg(long)]
        bare: bool,
    },

    /// Check the format, the lints, the documentation, and every combination of features.
    Lint,

    /// Check that nothing needs a newer Rust than `rust-version` says.
    Msrv,

    /// Pack the library crates as a registry would get them, and build what was packed.
    Package,
}

fn main() -> ExitCode {
    match Cli::parse().task.run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Task {
    fn run(&self) -> Result<ExitCode> {
        match self {
            // First and alone: it moves this process to another network, which only one without threads can do.
            Self::Demo(args) => demo::run(args)?,
            Self::Test => return test::run(&Workspace::load()?),
            Self::Bench(args) => bench::run(args)?,
            Self::Instructions(args) => instructions::run(args, &Workspace::load()?)?,
            Self::Slowed => slowed::run(&Workspace::load()?)?,
            Self::Fuzz(args) => fuzz::run(args, &Workspace::load()?)?,
            Self::Sim(args) => sim::run(args)?,
            Self::Coverage(args) => coverage::run(args, &Workspace::load()?)?,
            Self::Mutants(args) => mutants::run(args, &Workspace::load()?)?,
            Self::NoStd { bare: false } => no_std::run(&Workspace::load()?)?,
            Self::NoStd { bare: true } => bare::run(&Workspace::load()?)?,
            Self::Lint => lint::run(&Workspace::load()?)?,
            Self::Msrv => msrv::run(&Workspace::load()?)?,
            Self::Package => package::run(&Workspace::load()?)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
