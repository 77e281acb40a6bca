//! Linux backend of [fdlink](fdlink_core).
#![deny(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod classify;
mod endpoint;
mod error;
mod fd;
pub mod iovec_buffer;
mod mode;
pub mod packet;
pub mod probe;
mod readv;
mod recvmmsg;
mod runner;
mod rx;
mod send;
mod source;
mod sys;
pub mod tuntap;
mod wait;

pub use endpoint::{FdEndpoint, endpoint, injectable};
pub use error::{FdError, SetupError};
pub use fd::{FdIo, FdStop};
pub use mode::{DispatchMode, FdOptions, MAX_MSGS_PER_RECV};
pub use runner::{Runner, RunnerError};
pub use rx::{FdBatch, FdRx};
pub use send::FdTx;
