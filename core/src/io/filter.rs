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
    /// Of these protocols. The type behind a VLAN tag counts.
    pub ether_types: EtherTypes,
    /// Of these VLANs.
    pub vlan: VlanFilter,
}

/// Which protocols an endpoint takes (IANA "IEEE 802 Numbers"). Plain data, so that it is copied along with what it belongs to.
///
/// ```
/// use fdlink_core::EtherType;
/// use fdlink_core::io::EtherTypes;
///
/// const IP: EtherTypes = EtherTypes::only([EtherType::IPV4, EtherType::IPV6]);
/// assert!(IP.takes(EtherType::IPV6) && !IP.takes(EtherType::ARP));
/// assert!(EtherTypes::ALL.takes(EtherType::ARP));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct EtherTypes {
    /// Zero behind the first `len`.
    types: [EtherType; Self::MOST],
    len: u8,
}

impl EtherTypes {
    /// Most protocols that can be named.
    pub const MOST: usize = 16;

    /// Every protocol.
    pub const ALL: Self = Self { types: [EtherType(0); Self::MOST], len: 0 };

    /// These alone; more than [`MOST`](Self::MOST) do not compile. None at all is [`ALL`](Self::ALL).
    #[must_use]
    pub const fn only<const N: usize>(types: [EtherType; N]) -> Self {
        const { assert!(N <= Self::MOST, "too many protocols") };
        let mut only = Self { len: N as u8, ..Self::ALL };
        only.types.split_at_mut(N).0.copy_from_slice(&types);
        only
    }

    /// As [`only`](Self::only), for a list that comes at run time; `None` if it is longer than [`MOST`](Self::MOST).
    #[must_use]
    pub fn from_slice(types: &[EtherType]) -> Option<Self> {
        let mut only = Self { len: u8::try_from(types.len()).ok()?, ..Self::ALL };
        only.types.get_mut(..types.len())?.copy_from_slice(types);
        Some(only)
    }

    /// Those that are named; empty where all are taken.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[EtherType] {
        self.types.split_at(usize::from(self.len).min(Self::MOST)).0
    }

    /// True where no protocol is left out.
    #[must_use]
    #[inline]
    pub const fn is_all(&self) -> bool {
        self.len == 0
    }

    /// Whether packets of this protocol are taken.
    #[must_use]
    #[inline]
    pub fn takes(&self, ether_type: EtherType) -> bool {
        self.is_all() || self.as_slice().contains(&ether_type)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_protocols_can_be_named_and_no_more() {
        let types: [EtherType; 17] = core::array::from_fn(|n| EtherType(0x0800 + n as u16));
        assert_eq!(EtherTypes::from_slice(&types), None);
        let most = EtherTypes::from_slice(&types[..16]).expect("they fit");
        assert!(types.iter().filter(|ether_type| !most.takes(**ether_type)).eq([&types[16]]));
        assert_eq!(EtherTypes::from_slice(&types[..2]), Some(EtherTypes::only([types[0], types[1]])));
        assert_eq!(EtherTypes::from_slice(&[]), Some(EtherTypes::ALL));
    }
}
