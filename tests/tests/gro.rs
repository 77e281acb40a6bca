//! Generic receive offload: as the kernel does it, what it must keep, and through an endpoint.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "gro/endpoint.rs"]
mod endpoint;
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
    trials.conclude()
}
