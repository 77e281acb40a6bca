//! From a queue to the dispatcher.

mod parse;
mod receiver;
mod split;
mod tally;
mod wake;

pub(crate) use parse::Filter;
pub use parse::Parsed;
pub use receiver::{Ended, Receiver};
pub use split::{Split, complete_checksum};
pub(crate) use tally::Tally;
pub(crate) use wake::Waiter;
pub use wake::WakePolicy;
