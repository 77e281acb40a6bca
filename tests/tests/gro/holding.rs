//! Across batches: segments that do not come at a time are gathered by the wake policy, for a time that is bounded.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, Limits, RawIo, RxBatch, RxFrame, RxMeta, RxQueue, Stop, TxFrame, TxQueue, Wake,
};
use fdlink_core::{Endpoint, EtherType, LinkEndpoint as _, NetworkDispatcher, Options, Queue, RxPacket, WakePolicy};
use fdlink_mock::MockError;
use fdlink_tests::support::{Segments, Trials, plain};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(promptly_each_segment_that_comes_alone_is_delivered_alone);
    trials.anywhere(held_segments_are_merged_and_none_is_held_longer_than_allowed);
}

fn promptly_each_segment_that_comes_alone_is_delivered_alone() {
    let delivered = delivered_by(WakePolicy::Prompt);
    assert_eq!(delivered.len(), SEGMENTS);
    assert!(delivered.iter().all(|(at, arrivals)| arrivals[..] == [*at]));
}

fn held_segments_are_merged_and_none_is_held_longer_than_allowed() {
    let max_delay = GAP * 10;
    let delivered = delivered_by(WakePolicy::Coalesce { max_delay });
    // One every 10 gaps, and the one that began the pause.
    assert_eq!(delivered.len(), SEGMENTS.div_ceil(11));
    assert_eq!(delivered.iter().map(|(_, arrivals)| arrivals.len()).sum::<usize>(), SEGMENTS);
    for (at, arrivals) in &delivered {
        assert!(arrivals.iter().all(|arrival| *at - *arrival <= max_delay), "{arrivals:?} delivered at {at:?}");
    }
}

/// When each packet was delivered, and when the segments in it had come.
fn delivered_by(wake: WakePolicy) -> Vec<(Duration, Vec<Duration>)> {
    let wire = Wire::with_a_segment_each(GAP);
    let endpoint: Endpoint<Wire> =
        Endpoint::new([Queue::new(wire.clone())], Options { gro: true, wake, ..plain() }).unwrap();
    endpoint.attach().unwrap();
    let mut receiver = endpoint.receiver(0).unwrap();
    let mut stack = Stack { wire: wire.clone(), delivered: Vec::new() };
    while !wire.coming.borrow().is_empty() {
        if receiver.poll(&mut stack).unwrap() == 0 {
            receiver.wait(None, &mut stack).unwrap();
        }
    }
    receiver.poll(&mut stack).unwrap();
    stack.delivered
}

/// Notes when packets come. The first payload byte of a segment is its number.
struct Stack {
    wire: Wire,
    delivered: Vec<(Duration, Vec<Duration>)>,
}

impl NetworkDispatcher for Stack {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let first = packet.frame()[packet.frame().len() - PAYLOAD];
        let arrivals = (0..=packet.tail().len()).map(|behind| GAP * (u32::from(first) + behind as u32 + 1));
        self.delivered.push((self.wire.now.get(), arrivals.collect()));
    }
}

/// A channel whose frames come at their time. Time passes while its owner waits, and not otherwise.
#[derive(Clone)]
struct Wire {
    now: Rc<Cell<Duration>>,
    coming: Rc<RefCell<Arrivals>>,
}

/// Frames, each with the time when it comes.
type Arrivals = VecDeque<(Duration, Vec<u8>)>;

impl Wire {
    fn with_a_segment_each(gap: Duration) -> Self {
        let mut flow = Segments::tcp(1);
        let segments =
            (0..SEGMENTS as u8).map(|number| (gap * (u32::from(number) + 1), flow.next(&[number; PAYLOAD], 0)));
        Self { now: Rc::default(), coming: Rc::new(RefCell::new(segments.collect())) }
    }

    fn arrived(&self) -> Vec<Vec<u8>> {
        let mut coming = self.coming.borrow_mut();
        let there = coming.partition_point(|(at, _)| *at <= self.now.get());
        coming.drain(..there).map(|(_, frame)| frame).collect()
    }
}

impl RawIo for Wire {
    type Error = MockError;
    type Rx = Self;
    type Tx = Self;
    type Stop = Self;

    fn limits(&self) -> Limits {
        Limits::new(1514)
    }

    fn split(self) -> Channel<Self, Self, Self> {
        Channel { rx: self.clone(), tx: self.clone(), stop: self }
    }
}

impl RxQueue for Wire {
    type Error = MockError;
    type Batch<'q> = Frames;

    fn poll(&mut self, _budget: usize) -> Result<Frames, MockError> {
        Ok(Frames(self.arrived()))
    }

    fn wait(&mut self, _timeout: Option<Duration>) -> Result<Wake, MockError> {
        if let Some((at, _)) = self.coming.borrow().front() {
            self.now.set(self.now.get().max(*at));
        }
        Ok(Wake::Ready)
    }

    fn pause(&mut self, time: Duration) -> Wake {
        self.now.set(self.now.get() + time);
        Wake::Ready
    }
}

struct Frames(Vec<Vec<u8>>);

impl RxBatch for Frames {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn frames(&mut self) -> impl Iterator<Item = RxFrame<'_>> {
        self.0.iter_mut().map(|bytes| RxFrame { meta: RxMeta::new(bytes.len()), bytes })
    }
}

impl TxQueue for Wire {
    type Error = MockError;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, MockError> {
        Ok(frames.len())
    }

    fn wait(&self, _refused: ErrorKind, _timeout: Duration) -> Result<Wake, MockError> {
        Ok(Wake::Ready)
    }
}

impl Stop for Wire {
    fn stop(&self) {}

    fn rearm(&self) {}
}

const GAP: Duration = Duration::from_micros(20);
const SEGMENTS: usize = 100;
const PAYLOAD: usize = 300;
