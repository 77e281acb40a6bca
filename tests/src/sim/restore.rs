//! An endpoint is saved at any step, dropped, restored on other descriptors, and goes on: what it was it still is, nothing is delivered or sent twice
//! or out of order, and its counters go on.

use fdlink_core::{
    Counters, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, LinkEvent, NetworkDispatcher, Options,
    Packet, Queue, Receiver, RxPacket, Snapshot, State, TxStatus,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::Rates;
use fdlink_mock::network::{SegmentId, Topology, Wire};
use fdlink_mock::rng::Rng;

use super::books::{check_received, check_sent};
use super::peers::Peer;
use super::world::World;
use crate::random::Dice;
use crate::support::{OWN, PEER, TEST_PROTOCOL, ethernet};

/// At the endpoint's end everything, on the wires nothing: what is sent arrives, unless the descriptor that it waits at is dropped.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 20, 100, 300]).unwrap_or(0);
    let ends = rng.pick(&[0, 3, 30]).unwrap_or(0);
    let mut rate = || rng.within(0, most) as u16;
    Rates {
        fail: rate(),
        short: rate(),
        interrupt: rate(),
        wake: rate(),
        refuse: rate(),
        flap: rate() / 4,
        hang_up: ends,
        fatal: ends,
        stop: ends,
        ..Rates::NONE
    }
}

type Mortal = Endpoint<Descriptor, Vec<Queue<Descriptor>>>;

pub(super) fn play(world: &mut World) {
    let mut dice = Dice::new(world.rng.number());
    let [near, far] = world.kinds();
    let kinds = [near, far.without_ring()];
    let options = Options { mtu: 1000, ..world.options(kinds[0]) };
    let (mut lines, queues) = open(world, kinds, &mut dice);
    let mut endpoint = Endpoint::new(queues, options).expect("the options are good");
    let payloads: Vec<_> = (0..PACKETS).map(|number| payload(number, &mut dice)).collect();
    let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [payload.as_slice()]).collect();
    let mut packet = |parts| Packet::new(EtherType::IPV4, parts).to(PEER).with_hash(dice.number() as u32);
    let mut packets: Vec<_> = parts.iter().map(|parts| packet(parts)).collect();
    let mut handed_in = 0;
    for _ in 0..dice.within(2..=5) {
        let snapshot = live(world, &mut dice, &endpoint, &mut lines, &mut packets, &mut handed_in);
        world.seen.at(saved_name(snapshot.state()));
        drop(endpoint);
        endpoint = restore(world, kinds, &mut lines, &snapshot);
    }
    go_on(world, &endpoint, &mut lines);
    check_sent_packets(&lines, &packets);
}

/// One queue, its other end, and what came of it in all lives.
struct Line {
    segment: SegmentId,
    near: usize,
    peer: Peer,
    /// Frames that the peer sent.
    sent: u32,
    /// The number of the last frame delivered.
    last: Option<u32>,
    /// Counters at the beginning of this life.
    before: Counters,
    is_down: bool,
    has_ended: bool,
    /// What arrived at the other end.
    arrived: Vec<Vec<u8>>,
}

fn open(world: &mut World, kinds: [Kind; 2], dice: &mut Dice) -> (Vec<Line>, Vec<Queue<Descriptor>>) {
    let mut open = |_| {
        let (segment, [near, far]) = cable(world, kinds);
        let line = Line {
            segment,
            near: near.port(),
            peer: Peer::new(&world.network, far, Rates::NONE),
            sent: 0,
            last: None,
            before: Counters::default(),
            is_down: false,
            has_ended: false,
            arrived: Vec::new(),
        };
        (line, Queue::new(near))
    };
    (0..dice.within(1..=MOST_QUEUES)).map(&mut open).unzip()
}

fn cable(world: &World, kinds: [Kind; 2]) -> (SegmentId, [Descriptor; 2]) {
    let segment = world.network.segment(Topology::Hub, Wire { queue_frames: usize::MAX, ..Wire::default() });
    (segment, kinds.map(|kind| world.network.open_with(segment, kind, DescriptorOptions::default())))
}

/// Some steps, at the end of which the endpoint is saved, whoever has its receivers.
fn live(
    world: &mut World,
    dice: &mut Dice,
    endpoint: &Mortal,
    lines: &mut [Line],
    packets: &mut [Packet<'_>],
    handed_in: &mut usize,
) -> Snapshot<MOST_QUEUES> {
    let receivers = lines.iter().map(|_| None).collect();
    let mut life = Life { endpoint, receivers, lines };
    for _ in 0..dice.within(0..=30) {
        world.network.step();
        let at = dice.within(0..=life.lines.len() - 1);
        match dice.within(0..=99) {
            0..=9 => drop(endpoint.attach().map(|()| life.begin())),
            10..=24 => life.receivers[at] = life.receivers[at].take().or_else(|| endpoint.receiver(at).ok()),
            25..=29 => life.receivers[at] = None,
            30..=54 => life.poll(at),
            55..=74 => life.lines[at].send(endpoint, dice),
            75..=89 => {
                *handed_in = (*handed_in + dice.within(0..=10)).min(packets.len());
                life.write(&mut packets[..*handed_in]);
            }
            90..=93 => rename(endpoint, dice),
            94..=95 => endpoint.detach(),
            96 if dice.one_in(4) => endpoint.close(),
            97 => world.network.set_link(life.lines[at].near, dice.flip()),
            _ => world.pass_time(),
        }
        life.check(world, at);
    }
    endpoint.snapshot().expect("there is room for every queue")
}

/// An endpoint between two saves.
struct Life<'e, 'l> {
    endpoint: &'e Mortal,
    receivers: Vec<Option<Receiver<'e, Descriptor>>>,
    lines: &'l mut [Line],
}

impl Life<'_, '_> {
    /// Another attachment: what was told in the last one is over.
    fn begin(&mut self) {
        self.lines.iter_mut().for_each(|line| (line.is_down, line.has_ended) = (false, false));
    }

    fn poll(&mut self, at: usize) {
        let Some(receiver) = &mut self.receivers[at] else { return };
        if let Err(ended) = receiver.poll(&mut self.lines[at]) {
            let detached = matches!(ended, Ended::Detached);
            assert_eq!(detached, !self.endpoint.is_attached(), "{ended:?}");
            assert!(self.lines[at].has_ended, "the end is told");
        }
    }

    /// Packets that were tried are handed in again with those that were not.
    fn write(&mut self, packets: &mut [Packet<'_>]) {
        // Refused as a whole where nothing is attached, or every queue has ended.
        let _ = self.endpoint.write_packets(packets);
        let header_len = self.endpoint.max_header_length();
        for line in self.lines.iter_mut() {
            line.arrived.extend(line.peer.take(usize::MAX).iter().map(|frame| frame[header_len..].to_vec()));
        }
    }

    fn check(&self, world: &World, at: usize) {
        let line = &self.lines[at];
        let (now, ledger) = (self.endpoint.queues()[at].counters() - line.before, world.network.ledger(line.near));
        check_received(&now, &ledger);
        check_sent(&now, &ledger);
    }
}

impl Line {
    fn send(&mut self, endpoint: &Mortal, dice: &mut Dice) {
        for _ in 0..dice.within(1..=10) {
            self.send_one(endpoint, dice.pick(&[OWN, LinkAddress::BROADCAST]));
        }
    }

    fn send_one(&mut self, endpoint: &Mortal, to: LinkAddress) {
        let payload = [&[0x45], &self.sent.to_be_bytes()[..]].concat();
        let has_header = endpoint.options().ethernet_header;
        let frame = if has_header { ethernet(to, TEST_PROTOCOL, &payload) } else { payload };
        // A peer that is cut off cannot send.
        let _ = self.peer.send(&frame);
        self.sent += 1;
    }
}

impl NetworkDispatcher for Line {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let number = packet.payload()[1..].first_chunk().copied().map(u32::from_be_bytes);
        assert!(number > self.last && number < Some(self.sent), "{number:?} after {:?} of {}", self.last, self.sent);
        assert!(!self.has_ended, "a packet after the end");
        self.last = number;
    }

    fn notify(&mut self, event: LinkEvent) {
        assert!(!self.has_ended, "{event:?} after the end");
        match event {
            LinkEvent::Down => assert!(!std::mem::replace(&mut self.is_down, true), "down twice"),
            LinkEvent::Up => assert!(std::mem::replace(&mut self.is_down, false), "up without down"),
            _ => self.has_ended = true,
        }
    }
}

fn rename(endpoint: &Mortal, dice: &mut Dice) {
    endpoint.set_mtu(dice.within(100..=1500) as u32).expect("every kind carries it");
    if endpoint.options().ethernet_header {
        endpoint.set_link_address(dice.pick(&[OWN, PEER])).expect("no group");
    }
}

/// By way of bytes, on new descriptors: where the old ones were, or, since the end of a pair of sockets cannot be had again, of a new pair.
fn restore(world: &World, kinds: [Kind; 2], lines: &mut [Line], saved: &Snapshot<MOST_QUEUES>) -> Mortal {
    let mut buffer = [0; Snapshot::<MOST_QUEUES>::MAX_LEN];
    let snapshot = Snapshot::decode(saved.encode(&mut buffer).expect("it fits")).expect("it is whole");
    assert_eq!(snapshot, *saved);
    let queues = lines.iter_mut().map(|line| Queue::new(line.reopen(world, kinds))).collect();
    let endpoint = Endpoint::restore(queues, &snapshot).expect("the descriptors are as good");
    for ((line, queue), saved) in lines.iter_mut().zip(endpoint.queues()).zip(snapshot.queues()) {
        assert_eq!(queue.counters(), saved.counters);
        assert_eq!(line.is_down, saved.link_down, "what was told of the link");
        line.before = saved.counters;
        // The end was that of the old descriptor.
        line.has_ended = false;
    }
    assert_eq!(endpoint.state(), state_after(saved.state()));
    assert_eq!((endpoint.mtu(), endpoint.link_address()), (saved.mtu, saved.link_address));
    assert_eq!((*endpoint.options(), endpoint.counters()), (saved.options, saved.counters()));
    endpoint
}

impl Line {
    fn reopen(&mut self, world: &World, kinds: [Kind; 2]) -> Descriptor {
        let near = if kinds[0].has_interface() {
            world.network.open_with(self.segment, kinds[0], DescriptorOptions::default())
        } else {
            let (segment, [near, far]) = cable(world, kinds);
            self.segment = segment;
            self.peer = Peer::new(&world.network, far, Rates::NONE);
            near
        };
        self.near = near.port();
        near
    }
}

const fn state_after(saved: State) -> State {
    match saved {
        State::Detached | State::Detaching => State::Detached,
        State::Attached | State::Ended => State::Attached,
        State::Down => State::Down,
        State::Closing | State::Closed => State::Closed,
    }
}

/// Unless it was closed or has failed by plan, the last endpoint still receives.
fn go_on(world: &mut World, endpoint: &Mortal, lines: &mut [Line]) {
    if !endpoint.is_attached() && endpoint.attach().is_ok() {
        lines.iter_mut().for_each(|line| line.is_down = false);
    }
    for (at, line) in lines.iter_mut().enumerate() {
        let Ok(mut receiver) = endpoint.receiver(at) else { return };
        line.send_one(endpoint, LinkAddress::BROADCAST);
        let is_done = |line: &Line| line.has_ended || line.last.is_some_and(|last| last + 1 == line.sent);
        for _ in 0..PATIENCE {
            // A ring hands its last block over when its time has passed.
            world.network.next_event().into_iter().for_each(|time| world.network.clock().advance_to(time));
            if receiver.poll(line).is_err() || is_done(line) {
                break;
            }
        }
        assert!(is_done(line), "queue {at} is deaf: {:?} of {}", line.last, line.sent);
        world.seen.at(if line.has_ended { "restored, then ended" } else { "restored, then received" });
    }
}

/// Each queue carried the packets of its flows that were sent, once and in order.
fn check_sent_packets(lines: &[Line], packets: &[Packet<'_>]) {
    for (at, line) in lines.iter().enumerate() {
        let of_queue = |packet: &&Packet<'_>| packet.hash() as usize % lines.len() == at;
        let sent = packets.iter().filter(of_queue).filter(|packet| packet.status() == TxStatus::Sent);
        let expected: Vec<_> = sent.map(|packet| packet.parts().concat()).collect();
        assert!(line.arrived == expected, "queue {at}: {} arrived, {} sent", line.arrived.len(), expected.len());
    }
}

fn payload(number: u32, dice: &mut Dice) -> Vec<u8> {
    [&[0x45], &number.to_be_bytes()[..], &dice.bytes(number as usize % 80)].concat()
}

const fn saved_name(state: State) -> &'static str {
    match state {
        State::Detached => "saved detached",
        State::Attached => "saved attached",
        State::Down => "saved down",
        State::Ended => "saved ended",
        State::Detaching => "saved detaching",
        State::Closing => "saved closing",
        State::Closed => "saved closed",
    }
}

const MOST_QUEUES: usize = 3;
const PACKETS: u32 = 200;
/// Polls that find everything, also where faults make some of them find nothing.
const PATIENCE: usize = 60;
