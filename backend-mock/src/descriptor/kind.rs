use core::time::Duration;

use fdlink_core::io::ErrorKind;

use crate::record::LinkType;

/// Which descriptor is imitated. What each does was measured on Linux 6.18.
///
/// | | frames a call | cut frames tell their length | full | link down | the end |
/// |---|---|---|---|---|---|
/// | `Tap`, `Tun` | 1 | no | the wire loses frames | sends are refused | interface deleted |
/// | `Seqpacket` | many | yes | the sender would block | | peer closed, after what it had sent |
/// | `Datagram` | many | yes | the sender would block | | sends are refused once the peer is closed |
/// | `Packet` | many | yes | drops are counted | told once, behind what was received; sends are refused | interface deleted |
/// | `PacketRing` | all in the ring | yes | drops are counted | as `Packet` | interface deleted |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A TAP interface: Ethernet frames, `read(2)`.
    Tap,
    /// A TUN interface: IP packets, `read(2)`.
    Tun,
    /// A pair of connected unix sockets, `SOCK_SEQPACKET`.
    Seqpacket,
    /// A pair of unix sockets, `SOCK_DGRAM`.
    Datagram,
    /// An `AF_PACKET` socket, `recvmmsg(2)`.
    Packet,
    /// An `AF_PACKET` socket with a receive ring.
    PacketRing(Ring),
}

/// The shape of a receive ring (`PACKET_RX_RING`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ring {
    /// Blocks in the ring; at least 1.
    pub blocks: usize,
    /// Frames in a block; at least 1. In TPACKET V1 and V2 each frame is handed over alone: 1.
    pub frames_per_block: usize,
    /// How long a block that is not full is held back (TPACKET V3).
    pub retire_after: Duration,
}

impl Ring {
    /// TPACKET V1 or V2: `slots` frames, each handed over at once.
    #[must_use]
    pub const fn slots(slots: usize) -> Self {
        Self { blocks: slots, frames_per_block: 1, retire_after: Duration::ZERO }
    }

    /// TPACKET V3: blocks that are handed over when they are full or `retire_after` has passed.
    #[must_use]
    pub const fn blocks(blocks: usize, frames_per_block: usize, retire_after: Duration) -> Self {
        Self { blocks, frames_per_block, retire_after }
    }
}

impl Kind {
    /// True where there is an interface, that can go down and be deleted.
    #[must_use]
    pub const fn has_interface(self) -> bool {
        !self.is_unix()
    }

    /// True for both kinds of unix sockets.
    #[must_use]
    pub const fn is_unix(self) -> bool {
        matches!(self, Self::Seqpacket | Self::Datagram)
    }

    /// True for packet sockets, with a ring or without.
    #[must_use]
    pub const fn is_packet(self) -> bool {
        matches!(self, Self::Packet | Self::PacketRing(_))
    }

    /// The same descriptor without a ring.
    #[must_use]
    pub const fn without_ring(self) -> Self {
        if self.is_packet() { Self::Packet } else { self }
    }

    /// True where one call moves one frame, and a cut one does not tell its length.
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::Tap | Self::Tun)
    }

    pub(crate) const fn link_type(self) -> LinkType {
        if matches!(self, Self::Tun) { LinkType::Raw } else { LinkType::Ethernet }
    }

    /// Bytes of link header in front of each packet.
    pub(crate) const fn link_header_len(self) -> usize {
        if matches!(self, Self::Tun) { 0 } else { ETHERNET_HEADER }
    }

    /// Why the system would never send this frame, if so.
    pub(crate) fn refuses(self, len: usize, first: Option<u8>, mtu: usize, send_buffer: usize) -> Option<ErrorKind> {
        let version = first.unwrap_or(0) >> 4;
        match self {
            Self::Tap | Self::Packet | Self::PacketRing(_) if len < ETHERNET_HEADER => Some(ErrorKind::FrameRejected),
            Self::Tun if version != 4 && version != 6 => Some(ErrorKind::FrameRejected),
            Self::Packet | Self::PacketRing(_) if len > ETHERNET_HEADER + mtu => Some(ErrorKind::FrameTooLong),
            Self::Seqpacket | Self::Datagram if len > send_buffer.saturating_sub(32) => Some(ErrorKind::FrameTooLong),
            _ => None,
        }
    }
}

/// What a message of `len` bytes takes of a unix socket's send buffer: 1500 bytes take 2304, so that 93 of them fill the default one.
///
/// The first 16 KiB, their reserve and the shared info lie in one power of two, what is above in pages of its own; the buffer's head comes on
/// top (`sock_alloc_send_pskb`, `SKB_TRUESIZE`).
pub(crate) fn truesize(len: usize) -> usize {
    let paged = len.saturating_sub(LINEAR).min(MOST_PAGED).next_multiple_of(PAGE);
    (len.saturating_sub(paged) + 320).next_power_of_two() + paged + 256
}

/// `SKB_MAX_ALLOC`.
const LINEAR: usize = 16_384 - 320;
/// `MAX_SKB_FRAGS` pages.
const MOST_PAGED: usize = 17 * PAGE;
const PAGE: usize = 4096;
const ETHERNET_HEADER: usize = 14;
