//! The mock as a kind of channel.

use fdlink_core::io::{Channel, RawIo, RxBatch as _, RxQueue as _, TxFrame, TxQueue as _};
use fdlink_mock::{End, Link, MockRx, MockTx};

use super::{Bench, FarEnd, Shape, Traits};

/// In-memory links.
#[derive(Debug, Clone, Copy)]
pub struct MockBench;

impl Bench for MockBench {
    type Io = End<'static, FRAMES, FRAME_LEN>;
    type Far = MockFar;

    /// The link lives for the rest of the process: 120 KiB for each channel opened.
    fn open(&self, receive_len: usize) -> (Self::Io, MockFar) {
        let link = Box::leak(Box::new(Link::new().with_receive_len(receive_len)));
        let (near, far) = link.ends();
        let Channel { rx, tx, .. } = far.split();
        (near, MockFar { rx, tx })
    }

    fn traits(&self) -> Traits {
        Traits {
            shape: Shape::Any,
            longest: 1500,
            too_long: Some(FRAME_LEN + 1),
            rejected: None,
            zero_length: true,
            zero_length_before_close: true,
            tells_real_length: true,
            close_is_received: true,
            close_refuses: true,
            fills: true,
            keeps: true,
            blocks: false,
            interface: false,
        }
    }
}

/// The other end of an in-memory link.
#[derive(Debug)]
pub struct MockFar {
    rx: MockRx<'static, FRAMES, FRAME_LEN>,
    tx: MockTx<'static, FRAMES, FRAME_LEN>,
}

impl FarEnd for MockFar {
    fn send(&mut self, frame: &[u8]) {
        self.tx.send(&[TxFrame { header: &[], parts: &[frame] }]).expect("the link has room");
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut batch = self.rx.poll(1).ok()?;
        batch.frames().next().map(|frame| frame.bytes.to_vec())
    }
}

const FRAMES: usize = 40;
const FRAME_LEN: usize = 1536;
