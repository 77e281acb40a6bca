//! From packets to a queue.

mod batch;
pub mod gso;
mod header;
mod sender;
mod write;

pub(crate) use header::HeaderMaker;
pub use write::Written;
pub(crate) use write::write_packets;
