//! Offloads on real descriptors: the kernel as oracle, what it refuses, and what is forwarded.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "offloads/coalescing.rs"]
mod coalescing;
#[path = "offloads/forwarding.rs"]
mod forwarding;
#[path = "offloads/healing.rs"]
mod healing;
#[path = "offloads/oracle.rs"]
mod oracle;
#[path = "offloads/super_frame.rs"]
mod super_frame;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    healing::add(&mut trials);
    oracle::add(&mut trials);
    forwarding::add(&mut trials);
    coalescing::add(&mut trials);
    trials.conclude()
}
