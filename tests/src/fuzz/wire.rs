//! The link under test.

use fdlink_core::io::{Channel, RxBatch as _, RxQueue as _, TxFrame, TxQueue as _};
use fdlink_mock::{End, Link, MockError, MockRx, MockStop, MockTx};

/// Most bytes of a frame on the link.
pub(super) const LONGEST: usize = 300;

pub(super) type Wire<const SLOTS: usize> = Link<SLOTS, LONGEST>;
pub(super) type NearEnd<'l, const SLOTS: usize> = End<'l, SLOTS, LONGEST>;

type Halves<'l, const SLOTS: usize> =
    Channel<MockRx<'l, SLOTS, LONGEST>, MockTx<'l, SLOTS, LONGEST>, MockStop<'l, SLOTS, LONGEST>>;

/// The end of a link that the test holds, and what came there.
pub(super) struct FarEnd<'l, const SLOTS: usize> {
    halves: Halves<'l, SLOTS>,
    pub(super) frames: Vec<Vec<u8>>,
}

impl<'l, const SLOTS: usize> FarEnd<'l, SLOTS> {
    pub(super) const fn new(halves: Halves<'l, SLOTS>) -> Self {
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
