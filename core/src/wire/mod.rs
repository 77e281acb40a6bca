//! Headers on the wire: what is added in front of a packet and what is read back.

pub mod ethernet;

pub use ethernet::{EtherType, LinkAddress};
