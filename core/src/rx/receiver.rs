use core::fmt;
use core::time::Duration;

use crate::counters::RxCounters;
use crate::dispatcher::{LinkEvent, NetworkDispatcher};
use crate::endpoint::{Options, Queue, Shared};
use crate::io::{ErrorKind, FrameSink, IoError, RawIo, RxBatch, RxFrame, RxQueue, Wake};
use crate::packet::RxPacket;
use crate::rx::gro::Coalescer;
use crate::rx::{Filter, Finish, Finisher, Tally, Waiter};
use crate::wire::EtherType;

/// Receives from one queue of an attached endpoint.
///
/// Had from [`Endpoint::receiver`](crate::Endpoint::receiver), one for each queue; dropping it gives the queue back. Drive it
/// with [`poll`](Receiver::poll) from a loop of your own, or hand a thread to [`run`](Receiver::run).
pub struct Receiver<'e, IO: RawIo> {
    shared: &'e Shared,
    queue: &'e Queue<IO>,
    rx: Option<IO::Rx>,
    waiter: Waiter,
    waits: u32,
}

/// Asking for drops costs a call, which is worth one in so many waits; the account is exact when the receiver comes back.
const WAITS_PER_COUNT: u32 = 16;

/// Why a receiver came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended<E> {
    /// The endpoint was detached or closed.
    Detached,
    /// The other end is gone for good; everything it had sent was delivered.
    PeerClosed,
    /// The queue failed for good.
    Fatal(E),
}

impl<E: fmt::Display> fmt::Display for Ended<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Detached => f.write_str("detached"),
            Self::PeerClosed => f.write_str("the other end is gone"),
            Self::Fatal(error) => write!(f, "{error}"),
        }
    }
}

impl<'e, IO: RawIo> Receiver<'e, IO> {
    pub(crate) fn new(shared: &'e Shared, queue: &'e Queue<IO>, rx: IO::Rx) -> Self {
        Self { shared, queue, rx: Some(rx), waiter: Waiter::new(shared.config.options.wake), waits: 0 }
    }

    /// Delivers what is there now, at most one batch ([`Options::rx_budget`](crate::Options::rx_budget) frames), and returns how many
    /// frames were taken, dropped ones included. Zero means that nothing is there: [`wait`](Receiver::wait). Never blocks.
    ///
    /// # Errors
    ///
    /// [`Ended`], after which nothing more comes. The dispatcher was told ([`LinkEvent::is_end`]), once.
    pub fn poll<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) -> Result<usize, Ended<IO::Error>> {
        if !self.shared.lifecycle.state().is_attached() {
            return Err(self.finish(Ended::Detached, dispatcher));
        }
        if self.queue.has_hung_up() {
            return Err(self.finish(Ended::PeerClosed, dispatcher));
        }
        let Some(rx) = self.rx.as_mut() else {
            return Err(self.finish(Ended::Detached, dispatcher));
        };
        let options = &self.shared.config.options;
        let taken = match rx.poll(options.rx_budget) {
            // The last poll before each wait: it does nothing that only frames need.
            Ok(batch) if batch.is_empty() => {
                self.queue.counters.add_rx_calls(batch.calls());
                Ok(0)
            }
            Ok(mut batch) => {
                // Behind the poll: what comes after a change of the address is not held against the old one.
                let filter = self.shared.filter(self.queue.limits.vnet_header_len);
                let mut tally = Tally::new(&self.queue.counters);
                tally.rx.calls = batch.calls();
                Ok(hand_over(&mut batch, options, &filter, &mut tally, dispatcher))
            }
            Err(error) => Err(error),
        };
        match taken {
            Ok(taken) => self.after_poll(taken, dispatcher),
            Err(error) => self.after_error(error, dispatcher),
        }
    }

    /// True if a frame is there to [`take`](Receiver::take). Takes none: it stays queued (rule R4). Never blocks.
    #[cfg(feature = "smoltcp")]
    pub(crate) fn peek<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) -> Result<bool, Ended<IO::Error>> {
        if self.shared.lifecycle.state().is_attached() && self.queue.has_hung_up() {
            return Err(self.finish(Ended::PeerClosed, dispatcher));
        }
        let rx = self.rx.as_mut().filter(|_| self.shared.lifecycle.state().is_attached());
        let Some(rx) = rx else {
            return Err(self.finish(Ended::Detached, dispatcher));
        };
        match rx.poll(1).map(|batch| (batch.len(), batch.calls())) {
            Ok((len, calls)) => {
                self.queue.counters.add_rx_calls(calls);
                self.after_poll(len, dispatcher).map(|len| len > 0)
            }
            Err(error) => self.after_error(error, dispatcher).map(|_| false),
        }
    }

    /// Takes the frame that [`peek`](Receiver::peek) found, and lends the packet in it to `f`, which counts what becomes of it; `None` if it is
    /// dropped.
    ///
    /// Between the two there is no error to lose: a frame that was lent and not taken is lent again (rule R4).
    #[cfg(feature = "smoltcp")]
    pub(crate) fn take<R>(&mut self, f: impl FnOnce(Option<RxPacket<'_>>, &mut Tally<'_>) -> R) -> R {
        let finish = Finish { split: false, complete: false, verify: self.verifies_checksums() };
        let mut tally = Tally::new(&self.queue.counters);
        let Some(Ok(mut batch)) = self.rx.as_mut().map(|rx| rx.poll(1)) else {
            return f(None, &mut tally);
        };
        let filter = self.shared.filter(self.queue.limits.vnet_header_len);
        tally.rx.calls = batch.calls();
        f(take_one(&mut batch, &filter, finish, &mut tally), &mut tally)
    }

    /// To count what becomes of a frame that was taken before.
    #[cfg(feature = "smoltcp")]
    pub(crate) fn tally(&self) -> Tally<'e> {
        Tally::new(&self.queue.counters)
    }

    /// True if [`take`](Receiver::take) verifies transport checksums: where it is asked to, and where some are partial, so that who takes
    /// the bytes alone must not.
    #[cfg(feature = "smoltcp")]
    pub(crate) const fn verifies_checksums(&self) -> bool {
        self.queue.limits.vnet_header_len > 0 || self.shared.config.options.rx_checksum_offload
    }

    /// Waits until a [`poll`](Receiver::poll) may find something, or `timeout` has passed (`None`: for ever), by
    /// [`Options::wake`](crate::Options::wake).
    ///
    /// # Errors
    ///
    /// [`Ended::Fatal`] and [`Ended::PeerClosed`]. A detach is reported by the next `poll`; the wait ends with [`Wake::Stopped`].
    pub fn wait<D: NetworkDispatcher + ?Sized>(
        &mut self,
        timeout: Option<Duration>,
        dispatcher: &mut D,
    ) -> Result<Wake, Ended<IO::Error>> {
        if self.waits.is_multiple_of(WAITS_PER_COUNT) {
            self.count_drops();
        }
        self.waits = self.waits.wrapping_add(1);
        let Some(rx) = self.rx.as_mut() else {
            return Ok(Wake::Stopped);
        };
        match self.waiter.wait(rx, timeout) {
            Ok(wake) => Ok(wake),
            Err(error) => self.after_error(error, dispatcher).map(|_| Wake::Ready),
        }
    }

    /// Delivers until the end: the body of a receive thread.
    pub fn run<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) -> Ended<IO::Error> {
        loop {
            let step = match self.poll(dispatcher) {
                Ok(0) => self.wait(None, dispatcher).map(|_| ()),
                Ok(_) => Ok(()),
                Err(ended) => Err(ended),
            };
            if let Err(ended) = step {
                return ended;
            }
        }
    }

    fn after_poll<D: NetworkDispatcher + ?Sized>(
        &mut self,
        taken: usize,
        dispatcher: &mut D,
    ) -> Result<usize, Ended<IO::Error>> {
        if taken == 0 {
            if self.queue.hangup() {
                return Err(self.finish(Ended::PeerClosed, dispatcher));
            }
            return Ok(0);
        }
        self.waiter.found(taken);
        if self.queue.is_link_down() {
            self.queue.set_link_down(false);
            self.shared.lifecycle.link_up();
            dispatcher.notify(LinkEvent::Up);
        }
        Ok(taken)
    }

    /// Link down and a lack of buffers pass; everything else is the end.
    fn after_error<D: NetworkDispatcher + ?Sized>(
        &mut self,
        error: IO::Error,
        dispatcher: &mut D,
    ) -> Result<usize, Ended<IO::Error>> {
        match error.kind() {
            ErrorKind::LinkDown => {
                self.count_error();
                if !self.queue.is_link_down() {
                    self.queue.set_link_down(true);
                    self.shared.lifecycle.link_down();
                    dispatcher.notify(LinkEvent::Down);
                }
                Ok(0)
            }
            ErrorKind::NoBuffers | ErrorKind::WouldBlock => {
                self.count_error();
                Ok(0)
            }
            ErrorKind::Closed => Err(self.finish(Ended::PeerClosed, dispatcher)),
            _ => Err(self.finish(Ended::Fatal(error), dispatcher)),
        }
    }

    /// What the system dropped belongs to the account of the queue.
    fn count_drops(&mut self) {
        let drops = self.rx.as_mut().map_or(0, RxQueue::drops);
        if drops > 0 {
            Tally::new(&self.queue.counters).lost(drops);
        }
    }

    fn count_error(&self) {
        self.queue.counters.add_rx(&RxCounters { calls: 1, errors: 1, ..RxCounters::default() });
    }

    /// Tells the dispatcher once for each attachment, however often the end is met.
    fn finish<D: NetworkDispatcher + ?Sized>(
        &mut self,
        ended: Ended<IO::Error>,
        dispatcher: &mut D,
    ) -> Ended<IO::Error> {
        if self.queue.set_ended() {
            dispatcher.notify(match &ended {
                Ended::Detached => LinkEvent::Detached,
                Ended::PeerClosed => LinkEvent::PeerClosed,
                Ended::Fatal(error) => LinkEvent::Fatal(error.kind()),
            });
            if !matches!(ended, Ended::Detached) {
                self.shared.lifecycle.queue_ended();
            }
        }
        ended
    }
}

impl<IO: RawIo> Drop for Receiver<'_, IO> {
    fn drop(&mut self) {
        self.count_drops();
        if let Some(rx) = self.rx.take() {
            self.queue.give_back(rx);
            self.shared.lifecycle.receiver_back();
        }
    }
}

/// Hands the frames of a batch over, and returns how many there were. Which way they go is decided once for all of them.
#[inline]
fn hand_over<B: RxBatch, D: NetworkDispatcher + ?Sized>(
    batch: &mut B,
    options: &Options,
    filter: &Filter,
    tally: &mut Tally<'_>,
    dispatcher: &mut D,
) -> usize {
    if options.gro {
        coalesce(batch, filter, Finisher { finish: Finish::new(options), tally, dispatcher });
    } else if filter.vnet_header_len > 0 || options.rx_checksum_offload {
        finish(batch, filter, Finisher { finish: Finish::new(options), tally, dispatcher });
    } else {
        deliver(batch, filter, tally, dispatcher);
    }
    if tally.rx.delivered > 0 {
        tally.rx.count_given_up(dispatcher.end_of_batch());
    }
    tally.rx.received
}

/// Frames to which nothing is left to do.
#[inline]
fn deliver<B: RxBatch, D: NetworkDispatcher + ?Sized>(
    batch: &mut B,
    filter: &Filter,
    tally: &mut Tally<'_>,
    dispatcher: &mut D,
) {
    batch.drain(&mut Delivery { filter, tally, dispatcher, frames: 0, bytes: 0 });
}

/// Hands frames to a dispatcher as they are. What it has delivered is counted when it goes out of scope, also when the dispatcher panics: meanwhile it
/// stays in registers.
struct Delivery<'f, 't, 'c, 'd, D: ?Sized> {
    filter: &'f Filter,
    tally: &'t mut Tally<'c>,
    dispatcher: &'d mut D,
    frames: usize,
    bytes: usize,
}

impl<D: ?Sized> Drop for Delivery<'_, '_, '_, '_, D> {
    #[inline]
    fn drop(&mut self) {
        self.tally.delivered(self.frames, self.bytes);
    }
}

impl<D: NetworkDispatcher + ?Sized> FrameSink for Delivery<'_, '_, '_, '_, D> {
    // Always: in one piece with the loop that finds the frames, what the dispatcher does not ask for is not even read.
    #[inline(always)]
    fn frame(&mut self, frame: RxFrame<'_>) {
        match self.filter.accept(&frame) {
            Ok(parsed) => {
                self.frames += 1;
                self.bytes += frame.bytes.len();
                self.dispatcher.deliver(parsed.protocol, RxPacket::new(frame.bytes, parsed.header_len, frame.meta));
            }
            Err(cause) => self.tally.dropped(&frame, cause),
        }
    }

    fn prefetch_len(&mut self) -> usize {
        self.dispatcher.prefetch_len()
    }
}

/// Frames to which something may be left to do. Apart, so that what is known of the frames of [`deliver`] stays in registers: together they take
/// 50 instructions a frame more.
#[inline(never)]
fn finish<B: RxBatch, D: NetworkDispatcher + ?Sized>(
    batch: &mut B,
    filter: &Filter,
    finisher: Finisher<'_, '_, '_, D>,
) {
    batch.drain(&mut Finishing { filter, finisher });
}

/// Hands the packets in frames to a [`Finisher`].
struct Finishing<'f, 't, 'c, 'd, D: ?Sized> {
    filter: &'f Filter,
    finisher: Finisher<'t, 'c, 'd, D>,
}

impl<D: NetworkDispatcher + ?Sized> FrameSink for Finishing<'_, '_, '_, '_, D> {
    #[inline(always)]
    fn frame(&mut self, frame: RxFrame<'_>) {
        if let Some((protocol, packet)) = take(frame, self.filter, self.finisher.tally) {
            self.finisher.deliver(protocol, packet);
        }
    }

    fn prefetch_len(&mut self) -> usize {
        self.finisher.prefetch_len()
    }
}

/// As [`finish`], with successive segments merged. Not inlined: what it holds has no place on the stack of those who do without.
#[inline(never)]
fn coalesce<B: RxBatch, D: NetworkDispatcher + ?Sized>(
    batch: &mut B,
    filter: &Filter,
    mut finisher: Finisher<'_, '_, '_, D>,
) {
    let mut coalescer = Coalescer::new();
    for frame in batch.frames() {
        if let Some((protocol, packet)) = take(frame, filter, finisher.tally) {
            coalescer.take(protocol, packet, &mut finisher);
        }
    }
    coalescer.flush(&mut finisher);
}

/// The packet in a frame, its bytes counted; `None` if the frame was dropped and counted.
// Always: in pieces, frame and packet are copied from one to the other, 100 bytes each time.
#[inline(always)]
fn take<'b>(frame: RxFrame<'b>, filter: &Filter, tally: &mut Tally<'_>) -> Option<(EtherType, RxPacket<'b>)> {
    let accepted = filter.accept_whole(&frame);
    let RxFrame { meta, bytes } = filter.without_vnet_header(frame);
    match accepted {
        Ok((parsed, offload)) => {
            tally.rx.received_bytes += bytes.len();
            Some((parsed.protocol, RxPacket::new(bytes, parsed.header_len, meta).with_offload(offload)))
        }
        Err(cause) => {
            tally.dropped(&RxFrame { meta, bytes }, cause);
            None
        }
    }
}

#[cfg(feature = "smoltcp")]
fn take_one<'b, B: RxBatch>(
    batch: &'b mut B,
    filter: &Filter,
    finish: Finish,
    tally: &mut Tally<'_>,
) -> Option<RxPacket<'b>> {
    let (_, mut packet) = batch.frames().next().and_then(|frame| take(frame, filter, tally))?;
    finish.checksum(&mut packet).map_err(|cause| tally.discarded(cause)).ok()?;
    Some(packet)
}
