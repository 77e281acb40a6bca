//! Generic receive offload: as the kernel does it, what it must keep, and through an endpoint.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "gro/kernel.rs"]
mod kernel;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    kernel::add(&mut trials);
    trials.conclude()
}
