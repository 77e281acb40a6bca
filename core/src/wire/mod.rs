//! Headers on the wire: what is added in front of a packet and what is read back.

pub mod ethernet;
pub mod flow;
pub mod layers;
mod siphash;
pub mod vnet;

pub use ethernet::{EtherType, LinkAddress};
pub use flow::{FlowHasher, FlowKey};
pub use layers::Layers;
pub use vnet::{VirtioNetHdr, VnetError};
