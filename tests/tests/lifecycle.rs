//! Endpoints come and go, and leave nothing behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "lifecycle/cycles.rs"]
mod cycles;
#[path = "lifecycle/ending.rs"]
mod ending;
#[path = "lifecycle/restoring.rs"]
mod restoring;
#[path = "lifecycle/threads.rs"]
mod threads;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    cycles::add(&mut trials);
    threads::add(&mut trials);
    ending::add(&mut trials);
    restoring::add(&mut trials);
    trials.conclude()
}
