//! From a queue to the dispatcher.

mod finish;
pub mod gro;
pub mod handoff;
mod parse;
mod parts;
mod receiver;
mod split;
mod steer;
mod tally;
mod wake;

pub(crate) use finish::{Finish, Finisher};
pub(crate) use parse::Filter;
pub use parse::Parsed;
pub use parts::Parts;
pub use receiver::{Ended, Receiver};
#[cfg(feature = "smoltcp")]
pub(crate) use split::Cuts;
pub use split::{Split, complete_checksum};
pub use steer::Steering;
pub(crate) use tally::Tally;
pub(crate) use wake::Waiter;
pub use wake::WakePolicy;
