use fdlink_core::wire::ethernet::EthernetHeader;
use fdlink_core::{EtherType, LinkAddress};

/// The address of the endpoint under test.
pub const OWN: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
/// The address of the other end.
pub const PEER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
/// An address that is neither.
pub const STRANGER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);
/// "Local Experimental EtherType 1" (IEEE 802): no kernel answers it or sends it.
pub const TEST_PROTOCOL: EtherType = EtherType(0x88b5);

/// A frame from [`PEER`].
#[must_use]
pub fn ethernet(destination: LinkAddress, ether_type: EtherType, payload: &[u8]) -> Vec<u8> {
    let header = EthernetHeader { destination, source: PEER, ether_type };
    [&header.to_bytes(), payload].concat()
}

/// A frame from [`PEER`] to [`OWN`].
#[must_use]
pub fn to_own(payload: &[u8]) -> Vec<u8> {
    ethernet(OWN, TEST_PROTOCOL, payload)
}

/// `len` bytes, at least 4, that start with `number` and differ from those of any other number.
#[must_use]
pub fn marked(number: u32, len: usize) -> Vec<u8> {
    let mark = number.to_be_bytes();
    let fill = (mark.len()..len).map(|at| (at as u8).wrapping_mul(31).wrapping_add(number as u8));
    mark.into_iter().chain(fill).collect()
}
