//! The hand-off: what goes in comes out, in order, or is counted.

use std::collections::VecDeque;

use fdlink_core::io::{RxMeta, VlanTag};
use fdlink_core::rx::handoff::{Block, Handoff, HandoffClosed, Processor, Record};
use fdlink_core::{ChecksumState, EtherType, LinkEvent, NetworkDispatcher, Offload, RxPacket};
use proptest::prelude::*;

/// Everything that a dispatcher is told, in order.
#[derive(Debug, Clone, PartialEq)]
enum Told {
    Packet { protocol: EtherType, header: Vec<u8>, payload: Vec<u8>, offload: Offload, meta: RxMeta },
    EndOfBatch,
    Event(LinkEvent),
}

#[derive(Debug, Default)]
struct Log(Vec<Told>);

impl NetworkDispatcher for Log {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let (header, payload, meta) = (packet.link_header().to_vec(), packet.payload().to_vec(), *packet.meta());
        self.0.push(Told::Packet { protocol, header, payload, offload: packet.offload(), meta });
    }

    fn notify(&mut self, event: LinkEvent) {
        self.0.push(Told::Event(event));
    }

    fn end_of_batch(&mut self) -> usize {
        self.0.push(Told::EndOfBatch);
        0
    }
}

impl Log {
    fn payloads(&self) -> Vec<Vec<u8>> {
        let payloads = self.0.iter().filter_map(|told| match told {
            Told::Packet { payload, .. } => Some(payload.clone()),
            _ => None,
        });
        payloads.collect()
    }

    fn events(&self) -> Vec<LinkEvent> {
        let events = self.0.iter().filter_map(|told| if let Told::Event(event) = told { Some(*event) } else { None });
        events.collect()
    }
}

fn block(bytes: usize, packets: usize) -> Block<Vec<u8>, Vec<Record>> {
    Block::new(vec![0; bytes], vec![Record::default(); packets])
}

fn put(feed: &mut impl NetworkDispatcher, frame: &[u8]) {
    feed.deliver(EtherType::IPV4, RxPacket::new(&mut frame.to_vec(), 0, RxMeta::new(frame.len())));
}

#[test]
fn packet_comes_out_as_it_went_in() {
    let handoff = Handoff::new(block(100, 4));
    let mut processor = Processor::new(&handoff, block(100, 4));
    let mut meta = RxMeta::new(60);
    meta.vlan = Some(VlanTag { tpid: 0x8100, tci: 7 });
    meta.rx_hash = Some(99);
    let mut feed = handoff.feed(|| {});
    let offload = Offload { checksum: ChecksumState::Partial { start: 40, offset: 16 }, gso: None };
    let mut frame = b"link header and payload".to_vec();
    feed.deliver(EtherType::IPV6, RxPacket::new(&mut frame, 11, meta).with_offload(offload));
    feed.end_of_batch();
    let mut log = Log::default();
    assert_eq!(processor.poll(&mut log), Ok(1));
    let (header, payload) = (b"link header".to_vec(), b" and payload".to_vec());
    assert_eq!(log.0, [Told::Packet { protocol: EtherType::IPV6, header, payload, offload, meta }, Told::EndOfBatch]);
    assert_eq!(processor.poll(&mut log), Ok(0), "once");
}

#[test]
fn processor_is_woken_once_for_each_batch_and_event() {
    let wakes = std::cell::Cell::new(0);
    let handoff = Handoff::new(block(100, 9));
    let mut feed = handoff.feed(|| wakes.set(wakes.get() + 1));
    (0..3).for_each(|_| put(&mut feed, b"x"));
    assert_eq!(wakes.get(), 0);
    feed.end_of_batch();
    feed.end_of_batch();
    assert_eq!(wakes.get(), 1, "an empty batch is no news");
    feed.notify(LinkEvent::Up);
    assert_eq!(wakes.get(), 2);
}

#[test]
fn batch_that_has_not_ended_is_not_there_yet() {
    let handoff = Handoff::new(block(100, 9));
    let mut processor = Processor::new(&handoff, block(100, 9));
    let (mut log, mut feed) = (Log::default(), handoff.feed(|| {}));
    put(&mut feed, b"one");
    assert_eq!(processor.poll(&mut log), Ok(0));
    put(&mut feed, b"two");
    feed.end_of_batch();
    assert_eq!(processor.poll(&mut log), Ok(2));
}

#[test]
fn event_keeps_its_place_and_the_last_comes_behind_the_batch() {
    let handoff = Handoff::new(block(100, 9));
    let mut processor = Processor::new(&handoff, block(100, 9));
    let (mut log, mut feed) = (Log::default(), handoff.feed(|| {}));
    for (frame, event) in [(b"a", LinkEvent::Down), (b"b", LinkEvent::Up), (b"c", LinkEvent::PeerClosed)] {
        put(&mut feed, frame);
        feed.end_of_batch();
        feed.notify(event);
    }
    assert_eq!(processor.poll(&mut log), Ok(6));
    let words = log.0.iter().map(|told| match told {
        Told::Packet { payload, .. } => String::from_utf8(payload.clone()).unwrap(),
        Told::EndOfBatch => "end of batch".into(),
        Told::Event(event) => format!("{event:?}"),
    });
    assert_eq!(words.collect::<Vec<_>>(), ["a", "Down", "b", "Up", "c", "end of batch", "PeerClosed"]);
}

#[test]
fn newest_events_survive_where_too_many_wait() {
    let handoff = Handoff::new(block(100, 9));
    let mut processor = Processor::new(&handoff, block(100, 9));
    let (mut log, mut feed) = (Log::default(), handoff.feed(|| {}));
    (0..50).for_each(|n| feed.notify(if n % 2 == 0 { LinkEvent::Down } else { LinkEvent::Up }));
    feed.notify(LinkEvent::Detached);
    handoff.close();
    while processor.poll(&mut log).is_ok() {}
    let events = log.events();
    assert_eq!((events.len(), events.last()), (8, Some(&LinkEvent::Detached)));
    assert_eq!(events.iter().filter(|event| event.is_end()).count(), 1);
}

#[test]
fn closed_hand_off_is_emptied_first() {
    let handoff = Handoff::new(block(100, 9));
    let mut processor = Processor::new(&handoff, block(100, 9));
    let (mut log, mut feed) = (Log::default(), handoff.feed(|| {}));
    put(&mut feed, b"last");
    feed.end_of_batch();
    handoff.close();
    assert_eq!(processor.poll(&mut log), Ok(1));
    assert_eq!(processor.poll(&mut log), Err(HandoffClosed));
    assert_eq!(log.payloads(), [b"last"]);
}

/// What a hand-off of this size does, written down as a queue.
#[derive(Debug, Default)]
struct Model {
    waiting: VecDeque<Vec<u8>>,
    bytes: usize,
    given_up: usize,
    delivered: Vec<Vec<u8>>,
}

#[derive(Debug, Clone)]
enum Step {
    Put(Vec<u8>),
    EndBatch,
    Poll,
}

const BYTES: usize = 64;
const PACKETS: usize = 5;

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let frame = prop::collection::vec(any::<u8>(), 0..30).prop_map(Step::Put);
    prop::collection::vec(prop_oneof![4 => frame, 1 => Just(Step::EndBatch), 1 => Just(Step::Poll)], 0..80)
}

proptest! {
    #[test]
    fn nothing_is_lost_unless_it_is_told(steps in steps()) {
        let handoff = Handoff::new(block(BYTES, PACKETS));
        let mut processor = Processor::new(&handoff, block(BYTES, PACKETS));
        let (mut log, mut feed) = (Log::default(), handoff.feed(|| {}));
        let (mut model, mut given_up) = (Model::default(), 0);
        for step in steps {
            match step {
                Step::Put(frame) => {
                    put(&mut feed, &frame);
                    if model.waiting.len() < PACKETS && model.bytes + frame.len() <= BYTES {
                        model.bytes += frame.len();
                        model.waiting.push_back(frame);
                    } else {
                        model.given_up += 1;
                    }
                }
                Step::EndBatch => given_up += feed.end_of_batch(),
                Step::Poll => {
                    given_up += feed.end_of_batch();
                    let count = processor.poll(&mut log).unwrap();
                    prop_assert_eq!(count, model.waiting.len());
                    model.delivered.extend(model.waiting.drain(..));
                    model.bytes = 0;
                }
            }
        }
        given_up += feed.end_of_batch();
        prop_assert_eq!(log.payloads(), model.delivered);
        prop_assert_eq!(given_up, model.given_up);
    }
}
