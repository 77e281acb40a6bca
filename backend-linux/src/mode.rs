use core::fmt;

use fdlink_core::io::Offloads;
use fdlink_core::wire::vnet;

use crate::error::SetupError;
use crate::ring_options::RingOptions;
use crate::sys::mmsg::MAX_MESSAGES;

/// How frames are received from a descriptor (origin: `PacketDispatchMode`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DispatchMode {
    /// One frame a call into one contiguous buffer, `recv(2)` on sockets, `read(2)` on others. Works on every descriptor.
    Readv,
    /// Many frames a call, `recvmmsg(2)`. Works on sockets.
    RecvMmsg,
    /// Frames in memory shared with the kernel, `PACKET_RX_RING` of packet(7). Works on `AF_PACKET` sockets.
    PacketMmap,
}

impl fmt::Display for DispatchMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Readv => "readv",
            Self::RecvMmsg => "recvmmsg",
            Self::PacketMmap => "packet_mmap",
        })
    }
}

/// The origin's `MaxMsgsPerRecv`: frames that one `recvmmsg` takes at most.
pub const MAX_MSGS_PER_RECV: usize = 8;

/// How a descriptor is used. What belongs to the endpoint is in [`fdlink_core::Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdOptions {
    /// Work on frames that the system is to do, and may leave undone on frames that it hands over: each frame has a virtio-net header then.
    /// `CSUM` is part of any other. Default none. What was granted is in [`Limits::offloads`](fdlink_core::io::Limits::offloads); of a descriptor
    /// that can do none it is an error, unless [`fallback`](FdOptions::fallback) is set.
    ///
    /// TUN/TAP has to be opened with [`TunTap::vnet_header`](crate::tuntap::TunTap::vnet_header) (`TUNSETOFFLOAD`, for all queues of the interface), an
    /// `AF_PACKET` socket gets `PACKET_VNET_HDR`, and of a unix socket the program at the other end must know the same.
    pub offloads: Offloads,
    /// Bytes of the virtio-net header: 10, or 12 with `num_buffers`, or up to 24, the rest of which are zero. Default 10. Its fields have the byte
    /// order of this machine.
    pub vnet_header_len: usize,
    /// How to receive (`PacketDispatchMode`). Default `None`: the best that the descriptor can do.
    pub dispatch_mode: Option<DispatchMode>,
    /// Where the descriptor cannot do `dispatch_mode`: use [`DispatchMode::Readv`] as the origin does, instead of failing. Default false.
    pub fallback: bool,
    /// Longest frame in bytes that is received whole, link header included, virtio-net header excluded. Default `None`: the MTU with Ethernet header
    /// and one VLAN tag, or [`FdOptions::DEFAULT_FRAME_LEN`] for a channel that is opened without an endpoint; 64 KiB more where segmentation
    /// was granted.
    pub max_frame_len: Option<usize>,
    /// Frames received ahead at most (`recvmmsg`: in one call; 1 to 1024); of super-frames fewer, as many as stay in a core's cache. Default `None`:
    /// [`FdOptions::RECVMMSG_BATCH`] or
    /// [`FdOptions::READV_BATCH`]. The origin's is [`MAX_MSGS_PER_RECV`].
    pub batch: Option<usize>,
    /// Put the VLAN tag that the kernel took out of a frame back into it, as it was on the wire; the tag is then no longer in
    /// [`RxMeta::vlan`](fdlink_core::io::RxMeta::vlan), and comes on top of `max_frame_len`. It moves 12 bytes and copies no payload. `AF_PACKET` sockets by
    /// `recvmmsg` with `PACKET_AUXDATA`, or a ring of version 2 or 3; elsewhere no tag is taken out. Default false.
    pub reinsert_vlan_tag: bool,
    /// Let the kernel leave out the frames that the endpoint does not take, by a program made of its [`Options`](fdlink_core::Options): address, groups,
    /// `promiscuous`, `ether_types`, `vlan`. It follows a change of the address. `AF_PACKET` sockets only, in every mode. Frames that it leaves
    /// out cost next to nothing and are not counted, neither as received nor as dropped; those that were queued before are dropped and
    /// counted by the endpoint, which checks every frame as without it. [`Queue::is_filtered_below`](fdlink_core::Queue::is_filtered_below)
    /// tells whether it is in force. Default false: every frame is counted.
    pub kernel_filter: bool,
    /// The ring of [`DispatchMode::PacketMmap`].
    pub ring: RingOptions,
    /// Most bytes of message headers (64 each) and I/O vectors (16 each) that one sending call hands to the kernel (`MaxSyscallHeaderBytes`);
    /// 0 is no cap. A frame that does not fit alone is sent alone, its last parts copied together as far as needed.
    pub max_syscall_header_bytes: usize,
}

impl Default for FdOptions {
    fn default() -> Self {
        Self {
            offloads: Offloads::empty(),
            vnet_header_len: vnet::LEN,
            dispatch_mode: None,
            fallback: false,
            max_frame_len: None,
            batch: None,
            kernel_filter: false,
            reinsert_vlan_tag: false,
            ring: RingOptions::V2,
            max_syscall_header_bytes: 0,
        }
    }
}

impl FdOptions {
    /// 1,500 bytes of packet, an Ethernet header and a VLAN tag.
    pub const DEFAULT_FRAME_LEN: usize = 1518;
    /// Frames in one `recvmmsg` where nothing else is asked. Reading 64-byte frames from a seqpacket socket, 64 took 14 % less processor time a
    /// frame than 8; 128 took 3 % less again, for twice the memory.
    pub const RECVMMSG_BATCH: usize = 64;
    /// Frames read before they are lent, where nothing else is asked. On the same socket, 8 took 15 % less processor time a frame than 1; 32 took 10 %
    /// less again.
    pub const READV_BATCH: usize = 8;

    /// Without a choice, fewer frames where they are so long that the slots would take more than 1 MiB.
    pub(crate) fn batch(&self, mode: DispatchMode, frame_len: usize) -> Result<usize, SetupError> {
        let usual = match mode {
            DispatchMode::RecvMmsg => Self::RECVMMSG_BATCH,
            DispatchMode::Readv | DispatchMode::PacketMmap => Self::READV_BATCH,
        };
        let batch = self.batch.unwrap_or(usual.min((USUAL_MEMORY / frame_len).max(1)));
        if (1..=MAX_MESSAGES).contains(&batch) {
            return Ok(batch);
        }
        Err(SetupError::BadOption { option: "batch", reason: "must be 1 to 1024 frames" })
    }
}

/// Bytes of receive slots where nothing else is asked, at most.
const USUAL_MEMORY: usize = 1 << 20;
