//! Deterministic in-memory descriptors for [fdlink](fdlink_core).
//!
//! A [`Link`] joins two ends. Each end is a [`RawIo`](fdlink_core::io::RawIo), so that a whole endpoint runs over it: without a kernel, without
//! threads, without allocation, and the same on every run.
//!
//! ```
//! use fdlink_core::io::{RawIo, RxBatch, RxQueue, TxFrame, TxQueue};
//!
//! let link = fdlink_mock::Link::<4, 64>::new(); // four frames of up to 64 bytes each way
//! let (a, b) = link.ends();
//! let (a, mut b) = (a.split(), b.split());
//!
//! a.tx.send(&[TxFrame { header: b"head", parts: &[b"er ", b"payload"] }])?;
//! let mut batch = b.rx.poll(8)?;
//! assert_eq!(batch.frames().next().unwrap().bytes, b"header payload");
//! # Ok::<(), fdlink_mock::MockError>(())
//! ```
#![cfg_attr(feature = "sim", doc = include_str!("simulation.md"))]
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::panic, clippy::expect_used))]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test"))]

#[cfg(feature = "sim")]
extern crate alloc;

#[cfg(feature = "sim")]
pub mod clock;
#[cfg(feature = "sim")]
pub mod descriptor;
#[cfg(feature = "sim")]
pub mod device;
mod error;
#[cfg(feature = "sim")]
pub mod fault;
#[cfg(feature = "sim")]
mod lie;
mod link;
#[cfg(feature = "sim")]
pub mod network;
#[cfg(feature = "sim")]
mod pcapng;
mod queue;
#[cfg(feature = "sim")]
mod rates;
#[cfg(feature = "sim")]
pub mod record;
#[cfg(feature = "sim")]
pub mod rng;
#[cfg(feature = "sim")]
mod shrink;

pub use error::MockError;
pub use link::{End, Link, MockStop};
pub use queue::{MockBatch, MockRx, MockTx};
