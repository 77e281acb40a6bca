//! Frames that Linux cut, summed up or refused, against what fdlink makes of them: `tests/vectors`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "vectors/cut.rs"]
mod cut;
#[path = "vectors/partial.rs"]
mod partial;
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
    trials.anywhere(partial::partial_segments_are_complete_ones_without_their_sum);
    trials.anywhere(partial::checksums_are_valid_where_the_kernel_found_them_so);
    trials.anywhere(rejected::what_linux_refuses_is_an_error_or_corrected);
    trials.anywhere(rejected::what_linux_takes_comes_out_the_same);
    trials.conclude()
}
