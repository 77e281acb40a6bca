//! Middleware: wraps any channel, also a real one, and is a channel itself.
//!
//! [`Watched`] shows every frame and every error to a [`Watch`]: a [`Tracer`], a [`Capture`], [`Counts`], or your own. [`Faulty`] makes what
//! goes wrong by a plan. They nest.
//!
//! ```
//! use fdlink_core::io::{RawIo, TxFrame, TxQueue};
//! use fdlink_mock::device::{Counts, Watched};
//!
//! let link = fdlink_mock::Link::<4, 64>::new();
//! let (a, _b) = link.ends();
//! let (a, counts) = Watched::new(a, Counts::default());
//! a.split().tx.send(&[TxFrame { header: &[], parts: &[b"frame"] }])?;
//! assert_eq!(counts.lock().sent, 1);
//! # Ok::<(), fdlink_mock::MockError>(())
//! ```

mod faulty;
mod faulty_rx;
mod watch;
mod watched;

pub use faulty::{Faulty, FaultyError, FaultyTx};
pub use faulty_rx::{FaultyBatch, FaultyRx};
pub use watch::{Capture, Counts, Tracer, Watch};
pub use watched::{Watched, WatchedBatch, WatchedRx, WatchedTx};
