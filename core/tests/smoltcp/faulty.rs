use std::cell::Cell;
use std::time::Duration;

use fdlink_core::io::{Channel, ErrorKind, Limits, RawIo, RxQueue, Wake};
use fdlink_mock::{MockError, MockRx, MockStop, MockTx};

use crate::WireEnd;

/// An end whose next receiving call fails as told.
pub(crate) struct Faulty<'f, 'l> {
    pub(crate) end: WireEnd<'l, 8>,
    pub(crate) fault: &'f Cell<Option<ErrorKind>>,
}

pub(crate) struct FaultyRx<'f, 'l> {
    rx: MockRx<'l, 8, 2048>,
    fault: &'f Cell<Option<ErrorKind>>,
}

impl<'f, 'l> RawIo for Faulty<'f, 'l> {
    type Error = MockError;
    type Rx = FaultyRx<'f, 'l>;
    type Tx = MockTx<'l, 8, 2048>;
    type Stop = MockStop<'l, 8, 2048>;

    fn limits(&self) -> Limits {
        self.end.limits()
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        let Channel { rx, tx, stop } = self.end.split();
        Channel { rx: FaultyRx { rx, fault: self.fault }, tx, stop }
    }
}

impl<'l> RxQueue for FaultyRx<'_, 'l> {
    type Error = MockError;
    type Batch<'q>
        = <MockRx<'l, 8, 2048> as RxQueue>::Batch<'q>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<Self::Batch<'_>, MockError> {
        self.fault.take().map_or_else(|| self.rx.poll(budget), |kind| Err(MockError::new(kind)))
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, MockError> {
        self.rx.wait(timeout)
    }
}
