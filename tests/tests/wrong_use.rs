//! Wrong use is answered with a typed error that says in words what is wrong.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "wrong_use/descriptors.rs"]
mod descriptors;
#[path = "wrong_use/moments.rs"]
mod moments;
#[path = "wrong_use/options.rs"]
mod options;

use std::fmt::{Debug, Display};
use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    descriptors::add(&mut trials);
    options::add(&mut trials);
    moments::add(&mut trials);
    trials.conclude()
}

/// The error is this one, and its text has all these words.
#[track_caller]
fn assert_says<E: Copy + Debug + Display + PartialEq>(error: Option<E>, expected: E, words: &[&str]) {
    assert_eq!(error, Some(expected));
    assert_text_has(&expected, words);
}

#[track_caller]
fn assert_text_has(error: &dyn Display, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}
