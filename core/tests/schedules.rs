//! The hand-off under many schedules of its two threads: its source, compiled here over the mutex of shuttle, which decides who runs next at
//! every lock, park and unpark, and fails where nobody can run any more.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

extern crate self as spin;

#[path = "../src/rx/handoff.rs"]
#[allow(dead_code, unreachable_pub, reason = "public in the library")]
mod handoff;

use std::sync::Arc;

use fdlink_core::{EtherType, LinkEvent, NetworkDispatcher, RxPacket};
use fdlink_core::{dispatcher, io, offload, packet, wire};
use shuttle::sync::MutexGuard;
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread::{self, Thread};

use handoff::{Block, Handoff, Processor, Record};

/// What the hand-off uses of `spin::Mutex`.
struct Mutex<T>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}

/// Tells `producer` at the end of each batch how much it has.
struct Log {
    packets: Vec<u8>,
    events: Vec<LinkEvent>,
    seen: Arc<AtomicUsize>,
    producer: Thread,
}

impl NetworkDispatcher for Log {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        assert!(!self.events.iter().any(|event| event.is_end()), "a packet behind the end");
        self.packets.push(packet.payload()[0]);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.events.push(event);
    }

    fn end_of_batch(&mut self) -> usize {
        self.seen.store(self.packets.len(), Ordering::Release);
        self.producer.unpark();
        0
    }
}

#[test]
fn random_schedules_lose_nothing_and_stop_never() {
    shuttle::check_random(|| batches(&[2, 1, 3]), 1_000);
}

#[test]
fn schedules_with_few_switches_lose_nothing_and_stop_never() {
    shuttle::check_pct(|| batches(&[1, 2, 2]), 1_000, 3);
}

#[test]
fn systematic_schedules_lose_nothing_and_stop_never() {
    shuttle::check_dfs(|| batches(&[1, 2]), Some(5_000));
}

/// Hands batches of these sizes over, waits for them, and ends: whatever the schedule, the processor is woken, gets what was not given up, in
/// order, and comes to its end.
fn batches(sizes: &[u8]) {
    let handoff = Arc::new(Handoff::new(block()));
    let shared = Arc::clone(&handoff);
    let seen = Arc::new(AtomicUsize::new(0));
    let log = Log { packets: vec![], events: vec![], seen: Arc::clone(&seen), producer: thread::current() };
    let worker = thread::spawn(move || work_off(&shared, log));
    let (mut number, mut given_up) = (0, 0);
    {
        let thread = worker.thread().clone();
        let mut feed = handoff.feed(|| thread.unpark());
        for size in sizes {
            for _ in 0..*size {
                feed.deliver(EtherType::IPV4, RxPacket::new(&mut [number], 0, io::RxMeta::new(1)));
                number += 1;
            }
            given_up += feed.end_of_batch();
        }
        while seen.load(Ordering::Acquire) + given_up < usize::from(number) {
            thread::park();
        }
        feed.notify(LinkEvent::Detached);
    }
    handoff.close();
    worker.thread().unpark();
    let log = worker.join().unwrap();
    assert!(log.packets.is_sorted(), "{:?}", log.packets);
    assert_eq!(log.packets.len() + given_up, usize::from(number));
    assert_eq!(log.events, [LinkEvent::Detached]);
}

fn work_off(handoff: &Handoff<[u8; 8], [Record; PACKETS]>, mut log: Log) -> Log {
    let mut processor = Processor::new(handoff, block());
    while let Ok(delivered) = processor.poll(&mut log) {
        if delivered == 0 {
            thread::park();
        }
    }
    log
}

fn block() -> Block<[u8; 8], [Record; PACKETS]> {
    Block::new([0; 8], [Record::default(); PACKETS])
}

/// Fewer than are handed over, so that some schedules overflow.
const PACKETS: usize = 3;
