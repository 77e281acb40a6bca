//! Deterministic simulation, many seeds at once: `cargo xtask sim`.

#![forbid(unsafe_code)]

mod arguments;
mod determinism;
mod pool;
mod progress;
mod replay;
mod report;

use std::process::ExitCode;

use arguments::{Arguments, Task};
use fdlink_tests::sim::quiet_panics;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("sim: {error}");
            return ExitCode::FAILURE;
        }
    };
    quiet_panics();
    let all_well = match arguments.task {
        Task::Seeds => {
            let total = pool::run(&arguments);
            report::tell(&arguments, &total)
        }
        Task::Replay(seed) => replay::run(&arguments, seed),
        Task::Digest => determinism::run(&arguments),
    };
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
