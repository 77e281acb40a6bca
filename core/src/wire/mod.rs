//! Headers on the wire: what is added in front of a packet and what is read back.

pub mod checksum;
pub mod ethernet;
pub mod layers;
pub mod segment;
pub mod vnet;

pub use checksum::Checksum;
pub use ethernet::{EtherType, LinkAddress};
pub use layers::Layers;
pub use segment::{HeaderBuf, Unsplittable};
pub use vnet::{VirtioNetHdr, VnetError};
