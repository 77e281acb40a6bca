//! What is equal in the headers of all segments of a run, in words that are quickly compared.

use super::segment::{FIN, PSH};
use crate::wire::ethernet::HEADER_LEN;
use crate::wire::layers::{IPV4_HEADER_LEN, IPV6_HEADER_LEN, TCP_HEADER_LEN};

/// All of an Ethernet header: its first and its last eight bytes.
#[inline]
pub(super) fn ethernet(header: &[u8; HEADER_LEN]) -> [u64; 2] {
    let (&[ref first @ .., _, _, _, _, _, _], &[_, _, _, _, _, _, ref last @ ..]) = (header, header);
    [u64::from_ne_bytes(*first), u64::from_ne_bytes(*last)]
}

/// All of an IPv4 header but length, identification, checksum.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ipv4 {
    addresses: u64,
    fragment_hops_protocol: u32,
    version_class: u16,
}

impl Ipv4 {
    #[inline]
    pub(super) const fn of(header: &[u8; IPV4_HEADER_LEN]) -> Self {
        let &[v, c, _, _, _, _, f0, f1, hops, protocol, _, _, ref addresses @ ..] = header;
        Self {
            addresses: u64::from_ne_bytes(*addresses),
            fragment_hops_protocol: u32::from_ne_bytes([f0, f1, hops, protocol]),
            version_class: u16::from_ne_bytes([v, c]),
        }
    }
}

/// All of an IPv6 header but the length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ipv6 {
    addresses: [u8; 32],
    version_class_label: u32,
    next_hops: u16,
}

impl Ipv6 {
    #[inline]
    pub(super) const fn of(header: &[u8; IPV6_HEADER_LEN]) -> Self {
        let &[v, c, l0, l1, _, _, next, hops, ref addresses @ ..] = header;
        Self {
            addresses: *addresses,
            version_class_label: u32::from_ne_bytes([v, c, l0, l1]),
            next_hops: u16::from_ne_bytes([next, hops]),
        }
    }
}

/// What TCP headers have in common.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tcp {
    acknowledgement: u32,
    /// Header length, flags but FIN and PSH, window.
    rest: u32,
}

impl Tcp {
    #[inline]
    pub(super) const fn of(header: &[u8; TCP_HEADER_LEN]) -> Self {
        let &[_, _, _, _, _, _, _, _, a0, a1, a2, a3, offset, flags, w0, w1, ..] = header;
        Self {
            acknowledgement: u32::from_ne_bytes([a0, a1, a2, a3]),
            rest: u32::from_ne_bytes([offset, flags, w0, w1]) & !u32::from_ne_bytes([0, FIN | PSH, 0, 0]),
        }
    }
}
