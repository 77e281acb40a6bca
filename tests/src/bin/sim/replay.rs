//! One seed again.

use fdlink_mock::fault::{Fault, Site};
use fdlink_tests::sim::{Outcome, Run, minimal};

use crate::arguments::Arguments;

/// The one command that repeats a run.
pub(crate) fn command(run: &Run) -> String {
    format!("cargo xtask sim --scenario {} --replay {}", run.scenario.name(), run.seed)
}

/// Plays a seed with its record; of one that fails, the shortest script too. True if all is well.
pub(crate) fn run(arguments: &Arguments, seed: u64) -> bool {
    let mut all_well = true;
    for scenario in &arguments.scenarios {
        let run = Run::new(*scenario, seed);
        println!("{} seed {seed}", scenario.name());
        let outcome = run.clone().recorded().go();
        print_record(arguments, &outcome);
        let Some(message) = &outcome.failure else {
            println!("all well after {:?}, with {} faults", outcome.time, outcome.fired.len());
            continue;
        };
        all_well = false;
        println!("FAILED {message}");
        print_script(&minimal(&run, &outcome.fired, arguments.tries), outcome.fired.len());
    }
    all_well
}

fn print_record(arguments: &Arguments, outcome: &Outcome) {
    let Some(record) = &outcome.record else { return };
    print!("{}", record.transcript.text());
    if let Some(file) = &arguments.pcap
        && let Err(error) = std::fs::write(file, record.capture.bytes())
    {
        eprintln!("sim: {}: {error}", file.display());
    }
}

/// The faults that matter.
pub(crate) fn print_script(script: &[(Site, Fault)], of: usize) {
    println!("  faults without which it does not fail: {} of {of}", script.len());
    for (site, fault) in script {
        println!("    {site}: {fault:?}");
    }
}
