//! From packets to a queue.

mod batch;
mod coalesce;
mod downgrade;
pub mod gso;
mod header;
mod offloaded;
mod sender;
mod write;

pub(crate) use downgrade::Doubts;
pub(crate) use header::HeaderMaker;
pub use write::Written;
pub(crate) use write::write_packets;
