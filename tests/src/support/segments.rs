use fdlink_core::wire::{Checksum, Layers};

use super::{OWN, PEER, make_checksum};

/// Makes the frames of a TCP or UDP flow from [`PEER`] to [`OWN`], one after the other.
#[derive(Debug, Clone)]
pub struct Segments {
    /// With Ethernet header.
    pub has_ethernet: bool,
    /// IPv6.
    pub is_v6: bool,
    /// TCP.
    pub is_tcp: bool,
    /// Source port, which tells flows apart.
    pub port: u16,
    /// Sequence number of the next segment.
    pub sequence: u32,
    /// IPv4 identification of the next one.
    pub id: u16,
}

impl Segments {
    /// TCP over IPv4 over Ethernet.
    #[must_use]
    pub const fn tcp(port: u16) -> Self {
        Self { has_ethernet: true, is_v6: false, is_tcp: true, port, sequence: 0xffff_f000, id: 0xfff0 }
    }

    /// The next frame, with these TCP flags besides ACK.
    pub fn next(&mut self, payload: &[u8], flags: u8) -> Vec<u8> {
        let transport = self.transport(payload, flags);
        let link = [&OWN.0[..], &PEER.0, if self.is_v6 { &[0x86, 0xdd] } else { &[8, 0] }].concat();
        let link = if self.has_ethernet { link } else { Vec::new() };
        let mut frame = [link, self.network(transport.len()), transport].concat();
        let layers = Layers::behind(&frame, self.link_len()).expect("a whole packet");
        make_checksum(&mut frame, &layers);
        self.sequence = self.sequence.wrapping_add(payload.len() as u32);
        self.id = self.id.wrapping_add(1);
        frame
    }

    /// Bytes of Ethernet header.
    #[must_use]
    pub const fn link_len(&self) -> usize {
        if self.has_ethernet { 14 } else { 0 }
    }

    fn network(&self, transport_len: usize) -> Vec<u8> {
        let protocol = if self.is_tcp { 6 } else { 17 };
        if self.is_v6 {
            let [hi, lo] = (transport_len as u16).to_be_bytes();
            let addresses = (0..32).map(|byte| byte | 0x20);
            return [0x60, 0, 0, 0, hi, lo, protocol, 64].into_iter().chain(addresses).collect();
        }
        let [[hi, lo], [i0, i1]] = [(20 + transport_len) as u16, self.id].map(u16::to_be_bytes);
        let mut header = [0x45, 0, hi, lo, i0, i1, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        let mut sum = Checksum::new();
        sum.add_bytes(&header);
        header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        header.to_vec()
    }

    fn transport(&self, payload: &[u8], flags: u8) -> Vec<u8> {
        let [p0, p1] = self.port.to_be_bytes();
        if self.is_tcp {
            let [s0, s1, s2, s3] = self.sequence.to_be_bytes();
            let header = [p0, p1, 0, 80, s0, s1, s2, s3, 0, 0, 0, 9, 0x50, flags | ACK, 1, 0, 0, 0, 0, 0];
            return [&header, payload].concat();
        }
        let [hi, lo] = (8 + payload.len() as u16).to_be_bytes();
        [&[p0, p1, 0, 53, hi, lo, 0, 0], payload].concat()
    }
}

const ACK: u8 = 0x10;
