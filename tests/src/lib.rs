//! What the tests, benchmarks and demonstrations of fdlink share.

#![forbid(unsafe_code)]

pub mod bulk;
pub mod conformance;
pub mod fuzz;
pub mod lab;
pub mod random;
pub mod sim;
pub mod support;
pub mod vectors;

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
