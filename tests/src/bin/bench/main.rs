//! What fdlink costs against bare loops on the same system calls: `cargo xtask bench`.
//!
//! A scenario does one job with fdlink and with a loop that is written straight on the system calls, on the same descriptor, in turns, on
//! one core. What counts is the ratio of their CPU times, measured anew in each round; absolute figures move with the machine.
//!
//! Needs no privilege: where the kernel allows no network namespace, the scenarios that need one are left out, and the report says so.

#![forbid(unsafe_code)]

mod arguments;
mod backlog;
mod cable;
mod contest;
mod count;
mod fanout;
mod growth;
mod handed;
mod json;
mod latency;
mod machine;
mod memory;
mod messages;
mod offload;
mod peers;
mod plot;
mod program;
mod progress;
mod report;
mod ring;
mod scenario;
mod sending;
mod seqpacket;
mod spread;
mod steering;
mod tap;
mod tcp;
mod veth;
mod wake;
mod workplace;

use std::error::Error;
use std::process::ExitCode;

use arguments::{Arguments, Command};
use progress::Progress;
use report::Report;
use workplace::Workplace;

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode, Box<dyn Error>> {
    match Arguments::parse(std::env::args().skip(1))? {
        Command::Help => println!("{}", arguments::USAGE),
        Command::Memory(mode) => memory::measure_here(mode)?,
        Command::Bench(arguments) => return bench(&arguments),
    }
    Ok(ExitCode::SUCCESS)
}

/// A gate that does not hold is a result, not a failure, unless this is a check.
fn bench(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    // First: only a process without threads can move to another network.
    let workplace = Workplace::enter();
    let report = measure(arguments, &workplace)?;
    report.print();
    if let Some(file) = &arguments.json {
        std::fs::write(file, json::text(&report))?;
    }
    if let Some(folder) = &arguments.plot {
        plot::write(&report, folder)?;
    }
    let far_off = arguments.check && report.is_far_off();
    Ok(if far_off { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn measure(arguments: &Arguments, workplace: &Workplace) -> Result<Report, Box<dyn Error>> {
    let scenarios = scenario::chosen(&arguments.only)?;
    let mut report = Report::new();
    let mut progress = Progress::new(scenarios.len() * arguments.rounds);
    for scenario in &scenarios {
        progress.begin(&scenario.name);
        match workplace.lacks(scenario.needs) {
            Some(reason) => {
                progress.skip(arguments.rounds);
                report.leave_out(scenario, reason);
            }
            None => report.add(scenario, (scenario.measure)(arguments, &mut progress)?),
        }
    }
    progress.end();
    Ok(report)
}
