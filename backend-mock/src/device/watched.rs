use alloc::sync::Arc;
use core::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, IoError as _, Limits, RawIo, RxBatch, RxFilter, RxFrame, RxQueue, TxFrame, TxQueue, Wake,
};
use spin::Mutex;

use super::Watch;

/// A channel that shows what passes to a [`Watch`].
#[derive(Debug)]
pub struct Watched<IO, W> {
    io: IO,
    watch: Arc<Mutex<W>>,
}

impl<IO, W> Watched<IO, W> {
    /// Wraps `io`; the watch can be looked at while the channel is in use.
    pub fn new(io: IO, watch: W) -> (Self, Arc<Mutex<W>>) {
        let watch = Arc::new(Mutex::new(watch));
        (Self { io, watch: Arc::clone(&watch) }, watch)
    }
}

impl<IO: RawIo, W: Watch> RawIo for Watched<IO, W> {
    type Error = IO::Error;
    type Rx = WatchedRx<IO::Rx, W>;
    type Tx = WatchedTx<IO::Tx, W>;
    type Stop = IO::Stop;

    fn limits(&self) -> Limits {
        self.io.limits()
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        let Channel { rx, tx, stop } = self.io.split();
        let watch = Arc::clone(&self.watch);
        Channel { rx: WatchedRx { rx, watch }, tx: WatchedTx { tx, watch: self.watch }, stop }
    }
}

/// The receive half of a [`Watched`] channel.
#[derive(Debug)]
pub struct WatchedRx<Rx, W> {
    rx: Rx,
    watch: Arc<Mutex<W>>,
}

impl<Rx: RxQueue, W: Watch> RxQueue for WatchedRx<Rx, W> {
    type Error = Rx::Error;
    type Batch<'q>
        = WatchedBatch<'q, Rx::Batch<'q>, W>
    where
        Self: 'q;

    fn poll(&mut self, budget: usize) -> Result<Self::Batch<'_>, Self::Error> {
        let watch = &self.watch;
        match self.rx.poll(budget) {
            Ok(batch) => Ok(WatchedBatch { batch, watch }),
            Err(error) => {
                watch.lock().failed(error.kind());
                Err(error)
            }
        }
    }

    fn wait(&mut self, timeout: Option<Duration>) -> Result<Wake, Self::Error> {
        self.rx.wait(timeout)
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.rx.pause(time)
    }

    fn drops(&mut self) -> usize {
        self.rx.drops()
    }
}

/// Frames on loan from a [`WatchedRx`].
#[derive(Debug)]
pub struct WatchedBatch<'q, B, W> {
    batch: B,
    watch: &'q Mutex<W>,
}

impl<B: RxBatch, W: Watch> RxBatch for WatchedBatch<'_, B, W> {
    fn len(&self) -> usize {
        self.batch.len()
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let watch = self.watch;
        self.batch.frames().inspect(move |frame| watch.lock().received(frame))
    }

    fn calls(&self) -> usize {
        self.batch.calls()
    }
}

/// The transmit half of a [`Watched`] channel.
#[derive(Debug)]
pub struct WatchedTx<Tx, W> {
    tx: Tx,
    watch: Arc<Mutex<W>>,
}

impl<Tx: TxQueue, W: Watch> TxQueue for WatchedTx<Tx, W> {
    type Error = Tx::Error;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, Self::Error> {
        let result = self.tx.send(frames);
        let mut watch = self.watch.lock();
        watch.send_called();
        match (&result, frames.first()) {
            (Ok(sent), _) => frames.iter().take(*sent).for_each(|frame| watch.sent(frame)),
            (Err(error), Some(frame)) => watch.refused(frame, error.kind()),
            (Err(_), None) => {}
        }
        result
    }

    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, Self::Error> {
        self.tx.wait(refused, timeout)
    }

    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, Self::Error> {
        self.tx.set_rx_filter(filter)
    }
}
