//! The corpus of the fuzz program (`tests/corpus`), without chance: the smallest case of each kind that it has seen.

use std::process::ExitCode;

use fdlink_tests::fuzz::{Corpus, Target};
use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.anywhere(frames_are_received_as_by_the_model);
    trials.anywhere(frames_with_virtio_net_header_are_received_as_by_the_model);
    trials.anywhere(packets_are_sent_as_by_the_model);
    trials.anywhere(super_frames_are_cut_as_by_the_model);
    trials.anywhere(segments_are_merged_as_by_the_model);
    trials.conclude()
}

fn frames_are_received_as_by_the_model() {
    replay("receive");
}

fn frames_with_virtio_net_header_are_received_as_by_the_model() {
    replay("offloaded");
}

fn packets_are_sent_as_by_the_model() {
    replay("transmit");
}

fn super_frames_are_cut_as_by_the_model() {
    replay("segments");
}

fn segments_are_merged_as_by_the_model() {
    replay("coalesce");
}

/// A case of another kind than it was is of another input: then the corpus has to be made anew, with `cargo xtask fuzz --keep`.
fn replay(name: &str) {
    let target = Target::named(name).expect("there is one");
    let corpus = Corpus::load(target);
    assert!(corpus.len() > 40, "{} cases", corpus.len());
    for (seed, outcome) in corpus.cases() {
        assert_eq!(target.run(seed), outcome, "{name}, seed {seed}");
    }
}
