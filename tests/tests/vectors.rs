//! Frames that Linux cut, summed up or refused, against what fdlink makes of them: `tests/vectors`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "vectors/case.rs"]
mod case;
#[path = "vectors/cut.rs"]
mod cut;
#[path = "vectors/rejected.rs"]
mod rejected;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.anywhere(cut::tcp_over_ipv4_is_cut_as_by_linux);
    trials.anywhere(cut::tcp_over_ipv6_is_cut_as_by_linux);
    trials.anywhere(cut::udp_is_cut_as_by_linux);
    trials.anywhere(cut::checksums_are_completed_as_by_linux);
    trials.anywhere(rejected::what_linux_refuses_is_an_error_or_corrected);
    trials.anywhere(rejected::what_linux_takes_comes_out_the_same);
    trials.conclude()
}
