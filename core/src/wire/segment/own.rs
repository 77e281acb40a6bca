use crate::wire::Checksum;
use crate::wire::layers::{IPV6_HEADER_LEN, IpVersion, Layers, TransportProtocol};

/// What the headers of a segment have of their own besides what counts up: the same in all segments but the first and the last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own {
    /// The length in the IP header.
    pub(super) network_len: u16,
    /// Bytes of transport header and payload.
    pub(super) transport_len: u16,
    /// TCP flags.
    pub(super) flags: u8,
    /// Over the IPv4 header without its identification.
    pub(super) header_sum: u16,
    /// Over the pseudo-header: a partial checksum.
    pub(super) pseudo_sum: u16,
    /// Over pseudo-header and transport header without its sequence number.
    pub(super) transport_sum: Checksum,
}

/// What is summed up for all segments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sums {
    /// Over the IPv4 header without length and identification.
    pub(super) header: Checksum,
    /// Over the pseudo-header without its length.
    pub(super) pseudo: Checksum,
    /// Over the transport header without sequence number, flags and length.
    pub(super) transport: Checksum,
}

impl Own {
    /// For a segment with so many bytes of payload; all of its lengths were found to fit.
    pub(super) fn new(mut sums: Sums, layers: &Layers, payload_len: usize, flags: u8) -> Self {
        let transport_len = (layers.payload - layers.transport + payload_len) as u16;
        let network_len = transport_len + (layers.transport - length_start(layers)) as u16;
        sums.header.add_word(network_len);
        sums.pseudo.add_word(transport_len);
        sums.transport.add_sum(sums.pseudo);
        sums.transport.add_word(match layers.protocol {
            TransportProtocol::Tcp => flags.into(),
            TransportProtocol::Udp => transport_len,
        });
        Self {
            network_len,
            transport_len,
            flags,
            header_sum: sums.header.sum(),
            pseudo_sum: sums.pseudo.sum(),
            transport_sum: sums.transport,
        }
    }
}

/// From where on the length in the IP header counts.
pub(super) const fn length_start(layers: &Layers) -> usize {
    match layers.version {
        IpVersion::V4 => layers.network,
        IpVersion::V6 => layers.network + IPV6_HEADER_LEN,
    }
}
