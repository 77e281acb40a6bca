//! The link under test.

use fdlink_core::io::{Channel, Limits, Offloads, RawIo, RxBatch as _, RxQueue as _, TxFrame, TxQueue as _};
use fdlink_core::wire::vnet;
use fdlink_mock::{End, Link, MockError, MockRx, MockStop, MockTx};

/// Most bytes of a frame on the link.
pub(super) const LONGEST: usize = 300;

pub(super) type Wire<const SLOTS: usize> = Link<SLOTS, LONGEST>;
pub(super) type NearEnd<'l, const SLOTS: usize> = End<'l, SLOTS, LONGEST>;

type Halves<'l, const SLOTS: usize, const LEN: usize> =
    Channel<MockRx<'l, SLOTS, LEN>, MockTx<'l, SLOTS, LEN>, MockStop<'l, SLOTS, LEN>>;

/// The end of a link that the test holds, and what came there.
pub(super) struct FarEnd<'l, const SLOTS: usize, const LEN: usize = LONGEST> {
    halves: Halves<'l, SLOTS, LEN>,
    pub(super) frames: Vec<Vec<u8>>,
}

impl<'l, const SLOTS: usize, const LEN: usize> FarEnd<'l, SLOTS, LEN> {
    pub(super) const fn new(halves: Halves<'l, SLOTS, LEN>) -> Self {
        Self { halves, frames: Vec::new() }
    }

    pub(super) fn send(&self, frame: &[u8]) -> Result<(), MockError> {
        let sent = self.halves.tx.send(&[TxFrame { header: &[], parts: &[frame] }])?;
        assert_eq!(sent, 1);
        Ok(())
    }

    /// Takes what is there, at most so many frames.
    pub(super) fn receive(&mut self, most: usize) {
        let end = self.frames.len().saturating_add(most);
        while self.frames.len() < end {
            let mut batch = self.halves.rx.poll(end - self.frames.len()).expect("the link lives");
            let before = self.frames.len();
            self.frames.extend(batch.frames().map(|frame| frame.bytes.to_vec()));
            if self.frames.len() == before {
                return;
            }
        }
    }
}

/// An end whose frames have a virtio-net header in front of them, and of which this is said to be done.
pub(super) struct WithHeader<IO> {
    pub(super) io: IO,
    pub(super) offloads: Offloads,
}

impl<IO: RawIo> RawIo for WithHeader<IO> {
    type Error = IO::Error;
    type Rx = IO::Rx;
    type Tx = IO::Tx;
    type Stop = IO::Stop;

    fn limits(&self) -> Limits {
        self.io.limits().with_vnet_header(vnet::LEN, self.offloads)
    }

    fn split(self) -> Channel<Self::Rx, Self::Tx, Self::Stop> {
        self.io.split()
    }
}
