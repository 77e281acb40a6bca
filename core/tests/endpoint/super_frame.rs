//! Packets that something is left to do to, and what is to come of them.

use fdlink_core::tx::gso::{Splitter, payload_slices};
use fdlink_core::wire::HeaderBuf;
use fdlink_core::{ChecksumState, EtherType, Gso, GsoType, Offload, Packet};

/// A packet from its network header on, longer than the MTU or with a partial checksum.
#[derive(Debug, Clone)]
pub(crate) struct SuperFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
}

impl SuperFrame {
    /// TCP over IPv4; `mark` is its port, so that it shows in every segment.
    pub(crate) fn tcp(mark: u16, payload_len: usize, size: u16) -> Self {
        let [m0, m1] = mark.to_be_bytes();
        let ip = [0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let tcp = [m0, m1, 0, 80, 0xff, 0xff, 0xff, 0, 0, 0, 0, 9, 0x50, ACK | PSH | FIN, 1, 0, 0x12, 0x34, 0, 0];
        Self::new(&[&ip[..], &tcp].concat(), payload_len, GsoType::TcpV4, size, 20)
    }

    /// UDP over IPv6.
    pub(crate) fn udp(mark: u16, payload_len: usize, size: u16) -> Self {
        let [[m0, m1], [l0, l1]] = [mark, (8 + payload_len) as u16].map(u16::to_be_bytes);
        let ip = [&[0x60, 0, 0, 0, 0, 0, 17, 64][..], &[0x20; 32]].concat();
        let udp = [m0, m1, 0, 53, l0, l1, 0x56, 0x78];
        Self::new(&[&ip[..], &udp].concat(), payload_len, GsoType::UdpL4, size, 40)
    }

    fn new(headers: &[u8], payload_len: usize, gso_type: GsoType, size: u16, start: u16) -> Self {
        let payload = (0..payload_len).map(|at| (at * 31 + (at >> 8)) as u8);
        let offset = if gso_type == GsoType::UdpL4 { 6 } else { 16 };
        Self {
            bytes: headers.iter().copied().chain(payload).collect(),
            offload: Offload {
                checksum: ChecksumState::Partial { start, offset },
                gso: Some(Gso { gso_type, size, ecn: false }),
            },
        }
    }

    /// The same, of which only the checksum is left to do.
    pub(crate) fn with_checksum_only(mut self) -> Self {
        self.offload.gso = None;
        self
    }

    /// Its bytes in parts that end there.
    pub(crate) fn parts(&self, cuts: &[usize]) -> Vec<&[u8]> {
        let mut ends: Vec<_> = cuts.iter().map(|cut| *cut.min(&self.bytes.len())).collect();
        ends.sort_unstable();
        let starts = [0].into_iter().chain(ends.iter().copied());
        starts.zip(ends.iter().copied().chain([self.bytes.len()])).map(|(start, end)| &self.bytes[start..end]).collect()
    }

    /// The packet, over its [`parts`](SuperFrame::parts).
    pub(crate) fn packet<'p>(&self, parts: &'p [&'p [u8]]) -> Packet<'p> {
        Packet::new(EtherType::IPV4, parts).with_offload(self.offload)
    }

    /// What is to leave where the system completes checksums and does not cut, a virtio-net header of 10 bytes in front of each frame.
    pub(crate) fn partial_segments(&self) -> Vec<Vec<u8>> {
        let ChecksumState::Partial { start, offset } = self.offload.checksum else { return self.segments(10) };
        let [start, offset] = [start, offset].map(u16::to_ne_bytes);
        let vnet = [&[1, 0, 0, 0, 0, 0][..], &start, &offset].concat();
        let parts = [self.bytes.as_slice()];
        let splitter = Splitter::new(&[], &parts, 0, self.offload).unwrap();
        let segment = |index| {
            let mut headers = HeaderBuf::new();
            let payload = splitter.write_partial_segment(index, &mut headers).unwrap();
            [&vnet[..], &headers, &payload_slices(&parts, payload).collect::<Vec<_>>().concat()].concat()
        };
        (0..splitter.segments()).map(segment).collect()
    }

    /// What is to leave where nobody below does anything, `vnet_header_len` zero bytes in front of each frame.
    pub(crate) fn segments(&self, vnet_header_len: usize) -> Vec<Vec<u8>> {
        let parts = [self.bytes.as_slice()];
        let splitter = Splitter::new(&[], &parts, 0, self.offload).unwrap();
        let segments = (0..splitter.segments()).map(|index| splitter.segment(index).unwrap());
        segments
            .map(|segment| {
                let payload: Vec<_> = payload_slices(&parts, segment.payload.clone()).collect();
                [&vec![0; vnet_header_len], &segment.headers[..], &payload.concat()].concat()
            })
            .collect()
    }
}

const FIN: u8 = 1;
const PSH: u8 = 8;
const ACK: u8 = 16;
