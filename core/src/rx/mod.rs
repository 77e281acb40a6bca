//! From a queue to the dispatcher.

mod parse;
mod receiver;
mod wake;

pub(crate) use parse::Filter;
pub use parse::Parsed;
pub use receiver::{Ended, Receiver};
pub(crate) use wake::Waiter;
pub use wake::WakePolicy;
