use crate::wire::{EtherType, LinkAddress};

/// Which frames an endpoint takes. A channel that can may leave the others out before they cost anything
/// ([`TxQueue::set_rx_filter`](super::TxQueue::set_rx_filter)); the endpoint checks each frame all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RxFilter {
    /// Frames start with an Ethernet II header; otherwise with the IP header.
    pub ethernet_header: bool,
    /// Frames for any address are taken.
    pub promiscuous: bool,
    /// Otherwise those for this address, and those for groups.
    pub address: LinkAddress,
    /// Of these protocols; of all where it is empty. The type behind a VLAN tag counts.
    pub ether_types: &'static [EtherType],
    /// Of these VLANs.
    pub vlan: VlanFilter,
}

/// Which VLANs an endpoint is in (IEEE 802.1Q), by the outermost tag of a frame, whether it is in the frame or was taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum VlanFilter {
    /// All; tagged and untagged frames.
    #[default]
    Any,
    /// None: frames without a tag, and those with identifier 0, which carries a priority only.
    Untagged,
    /// This one, 1 to 4094.
    Id(u16),
}

impl VlanFilter {
    /// Whether frames of VLAN `id` are taken; 0 stands for none.
    #[must_use]
    pub const fn takes(self, id: u16) -> bool {
        match self {
            Self::Any => true,
            Self::Untagged => id == 0,
            Self::Id(own) => id == own,
        }
    }
}
