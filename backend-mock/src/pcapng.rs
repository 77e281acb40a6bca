use alloc::vec::Vec;
use core::time::Duration;

/// A capture in the pcapng format (draft-ietf-opsawg-pcapng), little-endian whatever the machine, with times in nanoseconds.
///
/// ```text
/// section header │ interface description … │ enhanced packet … │
/// ```
///
/// ```
/// use core::time::Duration;
/// use fdlink_mock::record::{Direction, LinkType, PcapNg};
///
/// let mut capture = PcapNg::new();
/// let interface = capture.interface("tap0", LinkType::Ethernet);
/// capture.packet(interface, Duration::from_millis(1), Direction::Inbound, 3, &[b"ab", b"c"]);
/// assert_eq!(capture.bytes().len() % 4, 0);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PcapNg {
    bytes: Vec<u8>,
    interfaces: u32,
}

/// What frames start with (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcaplinktype-00.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet II header (`LINKTYPE_ETHERNET`).
    Ethernet = 1,
    /// An IPv4 or IPv6 header (`LINKTYPE_RAW`).
    Raw = 101,
}

/// Which way a frame went, seen from its interface (option `epb_flags`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    Inbound = 1,
    /// Sent.
    Outbound = 2,
}

impl Default for PcapNg {
    fn default() -> Self {
        Self::new()
    }
}

impl PcapNg {
    /// A capture without interfaces and frames.
    #[must_use]
    pub fn new() -> Self {
        let mut capture = Self { bytes: Vec::new(), interfaces: 0 };
        capture.block(SECTION_HEADER, |body| {
            body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
            body.extend([1, 0, 0, 0]); // version 1.0
            body.extend(u64::MAX.to_le_bytes()); // length of the section: not told
        });
        capture
    }

    /// Adds an interface and returns its number.
    pub fn interface(&mut self, name: &str, link_type: LinkType) -> u32 {
        self.block(INTERFACE_DESCRIPTION, |body| {
            body.extend((link_type as u16).to_le_bytes());
            body.extend([0; 2]);
            body.extend(0_u32.to_le_bytes()); // no limit to the length of a frame
            option(body, IF_NAME, name.as_bytes());
            option(body, IF_TSRESOL, &[9]); // nanoseconds
            option(body, END_OF_OPTIONS, &[]);
        });
        self.interfaces += 1;
        self.interfaces - 1
    }

    /// Adds a frame that is `real_len` bytes long, of which `parts` are there.
    pub fn packet(&mut self, interface: u32, time: Duration, direction: Direction, real_len: usize, parts: &[&[u8]]) {
        let nanoseconds = time.as_nanos() as u64;
        let len = parts.iter().fold(0, |sum, part| sum + part.len());
        self.block(ENHANCED_PACKET, |body| {
            body.extend(interface.to_le_bytes());
            body.extend(((nanoseconds >> 32) as u32).to_le_bytes());
            body.extend((nanoseconds as u32).to_le_bytes());
            body.extend((len as u32).to_le_bytes());
            body.extend((real_len as u32).to_le_bytes());
            parts.iter().for_each(|part| body.extend_from_slice(part));
            pad(body, len);
            option(body, EPB_FLAGS, &(direction as u32).to_le_bytes());
            option(body, END_OF_OPTIONS, &[]);
        });
    }

    /// The file so far; it may end after any frame.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Type, total length, body, total length again.
    fn block(&mut self, kind: u32, fill: impl FnOnce(&mut Vec<u8>)) {
        let mut body = Vec::new();
        fill(&mut body);
        let len = (body.len() as u32 + 12).to_le_bytes();
        self.bytes.extend(kind.to_le_bytes());
        self.bytes.extend(len);
        self.bytes.append(&mut body);
        self.bytes.extend(len);
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body, value.len());
}

/// Everything starts at a multiple of four bytes.
fn pad(body: &mut Vec<u8>, len: usize) {
    body.resize(body.len() + len.next_multiple_of(4) - len, 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const END_OF_OPTIONS: u16 = 0;
const IF_NAME: u16 = 2;
const IF_TSRESOL: u16 = 9;
const EPB_FLAGS: u16 = 2;
