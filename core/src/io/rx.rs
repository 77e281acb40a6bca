use core::time::Duration;

use super::{IoError, Wake};

/// The receive half of a channel. It owns receive memory and lends it, a batch at a time.
pub trait RxQueue {
    /// What goes wrong; see the contract of [`io`](crate::io).
    type Error: IoError;
    /// Frames on loan.
    type Batch<'q>: RxBatch
    where
        Self: 'q;

    /// Lends at most `budget` frames that are there now (rules R1 to R7).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LinkDown`](super::ErrorKind::LinkDown) once for each loss of the link; the queue survives it.
    /// [`ErrorKind::NoBuffers`](super::ErrorKind::NoBuffers) may pass. `Closed` and `Fatal` are final.
    fn poll(&mut self, budget: usize) -> Result<Self::Batch<'_>, Self::Error>;

    /// Waits until a `poll` may find something, `timeout` has passed (`None`: for ever), or the channel is stopped.
    ///
    /// # Errors
    ///
    /// As for [`poll`](RxQueue::poll).
    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, Self::Error>;

    /// Lets `time` pass, whatever arrives: [`Wake::Ready`] afterwards, [`Wake::Stopped`] at once if the channel is stopped. A backend that cannot
    /// block returns at once.
    fn pause(&mut self, time: Duration) -> Wake {
        let _ = time;
        Wake::Ready
    }

    /// Frames that the system dropped in front of this queue, for want of room, since this was asked last. May cost a call to the system: it
    /// is asked before some waits and at the end.
    fn drops(&mut self) -> usize {
        0
    }
}

/// Frames on loan from an [`RxQueue`] (rules R3 and R4).
pub trait RxBatch {
    /// How many frames are left to take, and none that came after the poll; fewer may be, where several processors fill a ring at a time.
    fn len(&self) -> usize;

    /// True if no frame is left to take.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the frames one by one, in order of arrival. May be called again for the rest.
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>>;

    /// Takes all frames that are left and hands each to `sink`: the same as a loop over [`frames`](RxBatch::frames), and all that an endpoint does
    /// with a batch unless it merges or cuts. A backend whose batches are of several kinds tells them apart here once, instead of for each frame. A frame
    /// is the sink's for one call, so that its memory may go back behind each.
    #[inline]
    fn drain<S: FrameSink>(&mut self, sink: &mut S) {
        for frame in self.frames() {
            sink.frame(frame);
        }
    }

    /// How many calls to the system it took to fill this batch, the one that found nothing included; 0 where frames had been kept.
    fn calls(&self) -> usize {
        0
    }
}

/// Where frames go, one after another; see [`RxBatch::drain`].
pub trait FrameSink {
    /// Does with a frame what is to be done with it.
    fn frame(&mut self, frame: RxFrame<'_>);

    /// As [`NetworkDispatcher::prefetch_len`](crate::NetworkDispatcher::prefetch_len), for the backend that drains.
    fn prefetch_len(&mut self) -> usize {
        0
    }
}

/// One received frame.
#[derive(Debug)]
pub struct RxFrame<'b> {
    /// What is known of the frame besides its bytes.
    pub meta: RxMeta,
    /// The frame from its link header on, or from its network header on where the channel has no link header; cut if
    /// [`meta.len`](RxMeta::len) is larger. Writable, so that a forwarder can rewrite headers in place.
    pub bytes: &'b mut [u8],
}

impl VlanTag {
    /// The VLAN identifier; 0 for a tag that carries a priority only.
    #[must_use]
    pub const fn id(self) -> u16 {
        self.tci & 0x0fff
    }
}

impl RxFrame<'_> {
    /// True if bytes are missing at the end (rule R6).
    #[must_use]
    pub const fn is_truncated(&self) -> bool {
        self.meta.len > self.bytes.len()
    }
}

/// What is known of a received frame besides its bytes. What a channel does not tell is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RxMeta {
    /// Length of the frame in bytes as it was sent. Where the system cuts silently: one more than the bytes lent, which reads
    /// "longer than that".
    pub len: usize,
    /// The VLAN tag that the system took out of the frame.
    pub vlan: Option<VlanTag>,
    /// When the frame arrived, as time since the Unix epoch.
    pub timestamp: Option<Duration>,
    /// Whom the frame was for, as the system saw it.
    pub packet_type: Option<PacketType>,
    /// The receive hash of the flow.
    pub rx_hash: Option<u32>,
}

impl RxMeta {
    /// Metadata of a frame of `len` bytes.
    #[must_use]
    #[inline]
    pub const fn new(len: usize) -> Self {
        Self { len, vlan: None, timestamp: None, packet_type: None, rx_hash: None }
    }
}

/// An IEEE 802.1Q or 802.1ad tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VlanTag {
    /// Tag protocol identifier: 0x8100 (customer) or 0x88a8 (service).
    pub tpid: u16,
    /// Tag control information: priority (3 bits), drop eligible (1 bit), VLAN identifier (12 bits).
    pub tci: u16,
}

/// Whom a frame was for (`sll_pkttype` of packet(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PacketType {
    /// The interface itself (`PACKET_HOST`).
    Host,
    /// All stations (`PACKET_BROADCAST`).
    Broadcast,
    /// A group (`PACKET_MULTICAST`).
    Multicast,
    /// Another station; seen because the interface is promiscuous (`PACKET_OTHERHOST`).
    OtherHost,
    /// Sent by this host (`PACKET_OUTGOING`).
    Outgoing,
}
