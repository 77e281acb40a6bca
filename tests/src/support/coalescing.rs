use fdlink_core::io::RxMeta;
use fdlink_core::rx::gro::Coalescer;
use fdlink_core::wire::layers::{IpVersion, TransportProtocol};
use fdlink_core::wire::{Checksum, Layers};
use fdlink_core::{ChecksumState, EtherType, NetworkDispatcher, Offload, RxPacket};

/// A frame with what is left to do to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offloaded {
    /// The whole frame in one piece.
    pub frame: Vec<u8>,
    /// What is left to do.
    pub offload: Offload,
}

impl Offloaded {
    /// A frame that came off a wire.
    #[must_use]
    pub fn plain(frame: &[u8]) -> Self {
        Self { frame: frame.to_vec(), offload: Offload::NONE }
    }
}

/// What becomes of frames with `link_len` bytes of link header that come in one batch.
#[must_use]
pub fn coalesced(frames: &[Offloaded], link_len: usize) -> Vec<Offloaded> {
    let mut lent = frames.to_vec();
    let mut kept = Kept(Vec::new());
    let mut coalescer = Coalescer::new();
    for Offloaded { frame, offload } in &mut lent {
        let meta = RxMeta::new(frame.len());
        let packet = RxPacket::new(frame, link_len, meta).with_offload(*offload);
        coalescer.take(EtherType(0), packet, &mut kept);
    }
    coalescer.flush(&mut kept);
    kept.0
}

struct Kept(Vec<Offloaded>);

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let (frame, offload) = (packet.parts().concat(), packet.offload());
        assert_eq!(frame.len(), packet.meta().len, "the length that is told");
        assert_eq!(frame.len(), packet.link_header().len() + packet.total_len());
        self.0.push(Offloaded { frame, offload });
    }
}

/// The frames of a packet as they stand on a wire: cut as `offload` says, with every checksum complete. Padding of the link is left out.
///
/// Written down plainly, to compare with.
///
/// # Panics
///
/// If `offload` does not fit the frame.
#[must_use]
pub fn on_the_wire(packet: &Offloaded, link_len: usize) -> Vec<Vec<u8>> {
    let frame = packet.frame.as_slice();
    let Some(gso) = packet.offload.gso else { return vec![completed(packet, link_len)] };
    let layers = Layers::behind(frame, link_len).expect("a super-frame has headers");
    let (headers, payload) = frame.split_at(layers.payload);
    if payload.len() <= gso.size.into() {
        // Of one segment it is no super-frame, and its checksum is completed as that of any packet.
        return vec![completed(packet, link_len)];
    }
    let segments = payload.chunks(gso.size.into()).enumerate();
    let is_last = |at: usize| (at + 1) * usize::from(gso.size) >= payload.len();
    segments.map(|(at, payload)| segment(headers, &layers, at, gso.size, payload, is_last(at))).collect()
}

fn segment(headers: &[u8], layers: &Layers, at: usize, size: u16, payload: &[u8], is_last: bool) -> Vec<u8> {
    let mut frame = [headers, payload].concat();
    let transport_len = frame.len() - layers.transport;
    let (ip, transport) = frame[layers.network..].split_at_mut(layers.transport - layers.network);
    if layers.version == IpVersion::V4 {
        let id = be16(ip, 4).wrapping_add(at as u16);
        put(ip, 4, id);
        put(ip, 2, (ip.len() + transport_len) as u16);
        put(ip, 10, 0);
        put(ip, 10, sum(ip).finish());
    } else {
        put(ip, 4, (ip.len() - 40 + transport_len) as u16);
    }
    if layers.protocol == TransportProtocol::Tcp {
        let sequence = u32::from_be_bytes(transport[4..8].try_into().expect("four bytes"));
        let sequence = sequence.wrapping_add(at as u32 * u32::from(size));
        transport[4..8].copy_from_slice(&sequence.to_be_bytes());
        transport[13] &= if is_last { 0xff } else { !(FIN | PSH) } & if at == 0 { 0xff } else { !CWR };
    } else {
        put(transport, 4, transport_len as u16);
    }
    make_checksum(&mut frame, layers);
    frame
}

/// Writes the transport checksum of a frame without padding.
pub fn make_checksum(frame: &mut [u8], layers: &Layers) {
    let field = layers.transport + if layers.protocol == TransportProtocol::Tcp { 16 } else { 6 };
    put(frame, field, 0);
    let mut checksum = sum(&frame[layers.transport..]);
    checksum.add_pseudo_header(frame, layers, (frame.len() - layers.transport) as u32);
    let value = checksum.finish();
    let is_reserved = value == 0 && layers.protocol == TransportProtocol::Udp;
    put(frame, field, if is_reserved { 0xffff } else { value });
}

fn completed(packet: &Offloaded, link_len: usize) -> Vec<u8> {
    let mut frame = packet.frame.clone();
    if let Some(layers) = Layers::behind(&frame, link_len) {
        let len = match layers.version {
            IpVersion::V4 => be16(&frame, layers.network + 2).into(),
            IpVersion::V6 => usize::from(be16(&frame, layers.network + 4)) + 40,
        };
        frame.truncate(layers.network + len);
        if let ChecksumState::Partial { .. } = packet.offload.checksum {
            make_checksum(&mut frame, &layers);
            // Whoever completes a checksum writes 0 as 0xffff, without a look at the protocol (`skb_checksum_help`).
            let field = layers.transport + usize::from(layers.protocol.checksum_offset());
            if be16(&frame, field) == 0 {
                put(&mut frame, field, 0xffff);
            }
        }
    }
    frame
}

/// With 0 for a TCP checksum of 0xffff, which is the same: who completes a checksum writes the one, who cuts a super-frame the other.
#[must_use]
pub fn in_one_form(mut frame: Vec<u8>, link_len: usize) -> Vec<u8> {
    let layers = Layers::behind(&frame, link_len).filter(|layers| layers.protocol == TransportProtocol::Tcp);
    let field = layers.map(|layers| layers.transport + 16).filter(|field| frame.len() >= field + 2);
    if let Some(field) = field.filter(|field| be16(&frame, *field) == 0xffff) {
        put(&mut frame, field, 0);
    }
    frame
}

fn sum(bytes: &[u8]) -> Checksum {
    let mut checksum = Checksum::new();
    checksum.add_bytes(bytes);
    checksum
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

const FIN: u8 = 1;
const PSH: u8 = 8;
const CWR: u8 = 0x80;
