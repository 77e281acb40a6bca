use fdlink_core::io::Offloads;
use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::wire::vnet::{self, ByteOrder, VirtioNetHdr};
use fdlink_core::wire::{Checksum, Layers};
use fdlink_core::{ChecksumState, Gso, GsoSupport, GsoType, Offload, Options};
use fdlink_linux::FdOptions;
use fdlink_tests::support::Segments;

use crate::sending;

/// A TCP packet over IPv4 of 45 segments, its checksum and its cutting left undone.
pub(super) struct SuperFrame {
    /// Link header first, where there is one.
    pub(super) bytes: Vec<u8>,
    /// Bytes of link header.
    pub(super) network: usize,
    pub(super) offload: Offload,
}

impl SuperFrame {
    /// To an address that nobody has: the kernel behind the interface drops it early.
    pub(super) fn ethernet() -> Self {
        Self::of(&mut Segments::tcp(5000), HEADER_LEN)
    }

    /// Without a link header.
    pub(super) fn bare() -> Self {
        Self::of(&mut Segments { has_ethernet: false, ..Segments::tcp(5000) }, 0)
    }

    fn of(segments: &mut Segments, network: usize) -> Self {
        let bytes = segments.next(&[0x5a; SEGMENTS * MSS as usize], 0);
        let checksum = ChecksumState::Partial { start: IP_LEN, offset: CHECKSUM };
        let offload = Offload { checksum, gso: Some(Gso { gso_type: GsoType::TcpV4, size: MSS, ecn: false }) };
        Self { bytes: leave_to_complete(bytes, network), network, offload }
    }

    /// What stands in front of it.
    pub(super) fn vnet_header(&self) -> [u8; vnet::LEN] {
        let headers = self.network + usize::from(IP_LEN) + TCP_LEN;
        VirtioNetHdr::from_offload(self.offload, self.network, headers).encode(ByteOrder::Native)
    }
}

/// Puts the sum of the pseudo-header in the place of the checksum.
fn leave_to_complete(mut bytes: Vec<u8>, network: usize) -> Vec<u8> {
    let packet = &mut bytes[network..];
    if let Some(layers) = Layers::behind(packet, 0) {
        let mut sum = Checksum::new();
        sum.add_pseudo_header(packet, &layers, (packet.len() - usize::from(IP_LEN)) as u32);
        let field = usize::from(IP_LEN + CHECKSUM);
        packet[field..field + 2].copy_from_slice(&sum.sum().to_be_bytes());
    }
    bytes
}

pub(super) fn options() -> Options {
    Options { gso: GsoSupport::Host, ..sending::options() }
}

pub(super) fn fd_options() -> FdOptions {
    FdOptions { offloads: Offloads::CSUM | Offloads::TSO4 | Offloads::TSO6, ..FdOptions::default() }
}

/// As many as an IPv4 packet has room for.
const SEGMENTS: usize = 45;
const MSS: u16 = 1448;
const IP_LEN: u16 = 20;
const TCP_LEN: usize = 20;
/// Where a TCP header has its checksum.
const CHECKSUM: u16 = 16;
