//! Receiving from memory shared with the kernel: `PACKET_RX_RING` (packet(7)).

use core::mem;
use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use fdlink_core::io::{FrameSink, RxFrame};
use libc::c_int;
use rustix::io::Errno;

use crate::error::{FdError, SetupError};
use crate::fd::Fd;
use crate::ring_options::{RingOptions, RingVersion};
use crate::rx::Either;
use crate::source::Source;
use crate::sys::mapping::Mapping;
use crate::sys::sockopt;
use crate::sys::tpacket::{BlockRing, Geometry, SlotRing};
use crate::sys::tpacket_frame::{Lending, V1, V2};

/// A ring on a packet socket. Dropping it takes the ring off the socket, which then works as before.
#[derive(Debug)]
pub(crate) struct RxRing<F: AsFd> {
    ring: Ring,
    tells_tags: bool,
    _attached: Attached<F>,
}

#[derive(Debug)]
enum Ring {
    V1(SlotRing<V1>),
    V2(SlotRing<V2>),
    V3(BlockRing),
}

/// The same to a ring of any version.
macro_rules! of_any {
    ($ring:expr, $name:ident => $then:expr) => {
        match $ring {
            Ring::V1($name) => $then,
            Ring::V2($name) => $then,
            Ring::V3($name) => $then,
        }
    };
}

impl<F: AsFd> RxRing<F> {
    pub(crate) fn new(fd: Arc<Fd<F>>, options: &RingOptions, lending: Lending) -> Result<Self, SetupError> {
        let geometry = options.geometry(lending.frame_len)?;
        request(fd.as_fd(), geometry, options)?;
        let attached = Attached(fd);
        let memory = Mapping::shared(&attached.0, geometry.len()).map_err(SetupError::system("mmap PACKET_RX_RING"))?;
        let ring = match options.version {
            RingVersion::V1 => Ring::V1(SlotRing::new(memory, geometry, lending)),
            RingVersion::V2 => Ring::V2(SlotRing::new(memory, geometry, lending)),
            RingVersion::V3 { .. } => Ring::V3(BlockRing::new(memory, geometry, lending)),
        };
        Ok(Self { ring, tells_tags: options.version != RingVersion::V1, _attached: attached })
    }

    /// The frames that are there, `budget` at most. Gives back what was taken before.
    #[inline]
    pub(crate) fn poll(&mut self, source: &mut Source<F>, budget: usize) -> Result<RingBatch<'_>, FdError> {
        let left = of_any!(&mut self.ring, ring => {
            ring.release();
            ring.available(budget)
        });
        if left > 0 {
            source.gave();
        } else if budget > 0 {
            source.check_dry_ring()?;
        }
        Ok(RingBatch { ring: &mut self.ring, left })
    }

    /// True if slots tell the VLAN tags of their frames.
    pub(crate) const fn tells_tags(&self) -> bool {
        self.tells_tags
    }

    /// True if a frame is there.
    pub(crate) fn has_frame(&mut self) -> bool {
        of_any!(&mut self.ring, ring => ring.has_frame())
    }
}

/// Frames on loan from a ring. Dropping it gives the slots of those that were taken back to the kernel.
#[derive(Debug)]
pub(crate) struct RingBatch<'q> {
    ring: &'q mut Ring,
    left: usize,
}

impl RingBatch<'_> {
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.left
    }

    #[inline]
    pub(crate) fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        match self.ring {
            Ring::V1(ring) => Either::Left(Either::Left(ring.frames(&mut self.left))),
            Ring::V2(ring) => Either::Left(Either::Right(ring.frames(&mut self.left))),
            Ring::V3(ring) => Either::Right(ring.frames(&mut self.left)),
        }
    }

    /// A loop for each version.
    #[inline]
    pub(crate) fn drain<S: FrameSink>(&mut self, sink: &mut S) {
        let left = mem::take(&mut self.left);
        of_any!(self.ring, ring => ring.drain(left, sink));
    }
}

impl Drop for RingBatch<'_> {
    #[inline]
    fn drop(&mut self) {
        of_any!(self.ring, ring => ring.release());
    }
}

/// A socket with a ring on it. Declared behind the ring, so that the memory is unmapped before the ring is taken off.
#[derive(Debug)]
struct Attached<F: AsFd>(Arc<Fd<F>>);

impl<F: AsFd> Drop for Attached<F> {
    fn drop(&mut self) {
        // Fails where somebody else has the ring mapped too; it is theirs then.
        let _ = set(self.0.as_fd(), libc::PACKET_RX_RING, &NO_RING);
    }
}

/// Puts a ring on the socket.
pub(crate) fn request(fd: BorrowedFd<'_>, geometry: Geometry, options: &RingOptions) -> Result<(), SetupError> {
    set(fd, libc::PACKET_VERSION, &version(options.version))
        .map_err(SetupError::system("setsockopt PACKET_VERSION"))?;
    let slots = slots_request(geometry);
    match options.version {
        RingVersion::V1 | RingVersion::V2 => set(fd, libc::PACKET_RX_RING, &slots),
        RingVersion::V3 { retire } => set(fd, libc::PACKET_RX_RING, &blocks_request(&slots, retire)),
    }
    .map_err(SetupError::system("setsockopt PACKET_RX_RING"))
}

fn blocks_request(slots: &libc::tpacket_req, retire: Duration) -> libc::tpacket_req3 {
    libc::tpacket_req3 {
        tp_block_size: slots.tp_block_size,
        tp_block_nr: slots.tp_block_nr,
        tp_frame_size: slots.tp_frame_size,
        tp_frame_nr: slots.tp_frame_nr,
        // 0 would let the kernel choose.
        tp_retire_blk_tov: u32::try_from(retire.as_millis()).unwrap_or(u32::MAX).max(1),
        tp_sizeof_priv: 0,
        tp_feature_req_word: libc::TP_FT_REQ_FILL_RXHASH,
    }
}

/// The sizes were checked to fit when the geometry was made.
fn slots_request(geometry: Geometry) -> libc::tpacket_req {
    libc::tpacket_req {
        tp_block_size: geometry.block_size as u32,
        tp_block_nr: geometry.blocks as u32,
        tp_frame_size: geometry.frame_size as u32,
        tp_frame_nr: geometry.slots() as u32,
    }
}

/// In the largest form, which the kernel takes for that of each version.
const NO_RING: libc::tpacket_req3 = libc::tpacket_req3 {
    tp_block_size: 0,
    tp_block_nr: 0,
    tp_frame_size: 0,
    tp_frame_nr: 0,
    tp_retire_blk_tov: 0,
    tp_sizeof_priv: 0,
    tp_feature_req_word: 0,
};

fn set<T: sockopt::OptionValue>(fd: BorrowedFd<'_>, option: c_int, value: &T) -> Result<(), Errno> {
    sockopt::set(fd, libc::SOL_PACKET, option, value)
}

const fn version(version: RingVersion) -> c_int {
    match version {
        RingVersion::V1 => libc::tpacket_versions::TPACKET_V1 as c_int,
        RingVersion::V2 => libc::tpacket_versions::TPACKET_V2 as c_int,
        RingVersion::V3 { .. } => libc::tpacket_versions::TPACKET_V3 as c_int,
    }
}
