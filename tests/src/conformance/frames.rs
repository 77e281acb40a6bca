use std::sync::atomic::{AtomicU32, Ordering};

/// What the frames of a kind of channel look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Any bytes: unix sockets, the mock. Nobody else sends here.
    Any,
    /// Whole Ethernet frames, of a type that no protocol has (0x88b5, "local experimental").
    Ethernet,
    /// IPv4 packets, of a protocol that no host has (253, "experimentation and testing").
    Ipv4,
}

impl Shape {
    /// The shortest frame of this shape, in bytes; for [`Shape::Any`] the shortest that is not empty.
    #[must_use]
    pub const fn shortest(self) -> usize {
        match self {
            Self::Any => 1,
            Self::Ethernet => ETHERNET_LEN,
            Self::Ipv4 => IPV4_LEN,
        }
    }
}

/// Makes frames that are known again: by a cookie in their addresses, where the shape has some.
#[derive(Debug, Clone, Copy)]
pub struct Frames {
    shape: Shape,
    cookie: u32,
}

impl Frames {
    /// Frames unlike those of every other `Frames` of this process.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self { shape, cookie: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// The frame number `sequence`, of `len` bytes; for lengths above the shape's shortest, all of them differ.
    ///
    /// # Panics
    ///
    /// If no frame is that short.
    #[must_use]
    pub fn make(&self, sequence: usize, len: usize) -> Vec<u8> {
        let mut frame: Vec<u8> = (0..len).map(|at| pattern(sequence, at)).collect();
        match self.shape {
            Shape::Any => {}
            Shape::Ethernet => frame[..ETHERNET_LEN].copy_from_slice(&self.ethernet()),
            Shape::Ipv4 => frame[..IPV4_LEN].copy_from_slice(&self.ipv4(len)),
        }
        frame
    }

    /// True for the frames of this maker, cut ones included.
    #[must_use]
    pub fn are_mine(&self, frame: &[u8]) -> bool {
        match self.shape {
            Shape::Any => true,
            Shape::Ethernet => frame.get(6..ETHERNET_LEN) == Some(&self.ethernet()[6..]),
            Shape::Ipv4 => frame.get(12..IPV4_LEN) == Some(&self.ipv4(0)[12..]),
        }
    }

    /// From a locally administered address that ends with the cookie, to all.
    fn ethernet(&self) -> [u8; ETHERNET_LEN] {
        let [a, b, c, d] = self.cookie.to_be_bytes();
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, a, b, c, d, 0x88, 0xb5]
    }

    /// From a private address that ends with the cookie, to one of the benchmarking network (RFC 2544).
    fn ipv4(&self, len: usize) -> [u8; IPV4_LEN] {
        let [_, a, b, c] = self.cookie.to_be_bytes();
        let [hi, lo] = u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
        let mut header = [0x45, 0, hi, lo, 0, 0, 0x40, 0, 64, 253, 0, 0, 10, a, b, c, 198, 18, 0, 1];
        let checksum = internet_checksum(&header).to_be_bytes();
        header[10..12].copy_from_slice(&checksum);
        header
    }
}

/// Two frames differ from their first free byte on, and no frame repeats itself within 251 bytes.
fn pattern(sequence: usize, at: usize) -> u8 {
    ((sequence * 89 + at * 7 + at / 251) % 251) as u8
}

/// RFC 1071.
fn internet_checksum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !(((folded & 0xffff) + (folded >> 16)) as u16)
}

const ETHERNET_LEN: usize = 14;
const IPV4_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn makers_know_their_own_frames_only() {
        for shape in [Shape::Ethernet, Shape::Ipv4] {
            let (ours, theirs) = (Frames::new(shape), Frames::new(shape));
            let frame = ours.make(3, shape.shortest());
            assert!(ours.are_mine(&frame) && !theirs.are_mine(&frame), "{shape:?}");
            assert!(!ours.are_mine(&frame[..shape.shortest() - 1]), "{shape:?}");
        }
    }

    #[test]
    fn frames_of_different_numbers_differ() {
        for shape in [Shape::Any, Shape::Ethernet, Shape::Ipv4] {
            let frames = Frames::new(shape);
            let made: std::collections::BTreeSet<_> =
                (0..200).map(|number| frames.make(number, shape.shortest() + 1)).collect();
            assert_eq!(made.len(), 200, "{shape:?}");
        }
    }

    #[test]
    fn ipv4_header_sums_up_to_all_ones() {
        let header = Frames::new(Shape::Ipv4).ipv4(1500);
        assert_eq!(internet_checksum(&header), 0);
    }
}
