//! From a queue to the dispatcher.

pub mod gro;
mod parse;
mod parts;
mod receiver;
mod split;
mod tally;
mod wake;

pub(crate) use parse::Filter;
pub use parse::Parsed;
pub use parts::Parts;
pub use receiver::{Ended, Receiver};
pub use split::{Split, complete_checksum};
pub(crate) use tally::Tally;
pub(crate) use wake::Waiter;
pub use wake::WakePolicy;
