//! The Internet checksum (RFC 1071, RFC 1624): the one's-complement sum of 16-bit words, complemented.

use super::Layers;
use super::layers::{IPV6_HEADER_LEN, IpVersion, TransportProtocol, be16};

/// A one's-complement sum in the making.
///
/// Bytes are added slice by slice as if the slices were one: a slice of odd length shifts those behind it, which is accounted for.
///
/// ```
/// use fdlink_core::wire::Checksum;
///
/// let mut parts = Checksum::new();
/// parts.add_bytes(&[0x12, 0x34, 0x56]);
/// parts.add_bytes(&[0x78]);
/// assert_eq!(parts.sum(), 0x1234 + 0x5678);
/// assert_eq!(parts.finish(), !(0x1234 + 0x5678));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Checksum {
    /// The sum of words as the machine reads them: one's-complement sums do not depend on the byte order (RFC 1071, section 2 (B)).
    words: u64,
    /// An odd number of bytes was added: the next one is the second of a word.
    is_odd: bool,
}

impl Checksum {
    /// The sum of nothing.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { words: 0, is_odd: false }
    }

    /// Adds the bytes that follow those added so far.
    #[inline]
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let sum = sum_of_words(bytes);
        self.add(if self.is_odd { fold(sum).swap_bytes().into() } else { sum });
        self.is_odd ^= !bytes.len().is_multiple_of(2);
    }

    /// Adds a word that stands apart from the bytes, as in a pseudo-header: where it is added does not matter.
    #[inline]
    pub const fn add_word(&mut self, word: u16) {
        self.add(word.to_be() as u64);
    }

    /// Adds the pseudo-header of a packet: addresses, protocol, length of the transport header with its payload (RFC 9293 section 3.1,
    /// RFC 768, RFC 8200 section 8.1). The destination is that of the IP header, also where a routing header names another.
    #[inline]
    pub fn add_pseudo_header(&mut self, packet: &[u8], layers: &Layers, transport_len: u32) {
        self.add(sum_of_words(packet.get(layers.addresses()).unwrap_or_default()));
        self.add_word(layers.protocol.number().into());
        self.add_length(transport_len);
    }

    /// Adds a length as a pseudo-header has it, in 32 bits.
    #[inline]
    pub const fn add_length(&mut self, len: u32) {
        self.add(len.to_be() as u64);
    }

    /// Adds the sum of bytes that stand apart, an even number of them, as [`add_word`](Checksum::add_word) adds a word.
    #[inline]
    pub(crate) const fn add_sum(&mut self, sum: Self) {
        self.add(sum.words);
    }

    /// Adds words as the machine reads them, with the carry at the low end.
    #[inline]
    const fn add(&mut self, words: u64) {
        let (sum, carry) = self.words.overflowing_add(words);
        self.words = sum + carry as u64;
    }

    /// The sum.
    #[must_use]
    #[inline]
    pub const fn sum(&self) -> u16 {
        u16::from_be(fold(self.words))
    }

    /// The sum, complemented: a checksum field that was zero, or not yet there, when it was added.
    #[must_use]
    #[inline]
    pub const fn finish(&self) -> u16 {
        !self.sum()
    }
}

/// A checksum after one of the words below it changed from `old` to `new` (RFC 1624, equation 3).
#[must_use]
#[inline]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !u16::from_be(fold((!checksum).to_be() as u64 + (!old).to_be() as u64 + new.to_be() as u64))
}

/// Completes a partial checksum ([`ChecksumState::Partial`](crate::ChecksumState::Partial)): sums `bytes` from `start` on, the field at
/// `start + offset` included, and writes the complement there.
///
/// A result of 0 is written as 0xffff, which is the same number and never means "no checksum"; so does Linux. `None`, and nothing is
/// written, if the field does not lie in `bytes`.
#[must_use]
pub fn complete(bytes: &mut [u8], start: usize, offset: usize) -> Option<()> {
    let summed = bytes.get_mut(start..)?;
    let mut checksum = Checksum::new();
    checksum.add_bytes(summed);
    *summed.get_mut(offset..)?.first_chunk_mut()? = never_zero(checksum.finish()).to_be_bytes();
    Some(())
}

/// True if the transport checksum of a packet is right, or left out where it may be (UDP over IPv4, RFC 768).
///
/// The IP header's length counts: bytes behind it are padding. False for a packet that is cut, and for an IPv4 fragment.
#[must_use]
pub fn is_transport_valid(packet: &[u8], layers: &Layers) -> bool {
    let Some(transport) = transport_bytes(packet, layers) else { return false };
    if layers.is_ipv4_fragment(packet) {
        return false;
    }
    if is_left_out(packet, layers) {
        return true;
    }
    if layers.protocol == TransportProtocol::Udp && be16(transport, 6) == Some(0) {
        return false;
    }
    let mut checksum = Checksum::new();
    checksum.add_pseudo_header(packet, layers, transport.len() as u32);
    checksum.add_bytes(transport);
    checksum.finish() == 0
}

/// True if a packet has no transport checksum, and need not have one: UDP over IPv4 (RFC 768).
pub(crate) fn is_left_out(packet: &[u8], layers: &Layers) -> bool {
    let is_udp4 = layers.protocol == TransportProtocol::Udp && layers.version == IpVersion::V4;
    is_udp4 && be16(packet, layers.transport + 6) == Some(0)
}

/// True if an IPv4 packet's header checksum is right; true for IPv6, which has none.
#[must_use]
pub fn is_header_valid(packet: &[u8], layers: &Layers) -> bool {
    let header_len = match packet.get(layers.network) {
        Some(first) if layers.version == IpVersion::V4 => usize::from(first & 0xf) * 4,
        _ => return layers.version == IpVersion::V6,
    };
    let Some(header) = packet.get(layers.network..layers.network + header_len) else { return false };
    let mut checksum = Checksum::new();
    checksum.add_bytes(header);
    checksum.finish() == 0
}

/// 0 in a UDP header says that there is no checksum; 0xffff is the same number (RFC 768).
#[inline]
pub(crate) const fn never_zero(checksum: u16) -> u16 {
    if checksum == 0 { 0xffff } else { checksum }
}

/// The transport header and its payload, as long as the IP and UDP headers say.
fn transport_bytes<'p>(packet: &'p [u8], layers: &Layers) -> Option<&'p [u8]> {
    let end = match layers.version {
        IpVersion::V4 => usize::from(be16(packet, layers.network + 2)?),
        IpVersion::V6 => usize::from(be16(packet, layers.network + 4)?) + IPV6_HEADER_LEN,
    };
    let transport = packet.get(layers.transport..layers.network + end)?;
    match layers.protocol {
        TransportProtocol::Tcp => Some(transport),
        TransportProtocol::Udp => transport.get(..be16(transport, 4)?.into()),
    }
}

/// The sum of a few words, in their byte order.
#[inline]
pub(crate) const fn sum_of<const N: usize>(words: [u16; N]) -> u16 {
    let mut sum = 0;
    let mut rest = words.as_slice();
    while let [word, others @ ..] = rest {
        sum += *word as u32;
        rest = others;
    }
    fold_half(sum)
}

/// The sum of the words of `bytes`, as the machine reads them; a last byte without a second counts as if that were 0.
///
/// A plain loop over halves that do not carry: compilers make vector code of it. 64 bits hold the sum of 16 GiB. One copy of that for all, since
/// it is long.
#[inline(never)]
fn sum_of_words(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let sum = words.iter().map(|word| halves(u64::from_ne_bytes(*word))).sum::<u64>();
    let (words, last) = rest.as_chunks::<2>();
    let words = words.iter().fold(sum, |sum, word| sum + u64::from(u16::from_ne_bytes(*word)));
    last.first().map_or(words, |byte| words + u64::from(u16::from_ne_bytes([*byte, 0])))
}

/// The same number in 16 bits: carries are added at the low end.
#[inline]
const fn fold(sum: u64) -> u16 {
    let (sum, carry) = ((sum >> 32) as u32).overflowing_add(sum as u32);
    fold_half(sum + carry as u32)
}

#[inline]
const fn fold_half(sum: u32) -> u16 {
    let (sum, carry) = ((sum >> 16) as u16).overflowing_add(sum as u16);
    sum + carry as u16
}

/// The same number in 33 bits.
#[inline]
const fn halves(sum: u64) -> u64 {
    (sum >> 32) + (sum & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// RFC 1071, section 1, word by word.
    fn naive(bytes: &[u8]) -> u16 {
        bytes.chunks(2).fold(0u16, |sum, word| {
            let word = u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]);
            let (sum, carry) = sum.overflowing_add(word);
            sum + u16::from(carry)
        })
    }

    fn sum(bytes: &[u8]) -> u16 {
        let mut checksum = Checksum::new();
        checksum.add_bytes(bytes);
        checksum.sum()
    }

    #[test]
    fn example_of_rfc_1071() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn carries_are_not_lost_in_long_runs_of_ones() {
        let ones = std::vec![0xff; 1 << 20];
        for len in [1, 2, 31, 33, 65_535, 65_536, 1 << 20] {
            assert_eq!(sum(&ones[..len]), naive(&ones[..len]), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn sum_is_the_naive_one(bytes in vec(any::<u8>(), 0..300)) {
            prop_assert_eq!(sum(&bytes), naive(&bytes));
        }

        #[test]
        fn cuts_do_not_change_the_sum(bytes in vec(any::<u8>(), 0..300), cuts in vec(0..300usize, 0..5)) {
            let mut cuts = cuts.iter().map(|cut| *cut.min(&bytes.len())).collect::<std::vec::Vec<_>>();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut checksum = Checksum::new();
            cuts.windows(2).for_each(|ends| checksum.add_bytes(&bytes[ends[0]..ends[1]]));
            prop_assert_eq!(checksum.sum(), naive(&bytes));
        }

        #[test]
        fn update_is_the_sum_over_the_changed_bytes(mut bytes in vec(any::<u8>(), 2..80), at: u16, new: u16) {
            let at = usize::from(at) % (bytes.len() / 2) * 2;
            let old = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
            let updated = update(!naive(&bytes), old, new);
            bytes[at..at + 2].copy_from_slice(&new.to_be_bytes());
            // 0 and 0xffff are one number; the update of a sum that is not zero cannot tell which of them the words would give.
            prop_assert_eq!(never_zero(updated), never_zero(!naive(&bytes)));
        }

        #[test]
        fn completed_bytes_sum_up_to_zero(mut bytes in vec(any::<u8>(), 0..100), start in 0..60usize, offset in 0..60usize) {
            let before = bytes.clone();
            let field = start + offset..start + offset + 2;
            if complete(&mut bytes, start, offset).is_none() {
                prop_assert!(field.end > before.len());
                return Ok(());
            }
            let completed = never_zero(!naive(&before[start..])).to_be_bytes();
            prop_assert_eq!(&bytes[field.clone()], &completed);
            bytes[field.clone()].copy_from_slice(&before[field]);
            prop_assert_eq!(bytes, before);
        }
    }
}
