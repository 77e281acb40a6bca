//! An endpoint is saved at any step, dropped, restored on other descriptors, and goes on: what it was it still is, nothing is delivered or sent twice
//! or out of order, its counters go on, and what was found out that a system does not do is not asked of the next one.

use fdlink_core::io::Offloads;
use fdlink_core::{
    Counters, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, LinkEvent, NetworkDispatcher, Options,
    Packet, Queue, Receiver, RxPacket, Snapshot, State, TxStatus,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::Rates;
use fdlink_mock::network::{SegmentId, Topology, Wire};
use fdlink_mock::rng::Rng;

use super::books::{check_received, check_sent};
use super::peers::{Peer, carried};
use super::world::World;
use crate::random::{Dice, Flows};
use crate::support::{OWN, Offloaded, PEER, TEST_PROTOCOL, ethernet, in_one_form};

/// At the endpoint's end everything, on the wires nothing: what is sent arrives, unless the descriptor that it waits at is dropped.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 20, 100, 300]).unwrap_or(0);
    let ends = rng.pick(&[0, 3, 30]).unwrap_or(0);
    let revoke = rng.pick(&[0, 50, 200]).unwrap_or(0);
    let mut rate = || rng.within(0, most) as u16;
    Rates {
        fail: rate(),
        short: rate(),
        interrupt: rate(),
        wake: rate(),
        refuse: rate(),
        revoke,
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
    let ends = ends(world, [near, far.without_ring()]);
    let options = Options { mtu: 1000, tx_coalesce: dice.flip(), ..world.options(near) };
    let (mut lines, queues) = open(world, ends, &mut dice);
    let mut endpoint = Endpoint::new(queues, options).expect("the options are good");
    let drafts = drafts(&mut dice);
    let parts: Vec<[&[u8]; 1]> = drafts.iter().map(|(_, draft)| [draft.frame.as_slice()]).collect();
    let packet = |((hash, draft), parts): (&(u32, Offloaded), _)| {
        let protocol = if draft.frame[0] == 0x60 { EtherType::IPV6 } else { EtherType::IPV4 };
        Packet::new(protocol, parts).to(PEER).with_hash(*hash).with_offload(draft.offload)
    };
    let mut packets: Vec<_> = drafts.iter().zip(&parts).map(|(draft, parts)| packet((draft, parts))).collect();
    let mut handed_in = 0;
    for _ in 0..dice.within(2..=5) {
        let snapshot = live(world, &mut dice, &endpoint, &mut lines, &mut packets, &mut handed_in);
        world.seen.at(saved_name(snapshot.state()));
        lines.iter_mut().zip(endpoint.queues()).for_each(|(line, queue)| line.lost |= lost(queue));
        drop(endpoint);
        endpoint = restore(world, ends, &mut lines, &snapshot);
    }
    go_on(world, &endpoint, &mut lines);
    check_sent_packets(&lines, &drafts, &packets);
}

/// The descriptors of each cable.
type Ends = [(Kind, DescriptorOptions); 2];

/// What frames ask for is done by the system; nobody stands between unix sockets, so that their other ends hear of it.
fn ends(world: &mut World, [near, far]: [Kind; 2]) -> Ends {
    let options = world.with_vnet_header(DescriptorOptions::default());
    [(near, options), (far, if far.is_unix() { options } else { DescriptorOptions::default() })]
}

/// Granted, and turned out not to be done.
fn lost(queue: &Queue<Descriptor>) -> Offloads {
    queue.limits().offloads - queue.offloads()
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
    /// Offloads that were lost in all lives before this one.
    lost: Offloads,
    /// What arrived at the other end.
    arrived: Vec<Vec<u8>>,
}

fn open(world: &mut World, ends: Ends, dice: &mut Dice) -> (Vec<Line>, Vec<Queue<Descriptor>>) {
    let mut open = |_| {
        let (segment, [near, far]) = cable(world, ends);
        let line = Line {
            segment,
            near: near.port(),
            peer: Peer::new(&world.network, far, Rates::NONE),
            sent: 0,
            last: None,
            before: Counters::default(),
            is_down: false,
            has_ended: false,
            lost: Offloads::empty(),
            arrived: Vec::new(),
        };
        (line, Queue::new(near))
    };
    (0..dice.within(1..=MOST_QUEUES)).map(&mut open).unzip()
}

fn cable(world: &World, ends: Ends) -> (SegmentId, [Descriptor; 2]) {
    let segment = world.network.segment(Topology::Hub, Wire { queue_frames: usize::MAX, ..Wire::default() });
    (segment, ends.map(|(kind, options)| world.network.open_with(segment, kind, options)))
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
            let packets = line.peer.take_told(usize::MAX, header_len);
            let frames = packets.iter().flat_map(|packet| carried(packet, header_len));
            line.arrived.extend(frames.map(|frame| frame[header_len..].to_vec()));
        }
    }

    fn check(&self, world: &World, at: usize) {
        let line = &self.lines[at];
        let (now, ledger) = (self.endpoint.queues()[at].counters() - line.before, world.network.ledger(line.near));
        check_received(&now, &ledger);
        check_sent(&now, &ledger, self.endpoint.options());
        assert!(!ledger.asked.intersects(line.lost), "{:?} asked, {:?} lost before", ledger.asked, line.lost);
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
        let _ = self.peer.send(&[vec![0; self.peer.vnet_header_len], frame].concat());
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
fn restore(world: &mut World, ends: Ends, lines: &mut [Line], saved: &Snapshot<MOST_QUEUES>) -> Mortal {
    let mut buffer = [0; Snapshot::<MOST_QUEUES>::MAX_LEN];
    let snapshot = Snapshot::decode(saved.encode(&mut buffer).expect("it fits")).expect("it is whole");
    assert_eq!(snapshot, *saved);
    let queues = lines.iter_mut().map(|line| Queue::new(line.reopen(world, ends))).collect();
    let endpoint = Endpoint::restore(queues, &snapshot).expect("the descriptors are as good");
    for ((line, queue), saved) in lines.iter_mut().zip(endpoint.queues()).zip(snapshot.queues()) {
        assert_eq!(queue.counters(), saved.counters);
        assert_eq!(lost(queue), line.lost, "what was lost stays so, and nothing else is");
        if !line.lost.is_empty() {
            world.seen.at("restored without an offload");
        }
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
    fn reopen(&mut self, world: &World, ends: Ends) -> Descriptor {
        let (kind, options) = ends[0];
        let near = if kind.has_interface() {
            world.network.open_with(self.segment, kind, options)
        } else {
            let (segment, [near, far]) = cable(world, ends);
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
fn check_sent_packets(lines: &[Line], drafts: &[(u32, Offloaded)], packets: &[Packet<'_>]) {
    for (at, line) in lines.iter().enumerate() {
        let of_queue = |hash: u32| hash as usize % lines.len() == at;
        let sent = drafts.iter().zip(packets).filter(|(_, packet)| packet.status() == TxStatus::Sent);
        let sent = sent.filter(|((hash, _), _)| of_queue(*hash)).flat_map(|((_, draft), _)| carried(draft, 0));
        let expected: Vec<_> = sent.map(|packet| in_one_form(packet, 0)).collect();
        let arrived: Vec<_> = line.arrived.iter().map(|packet| in_one_form(packet.clone(), 0)).collect();
        assert!(arrived == expected, "queue {at}: {} arrived, {} sent", arrived.len(), expected.len());
    }
}

/// Packets without a link header and their flow hashes: segments that may be merged and whose checksums are left to others, and noise.
fn drafts(dice: &mut Dice) -> Vec<(u32, Offloaded)> {
    let mut flows = Flows::new(dice, false);
    let mut drafts = Vec::new();
    while drafts.len() < PACKETS {
        let hash = dice.number() as u32;
        if dice.flip() {
            drafts.extend(flows.burst(dice, 40).into_iter().map(|draft| (hash, draft)));
        } else {
            drafts.push((hash, noise(dice)));
        }
    }
    drafts
}

/// Begins like IPv4, and is not.
fn noise(dice: &mut Dice) -> Offloaded {
    let len = dice.within(0..=80);
    Offloaded::plain(&[&[0x45], dice.bytes(len).as_slice()].concat())
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
const PACKETS: usize = 200;
/// Polls that find everything, also where faults make some of them find nothing.
const PATIENCE: usize = 60;
