//! Generic receive offload: as the kernel does it, what it must keep, through an endpoint, and held for a time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "gro/endpoint.rs"]
mod endpoint;
#[path = "gro/holding.rs"]
mod holding;
#[path = "gro/kernel.rs"]
mod kernel;
#[path = "gro/round_trip.rs"]
mod round_trip;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    kernel::add(&mut trials);
    round_trip::add(&mut trials);
    endpoint::add(&mut trials);
    holding::add(&mut trials);
    trials.conclude()
}
