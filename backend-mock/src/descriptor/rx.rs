use alloc::collections::VecDeque;
use core::time::Duration;

use fdlink_core::io::{PacketType, RxBatch, RxFrame, RxMeta, RxQueue, Wake};

use super::Kind;
use crate::MockError;
use crate::network::{Frame, Network};

/// Receives at a port of a [`Network`].
#[derive(Debug)]
pub struct DescriptorRx {
    network: Network,
    port: usize,
    kind: Kind,
    receive_len: usize,
    /// Received: those in front were taken, the others are kept.
    frames: VecDeque<Frame>,
    taken: usize,
}

impl DescriptorRx {
    pub(crate) const fn new(network: Network, port: usize, kind: Kind, receive_len: usize) -> Self {
        Self { network, port, kind, receive_len, frames: VecDeque::new(), taken: 0 }
    }

    fn kept(&self) -> usize {
        self.frames.len() - self.taken
    }

    /// Gives the memory of taken frames back: also after a batch that was forgotten (rule R4).
    fn release(&mut self) {
        let taken = core::mem::take(&mut self.taken);
        if taken > 0 {
            let Self { network, port, frames, .. } = self;
            network.with(|state| frames.drain(..taken).for_each(|frame| state.release(*port, &frame)));
        }
    }
}

impl RxQueue for DescriptorRx {
    type Error = MockError;
    type Batch<'q> = DescriptorBatch<'q>;

    fn poll(&mut self, budget: usize) -> Result<DescriptorBatch<'_>, MockError> {
        self.release();
        let mut calls = 0;
        if self.kept() == 0 && budget > 0 {
            let Self { network, port, frames, .. } = self;
            calls = network.with(|state| state.receive(*port, budget, frames)).map_err(MockError::new)?;
        }
        let left = budget.min(self.kept());
        Ok(DescriptorBatch { rx: self, left, calls })
    }

    /// Cannot block: with nothing to do, the time given passes at once.
    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, MockError> {
        let kept = self.kept();
        Ok(self.network.with(|state| state.wait_for_frames(self.port, kept)))
    }

    fn pause(&mut self, _time: Duration) -> Wake {
        if self.network.with(|state| state.is_stopped(self.port)) { Wake::Stopped } else { Wake::Ready }
    }

    fn drops(&mut self) -> usize {
        self.network.with(|state| state.tell_drops(self.port))
    }
}

impl Drop for DescriptorRx {
    fn drop(&mut self) {
        self.network.with(|state| state.half_dropped(self.port));
    }
}

/// Frames on loan from a [`DescriptorRx`].
#[derive(Debug)]
pub struct DescriptorBatch<'q> {
    rx: &'q mut DescriptorRx,
    left: usize,
    calls: usize,
}

impl RxBatch for DescriptorBatch<'_> {
    fn len(&self) -> usize {
        self.left
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        let Self { rx, left, .. } = self;
        let DescriptorRx { network, port, kind, receive_len, frames, taken } = &mut **rx;
        let (network, port, kind, receive_len) = (&*network, *port, *kind, *receive_len);
        frames.iter_mut().skip(*taken).take(*left).map(move |frame| {
            *taken += 1;
            *left -= 1;
            network.with(|state| state.taken(port, frame));
            lend(frame, kind, receive_len)
        })
    }

    fn calls(&self) -> usize {
        self.calls
    }
}

impl Drop for DescriptorBatch<'_> {
    fn drop(&mut self) {
        self.rx.release();
    }
}

/// A read cuts silently; everything else tells the real length.
fn lend(frame: &mut Frame, kind: Kind, receive_len: usize) -> RxFrame<'_> {
    let real = frame.bytes.len();
    let cut = real.min(receive_len);
    let mut meta = RxMeta::new(if kind.is_read() && real > cut { cut + 1 } else { real });
    meta.vlan = frame.tag;
    meta.packet_type = kind.is_packet().then_some(if frame.echo { PacketType::Outgoing } else { PacketType::Host });
    RxFrame { meta, bytes: frame.bytes.split_at_mut(cut).0 }
}
