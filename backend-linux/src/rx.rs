use core::fmt;
use core::time::Duration;
use std::os::fd::AsFd;
use std::sync::Arc;

use fdlink_core::io::{FrameSink, RxBatch, RxFrame, RxQueue, Wake};
use fdlink_core::wire::ethernet::VLAN_TAG_LEN;
use libc::c_int;

use crate::error::{FdError, SetupError};
use crate::fd::{Fd, FdStop};
use crate::mode::{DispatchMode, FdOptions};
use crate::probe::FdKind;
use crate::rx_ring::{RingBatch, RxRing};
use crate::slots::{SlotBatch, SlotStore, Slots};
use crate::source::Source;
use crate::sys::mmsg::SlotLayout;
use crate::sys::sockopt;
use crate::sys::tpacket_frame::Lending;

/// Receives from a descriptor, in the mode chosen when the channel was opened.
pub struct FdRx<F: AsFd> {
    source: Source<F>,
    store: Store<F>,
}

/// Where frames lie until they are lent.
enum Store<F: AsFd> {
    Slots(SlotStore),
    Ring(RxRing<F>),
}

impl<F: AsFd> FdRx<F> {
    pub(crate) fn new(
        fd: Arc<Fd<F>>,
        stop: FdStop,
        mode: DispatchMode,
        options: &FdOptions,
        frame_len: usize,
        vnet_header_len: usize,
    ) -> Result<Self, SetupError> {
        let mmap = SetupError::system("mmap");
        let store = match mode {
            DispatchMode::Readv => {
                Store::Slots(SlotStore::readv(options.batch(mode, frame_len)?, frame_len).map_err(mmap)?)
            }
            DispatchMode::RecvMmsg => {
                let layout = layout(&fd, options, frame_len);
                Store::Slots(SlotStore::recvmmsg(options.batch(mode, frame_len)?, layout).map_err(mmap)?)
            }
            DispatchMode::PacketMmap => {
                let lending = Lending { frame_len, vnet_header_len, reinsert_tag: options.reinsert_vlan_tag };
                Store::Ring(RxRing::new(Arc::clone(&fd), &options.ring, lending)?)
            }
        };
        let mut source = Source::new(fd, stop);
        // What was dropped before is not ours to count.
        source.kernel_drops();
        Ok(Self { source, store })
    }

    /// True if no VLAN tag is lost: each is told, or nobody takes one out.
    pub(crate) fn keeps_tags(&self) -> bool {
        let tells_tags = match &self.store {
            Store::Slots(store) => store.tells_tags(),
            Store::Ring(ring) => ring.tells_tags(),
        };
        tells_tags || self.source.kind() != FdKind::Packet
    }

    pub(crate) const fn dispatch_mode(&self) -> DispatchMode {
        match &self.store {
            Store::Ring(_) => DispatchMode::PacketMmap,
            Store::Slots(store) => match store.slots() {
                Slots::Read(_) => DispatchMode::Readv,
                Slots::Message(_) => DispatchMode::RecvMmsg,
            },
        }
    }
}

/// Whoever opened the socket decided whether it tells tags.
fn layout<F: AsFd>(fd: &Fd<F>, options: &FdOptions, frame_len: usize) -> SlotLayout {
    let auxdata = || sockopt::get::<c_int>(fd, libc::SOL_PACKET, libc::PACKET_AUXDATA);
    let control = fd.kind == FdKind::Packet && auxdata().is_ok_and(|auxdata| auxdata != 0);
    let headroom = if control && options.reinsert_vlan_tag { VLAN_TAG_LEN } else { 0 };
    SlotLayout { slot_len: frame_len, headroom, control }
}

impl<F: AsFd> RxQueue for FdRx<F> {
    type Error = FdError;
    type Batch<'q>
        = FdBatch<'q>
    where
        Self: 'q;

    #[inline]
    fn poll(&mut self, budget: usize) -> Result<FdBatch<'_>, FdError> {
        Ok(FdBatch(match &mut self.store {
            Store::Slots(store) => Batch::Slots(store.poll(&mut self.source, budget)?),
            Store::Ring(ring) => Batch::Ring(ring.poll(&mut self.source, budget)?),
        }))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, FdError> {
        match &mut self.store {
            Store::Slots(store) => self.source.wait(store.has_frame(), timeout),
            Store::Ring(ring) => self.source.wait_for_ring(ring.has_frame(), timeout),
        }
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.source.pause(time)
    }

    fn drops(&mut self) -> usize {
        self.source.kernel_drops()
    }
}

impl<F: AsFd + fmt::Debug> fmt::Debug for FdRx<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdRx")
            .field("source", &self.source)
            .field("mode", &self.dispatch_mode())
            .finish_non_exhaustive()
    }
}

/// Frames on loan from an [`FdRx`].
#[derive(Debug)]
pub struct FdBatch<'q>(Batch<'q>);

#[derive(Debug)]
enum Batch<'q> {
    Slots(SlotBatch<'q>),
    Ring(RingBatch<'q>),
}

impl RxBatch for FdBatch<'_> {
    #[inline]
    fn len(&self) -> usize {
        match &self.0 {
            Batch::Slots(batch) => batch.len(),
            Batch::Ring(batch) => batch.len(),
        }
    }

    #[inline]
    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        match &mut self.0 {
            Batch::Slots(batch) => Either::Left(batch.frames()),
            Batch::Ring(batch) => Either::Right(batch.frames()),
        }
    }

    #[inline]
    fn drain<S: FrameSink>(&mut self, sink: &mut S) {
        match &mut self.0 {
            Batch::Slots(batch) => batch.frames().for_each(|frame| sink.frame(frame)),
            Batch::Ring(batch) => batch.drain(sink),
        }
    }

    fn calls(&self) -> usize {
        match &self.0 {
            Batch::Slots(batch) => batch.calls,
            Batch::Ring(_) => 0,
        }
    }
}

/// One of two iterators. A chain of both would ask twice for each frame.
pub(crate) enum Either<L, R> {
    Left(L),
    Right(R),
}

impl<L: Iterator, R: Iterator<Item = L::Item>> Iterator for Either<L, R> {
    type Item = L::Item;

    #[inline]
    fn next(&mut self) -> Option<L::Item> {
        match self {
            Self::Left(left) => left.next(),
            Self::Right(right) => right.next(),
        }
    }
}
