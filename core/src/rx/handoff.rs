//! Handing packets to another thread: copied once, exchanged a block at a time, within a bound.
//!
//! ```text
//! receiver ─► Feed ─► block being filled   ⇄   block being worked off ─► Processor ─► dispatcher
//!                     copied in, packed        exchanged when empty
//!        a batch ends ─► the block is unlocked, the processor woken
//! ```
//!
//! A lent frame has to be back with its queue when the batch ends, so it is copied; from a ring there is no other way. Exchanging the buffers of
//! `read` and `recvmmsg` for spare ones instead was measured between two threads: 1.4 times dearer at 64 bytes, 1.5 times cheaper at 1,500,
//! where the difference is a small part of what the system call costs. Two blocks suffice: a processor that keeps up finds its
//! packets packed at the start of memory that is still in the cache, and whoever exchanges blocks holds the lock for a few moves of pointers.
//! Nothing is allocated, and no lock is taken for a single packet. Waking costs more than the packets of a small batch: where a ring has much
//! at once, an [`rx_budget`](crate::Options::rx_budget) of several hundred pays.

use core::fmt;
use core::mem;

use spin::{Mutex, MutexGuard};

use crate::dispatcher::{LinkEvent, NetworkDispatcher};
use crate::io::RxMeta;
use crate::offload::Offload;
use crate::packet::RxPacket;
use crate::wire::EtherType;

/// The way of packets from one receiver to one processor (kernel: the backlog of a CPU in receive packet steering).
///
/// `B` is memory for frames and `R` for what is known of them: arrays, `Vec`s, boxes, `&mut` slices.
///
/// # Examples
///
/// ```
/// # use fdlink_core::io::RxMeta;
/// # use fdlink_core::{EtherType, LinkEvent, NetworkDispatcher, RxPacket};
/// use fdlink_core::rx::handoff::{Block, Handoff, HandoffClosed, Processor, Record};
///
/// # #[derive(Default)]
/// # struct Count(usize);
/// # impl NetworkDispatcher for Count {
/// #     fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
/// #         assert_eq!(packet.payload(), b"\x45 packet");
/// #         self.0 += 1;
/// #     }
/// # }
/// let block = || Block::new([0; 4096], [Record::default(); 2]);
/// let handoff = Handoff::new(block());
/// let mut processor = Processor::new(&handoff, block());
/// let mut dispatcher = Count::default();
///
/// let mut feed = handoff.feed(|| { /* unpark the processor's thread */ });
/// for _ in 0..3 {
///     feed.deliver(EtherType::IPV4, RxPacket::new(&mut *b"\x45 packet".to_vec(), 0, RxMeta::new(8)));
/// }
/// assert_eq!(feed.end_of_batch(), 1); // one too many
///
/// assert_eq!(processor.poll(&mut dispatcher), Ok(2));
/// assert_eq!(processor.poll(&mut dispatcher), Ok(0)); // the thread would park
/// handoff.close();
/// assert_eq!(processor.poll(&mut dispatcher), Err(HandoffClosed));
/// # assert_eq!(dispatcher.0, 2);
/// ```
pub struct Handoff<B, R> {
    filling: Mutex<Filling<B, R>>,
}

struct Filling<B, R> {
    block: Block<B, R>,
    is_closed: bool,
}

/// Nothing more comes through this hand-off, and everything that did was delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandoffClosed;

impl fmt::Display for HandoffClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the hand-off was closed")
    }
}

impl core::error::Error for HandoffClosed {}

impl<B: AsMut<[u8]>, R: AsMut<[Record]>> Handoff<B, R> {
    /// A hand-off that holds what fits `block`; the [`Processor`] brings another of the same size.
    pub const fn new(block: Block<B, R>) -> Self {
        Self { filling: Mutex::new(Filling { block, is_closed: false }) }
    }

    /// The end that takes packets in. It calls `wake` when there is something new: at the end of a batch and for each link event.
    pub const fn feed<W: FnMut()>(&self, wake: W) -> Feed<'_, B, R, W> {
        Feed { handoff: self, open: None, dropped: 0, wake }
    }

    /// Says that nothing more comes. Wake the processor afterwards.
    pub fn close(&self) {
        self.filling.lock().is_closed = true;
    }
}

/// The receiver's end of a [`Handoff`]: a dispatcher that copies packets and link events into it.
///
/// What does not fit is given up, and [`end_of_batch`](NetworkDispatcher::end_of_batch) says how much, so that the receiver counts it as
/// [`DropCause::BacklogFull`](crate::DropCause::BacklogFull).
pub struct Feed<'h, B, R, W> {
    handoff: &'h Handoff<B, R>,
    /// Locked from the first packet of a batch to its end.
    open: Option<MutexGuard<'h, Filling<B, R>>>,
    dropped: usize,
    wake: W,
}

impl<B, R, W: FnMut()> Feed<'_, B, R, W> {
    fn open(&mut self) -> &mut Block<B, R> {
        &mut self.open.get_or_insert_with(|| self.handoff.filling.lock()).block
    }

    /// Unlocks first: a processor that finds the block locked parks, since it will be woken.
    fn release(&mut self) {
        if self.open.take().map(drop).is_some() {
            (self.wake)();
        }
    }
}

impl<B: AsMut<[u8]>, R: AsMut<[Record]>, W: FnMut()> NetworkDispatcher for Feed<'_, B, R, W> {
    #[inline]
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        if self.open().push(protocol, &packet).is_none() {
            self.dropped += 1;
        }
    }

    fn notify(&mut self, event: LinkEvent) {
        self.open().push_event(event);
        self.release();
    }

    fn end_of_batch(&mut self) -> usize {
        self.release();
        mem::take(&mut self.dropped)
    }

    /// All of it is copied.
    fn prefetch_len(&mut self) -> usize {
        usize::MAX
    }
}

/// The other end of a [`Handoff`], driven by a thread of its own.
pub struct Processor<'h, B, R> {
    handoff: &'h Handoff<B, R>,
    block: Block<B, R>,
}

impl<'h, B: AsMut<[u8]>, R: AsMut<[Record]>> Processor<'h, B, R> {
    /// The one processor of `handoff`. `block` is as large as that of the hand-off.
    pub const fn new(handoff: &'h Handoff<B, R>, block: Block<B, R>) -> Self {
        Self { handoff, block }
    }

    /// Delivers everything handed over so far and returns how many packets and link events that was. Zero means that nothing is there, or
    /// that a batch is being handed over: park until woken. Never blocks.
    ///
    /// # Errors
    ///
    /// [`HandoffClosed`] once all was delivered.
    pub fn poll<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) -> Result<usize, HandoffClosed> {
        if self.exchange()? { Ok(self.block.deliver(dispatcher)) } else { Ok(0) }
    }

    /// True if there is something in the block now.
    fn exchange(&mut self) -> Result<bool, HandoffClosed> {
        let Some(mut filling) = self.handoff.filling.try_lock() else { return Ok(false) };
        match filling.block.is_empty() {
            true if filling.is_closed => Err(HandoffClosed),
            true => Ok(false),
            false => {
                mem::swap(&mut filling.block, &mut self.block);
                Ok(true)
            }
        }
    }
}

/// Memory for packets that wait for a processor.
///
/// ```text
/// bytes    │ frame 0 │ frame 1    │ frame 2 │ free …
/// records  │ of 0    │ of 1       │ of 2    │ free …
/// events              ▲ before frame 1
/// ```
pub struct Block<B, R> {
    bytes: B,
    records: R,
    used: usize,
    len: usize,
    /// Each with the number of packets in front of it.
    events: heapless::Vec<(usize, LinkEvent), MAX_EVENTS>,
}

/// What is known of a frame in a [`Block`].
#[derive(Debug, Clone, Copy)]
pub struct Record {
    len: usize,
    header_len: usize,
    protocol: EtherType,
    offload: Offload,
    meta: RxMeta,
}

impl Default for Record {
    fn default() -> Self {
        Self { len: 0, header_len: 0, protocol: EtherType(0), offload: Offload::NONE, meta: RxMeta::new(0) }
    }
}

impl<B, R> Block<B, R> {
    /// An empty block for as many packets as there are `records`, of as many bytes altogether as there are `bytes`.
    pub const fn new(bytes: B, records: R) -> Self {
        Self { bytes, records, used: 0, len: 0, events: heapless::Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.len == 0 && self.events.is_empty()
    }

    /// Where changes of the link outrun the processor, it learns the newest.
    fn push_event(&mut self, event: LinkEvent) {
        if self.events.is_full() {
            self.events.pop();
        }
        // There is room now.
        let _ = self.events.push((self.len, event));
    }

    fn clear(&mut self) {
        (self.used, self.len) = (0, 0);
        self.events.clear();
    }
}

impl<B: AsMut<[u8]>, R: AsMut<[Record]>> Block<B, R> {
    /// `None` if the packet does not fit. One of several pieces becomes one.
    #[inline]
    fn push(&mut self, protocol: EtherType, packet: &RxPacket<'_>) -> Option<()> {
        let frame = packet.frame();
        let len = packet.tail().iter().fold(frame.len(), |sum, piece| sum + piece.len());
        let room = self.bytes.as_mut().get_mut(self.used..)?.get_mut(..len)?;
        let record = self.records.as_mut().get_mut(self.len)?;
        let (first, mut rest) = room.split_at_mut_checked(frame.len())?;
        first.copy_from_slice(frame);
        for piece in packet.tail() {
            let (place, behind) = rest.split_at_mut_checked(piece.len())?;
            place.copy_from_slice(piece);
            rest = behind;
        }
        *record = Record {
            len,
            header_len: packet.link_header().len(),
            protocol,
            offload: packet.offload(),
            meta: *packet.meta(),
        };
        self.used += len;
        self.len += 1;
        Some(())
    }

    /// Empties the block. What the dispatcher gives up at the end of the batch is no longer the receiver's to count.
    fn deliver<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) -> usize {
        let mut rest = self.bytes.as_mut();
        let mut events = self.events.iter().peekable();
        for (at, record) in self.records.as_mut().iter().take(self.len).enumerate() {
            while let Some((_, event)) = events.next_if(|(before, _)| *before == at) {
                dispatcher.notify(*event);
            }
            let Some((frame, behind)) = mem::take(&mut rest).split_at_mut_checked(record.len) else { break };
            let packet = RxPacket::new(frame, record.header_len, record.meta).with_offload(record.offload);
            dispatcher.deliver(record.protocol, packet);
            rest = behind;
        }
        if self.len > 0 {
            dispatcher.end_of_batch();
        }
        events.for_each(|(_, event)| dispatcher.notify(*event));
        let delivered = self.len + self.events.len();
        self.clear();
        delivered
    }
}

/// Changes of the link that may wait for a processor.
const MAX_EVENTS: usize = 8;
