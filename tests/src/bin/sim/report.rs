//! What came of all seeds, in words and as JSON.

use std::collections::BTreeMap;

use fdlink_tests::sim::{Run, minimal};
use serde_json::json;

use crate::arguments::Arguments;
use crate::pool::{Failure, Total};
use crate::replay::{command, print_script};

/// True if all is well.
pub(crate) fn tell(arguments: &Arguments, total: &Total) -> bool {
    total.failures.iter().take(SHOWN).for_each(|failure| tell_failure(failure, arguments.tries));
    if total.failures.len() > SHOWN {
        println!("and {} more", total.failures.len() - SHOWN);
    }
    tell_counts("faults", &total.faults);
    tell_counts("seen", &total.seen.0);
    let seconds = total.time.as_secs_f64();
    let rate = total.seeds as f64 / seconds.max(1e-9);
    let per_core = rate / arguments.threads as f64;
    println!(
        "{} seeds from {} in {seconds:.1} s, {rate:.0} a second, {per_core:.0} a second and thread; {:.0} s of virtual time; {} failed",
        total.seeds,
        arguments.from,
        total.virtual_time.as_secs_f64(),
        total.failures.len()
    );
    if arguments.json {
        println!("{}", json(arguments, total, rate));
    }
    total.failures.is_empty()
}

fn tell_failure(failure: &Failure, tries: usize) {
    let Failure { run, message } = failure;
    println!("FAILED {} seed {}: {message}", run.scenario.name(), run.seed);
    println!("  again: {}", command(run));
    let fired = Run::go(run).fired;
    print_script(&minimal(run, &fired, tries), fired.len());
}

fn tell_counts(what: &str, counts: &BTreeMap<&'static str, u64>) {
    let words: Vec<_> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("{what}: {}", words.join(", "));
}

fn json(arguments: &Arguments, total: &Total, rate: f64) -> serde_json::Value {
    json!({
        "seeds": total.seeds,
        "from": arguments.from,
        "failed": total.failures.len(),
        "failures": total.failures.iter().map(|failure| json!({
            "scenario": failure.run.scenario.name(), "seed": failure.run.seed, "message": failure.message,
        })).collect::<Vec<_>>(),
        "faults": total.faults.values().sum::<u64>(),
        "faults_by_name": total.faults,
        "seen": total.seen.0,
        "seconds": total.time.as_secs_f64(),
        "seeds_per_second": rate,
        "threads": arguments.threads,
    })
}

/// Failures told with their shortest script.
const SHOWN: usize = 5;
