//! From packets to a queue.

mod batch;
mod write;

pub(crate) use batch::Batch;
pub use write::Written;
pub(crate) use write::write_packets;
