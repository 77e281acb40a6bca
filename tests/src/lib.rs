//! What the tests, benchmarks and demonstrations of fdlink share.

#![forbid(unsafe_code)]

pub mod conformance;
pub mod lab;
