//! From a queue to the dispatcher.

mod parse;
mod receiver;

pub(crate) use parse::Filter;
pub use parse::Parsed;
pub(crate) use receiver::Tally;
pub use receiver::{Ended, Receiver};
