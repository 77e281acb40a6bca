use super::head::{Head, MAX_PACKET_LEN};
use super::segment::{Segment, varying};
use crate::wire::Layers;
use crate::wire::checksum::sum_of;
use crate::wire::layers::{IPV4_HEADER_LEN, IpVersion, TransportProtocol};

/// The headers of the next segment of a run, if it is as long as the first and does not end the run: header prediction (V. Jacobson, RFC 1323
/// appendix A.3). They are compared in one go, whatever the protocols are.
///
/// ```text
/// like  │ link │ IPv4: the next identification, and its checksum │ TCP: the next sequence number │ 0 …
/// mask  │ ff … │ ff …                                            │ ff …, 0 for checksum, urgent pointer │ 0 …
/// ```
///
/// What does not fit may belong to the run for all that: it is then compared field by field. A predicted IPv4 header has a right checksum, so
/// one that fits has too.
pub(crate) struct Prediction {
    like: Bytes,
    mask: Bytes,
    /// How many blocks of them are compared.
    blocks: usize,
    /// How many segments there is room for behind the first.
    most: usize,
    /// Where identification and checksum are, and what they sum up to; `None` for IPv6.
    counted: Option<(usize, u16)>,
    /// Where the sequence number is; `None` for UDP.
    sequence: Option<usize>,
}

/// Aligned as vector instructions want it.
#[repr(align(16))]
struct Bytes([u8; LEN]);

impl Prediction {
    /// What follows a run's first segment; `None` for headers that are too long.
    pub(super) fn new(frame: &[u8], segment: &Segment) -> Option<Self> {
        let Segment { layers, end, .. } = segment;
        let (mut like, mut mask) = ([0; LEN], [0; LEN]);
        like.get_mut(..layers.payload)?.copy_from_slice(frame.get(..layers.payload)?);
        mask.get_mut(..layers.payload)?.fill(0xff);
        ignore_checksum(mask.get_mut(layers.transport..)?, layers.protocol);
        Some(Self {
            blocks: layers.payload.div_ceil(BLOCK_LEN),
            most: (MAX_PACKET_LEN + layers.network).checked_sub(*end)?.checked_div(segment.payload_len())?,
            counted: counted(&like, layers),
            sequence: matches!(layers.protocol, TransportProtocol::Tcp).then_some(layers.transport + 4),
            like: Bytes(like),
            mask: Bytes(mask),
        })
    }

    /// True if there is room for one more, behind `count` segments that were appended.
    #[inline]
    pub(crate) const fn has_room(&self, count: usize) -> bool {
        count < self.most
    }

    /// True if a frame has these headers.
    #[inline(always)]
    pub(super) fn fits(&self, frame: &[u8]) -> bool {
        let Some(frame) = frame.as_chunks().0.get(..self.blocks) else { return false };
        let expected = self.like.0.as_chunks().0.iter().zip(self.mask.0.as_chunks().0);
        let [even, odd] =
            frame.iter().zip(expected).fold([0; 2], |sum, (frame, (like, mask))| differ(sum, frame, like, mask));
        even | odd == 0
    }

    /// Goes on to the segment that comes next.
    #[inline]
    pub(crate) fn advance<P>(&mut self, head: &Head<P>) {
        if let Some((at, sum)) = self.counted
            && let Some([i0, i1, _, _, _, _, c0, c1]) = self.like.0.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
        {
            [*i0, *i1] = head.id.to_be_bytes();
            [*c0, *c1] = sum_of([sum, !head.id.to_be()]).to_ne_bytes();
        }
        if let Some(at) = self.sequence
            && let Some(field) = self.like.0.get_mut(at..).and_then(<[u8]>::first_chunk_mut)
        {
            *field = head.sequence.to_be_bytes();
        }
    }
}

fn counted(headers: &[u8], layers: &Layers) -> Option<(usize, u16)> {
    if layers.version == IpVersion::V6 {
        return None;
    }
    let header: &[u8; IPV4_HEADER_LEN] = headers.get(layers.network..)?.first_chunk()?;
    let &[_, _, l0, l1, ..] = header;
    Some((layers.network + 4, sum_of([varying(header), !u16::from_ne_bytes([l0, l1])])))
}

/// Each segment has its own, and an urgent pointer without URG says nothing.
fn ignore_checksum(mask: &mut [u8], protocol: TransportProtocol) {
    let field = match protocol {
        TransportProtocol::Tcp => 16..20,
        TransportProtocol::Udp => 6..8,
    };
    mask.get_mut(field).unwrap_or_default().fill(0);
}

/// Adds the bits in which the blocks differ.
#[inline]
fn differ(sum: [u64; 2], block: &[u8; BLOCK_LEN], like: &[u8; BLOCK_LEN], mask: &[u8; BLOCK_LEN]) -> [u64; 2] {
    let words = |bytes: &[u8; BLOCK_LEN]| {
        let (words, _) = bytes.as_chunks();
        [0, 1, 2, 3].map(|at: usize| words.get(at).map_or(0, |word| u64::from_ne_bytes(*word)))
    };
    let ([even, odd], [a, b, c, d], [e, f, g, h], [i, j, k, l]) = (sum, words(block), words(like), words(mask));
    [even | ((a ^ e) & i) | ((c ^ g) & k), odd | ((b ^ f) & j) | ((d ^ h) & l)]
}

const BLOCK_LEN: usize = 32;
/// Room for Ethernet, IPv6 and TCP with timestamps (86 bytes).
const LEN: usize = 3 * BLOCK_LEN;
