//! Headers on the wire: what is added in front of a packet and what is read back.

pub mod checksum;
pub mod ethernet;
pub mod flow;
pub mod layers;
pub mod segment;
mod siphash;
pub mod vnet;

pub use checksum::Checksum;
pub use ethernet::{EtherType, LinkAddress};
pub use flow::{FlowHasher, FlowKey};
pub use layers::Layers;
pub use segment::{HeaderBuf, Unsplittable};
pub use vnet::{VirtioNetHdr, VnetError};
