use alloc::boxed::Box;
use core::time::Duration;

use fdlink_core::io::{ErrorKind, RxFrame, TxFrame};

use crate::record::{Direction, LinkType, PcapNg};

/// Sees what passes a [`Watched`](super::Watched) channel. Both halves of a channel show to the same one, one at a time.
pub trait Watch {
    /// A frame was lent to the receiver.
    fn received(&mut self, frame: &RxFrame<'_>) {
        let _ = frame;
    }

    /// A receive failed.
    fn failed(&mut self, kind: ErrorKind) {
        let _ = kind;
    }

    /// A frame left.
    fn sent(&mut self, frame: &TxFrame<'_>) {
        let _ = frame;
    }

    /// A frame was refused.
    fn refused(&mut self, frame: &TxFrame<'_>, kind: ErrorKind) {
        let _ = (frame, kind);
    }

    /// A call to send ended, whatever came of it.
    fn send_called(&mut self) {}
}

/// Counts what passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Frames received.
    pub received: usize,
    /// Receives that failed.
    pub failed: usize,
    /// Frames sent.
    pub sent: usize,
    /// Frames refused.
    pub refused: usize,
    /// Calls to send.
    pub send_calls: usize,
}

impl Watch for Counts {
    fn received(&mut self, _frame: &RxFrame<'_>) {
        self.received += 1;
    }

    fn failed(&mut self, _kind: ErrorKind) {
        self.failed += 1;
    }

    fn sent(&mut self, _frame: &TxFrame<'_>) {
        self.sent += 1;
    }

    fn refused(&mut self, _frame: &TxFrame<'_>, _kind: ErrorKind) {
        self.refused += 1;
    }

    fn send_called(&mut self) {
        self.send_calls += 1;
    }
}

/// What gives the time: a closure over a [`Clock`](crate::clock::Clock), or over the system's.
type Now = Box<dyn FnMut() -> Duration + Send>;

/// Writes what passes into a capture.
pub struct Capture {
    now: Now,
    interface: u32,
    /// The capture so far.
    pub file: PcapNg,
}

impl Capture {
    /// A capture of one interface.
    #[must_use]
    pub fn new(name: &str, link_type: LinkType, now: impl FnMut() -> Duration + Send + 'static) -> Self {
        let mut file = PcapNg::new();
        let interface = file.interface(name, link_type);
        Self { now: Box::new(now), interface, file }
    }
}

impl Watch for Capture {
    fn received(&mut self, frame: &RxFrame<'_>) {
        let time = (self.now)();
        self.file.packet(self.interface, time, Direction::Inbound, frame.meta.len, &[frame.bytes]);
    }

    fn sent(&mut self, frame: &TxFrame<'_>) {
        let time = (self.now)();
        let parts: alloc::vec::Vec<_> = frame.slices().collect();
        self.file.packet(self.interface, time, Direction::Outbound, frame.len(), &parts);
    }
}

/// Writes a line for all that passes: `0.001500000 sent 54 bytes`.
pub struct Tracer {
    now: Now,
    write: Box<dyn FnMut(core::fmt::Arguments<'_>) + Send>,
}

impl Tracer {
    /// A tracer whose lines go to `write`.
    #[must_use]
    pub fn new(
        now: impl FnMut() -> Duration + Send + 'static,
        write: impl FnMut(core::fmt::Arguments<'_>) + Send + 'static,
    ) -> Self {
        Self { now: Box::new(now), write: Box::new(write) }
    }

    fn line(&mut self, what: core::fmt::Arguments<'_>) {
        let time = (self.now)();
        (self.write)(format_args!("{}.{:09} {what}", time.as_secs(), time.subsec_nanos()));
    }
}

impl Watch for Tracer {
    fn received(&mut self, frame: &RxFrame<'_>) {
        self.line(format_args!("received {} of {} bytes", frame.bytes.len(), frame.meta.len));
    }

    fn failed(&mut self, kind: ErrorKind) {
        self.line(format_args!("failed to receive: {kind}"));
    }

    fn sent(&mut self, frame: &TxFrame<'_>) {
        self.line(format_args!("sent {} bytes", frame.len()));
    }

    fn refused(&mut self, frame: &TxFrame<'_>, kind: ErrorKind) {
        self.line(format_args!("refused {} bytes: {kind}", frame.len()));
    }
}
