//! x
#![deny(unsafe_code)]

mod error;
pub mod packet;
pub mod probe;
mod sys;
pub mod tuntap;

pub use error::{FdError, SetupError};
