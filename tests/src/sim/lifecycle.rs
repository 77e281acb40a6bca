//! An endpoint is attached, detached, closed, renamed, cut off, while traffic flows: it is where it should be, nothing comes after a detach, and each
//! end is told once.

use std::cell::Cell;

use fdlink_core::io::{ErrorKind, VlanFilter, Wake};
use fdlink_core::{
    ConfigError, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, LinkEvent, NetworkDispatcher, Options,
    Packet, Queue, Receiver, ReceiverError, RxPacket, State, StateError, TxStatus, WriteError,
};
use fdlink_mock::MockError;
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::{Fault, Rates, Site};
use fdlink_mock::network::{Ledger, Wire};
use fdlink_mock::rng::Rng;

use super::books::{check_received, check_sent};
use super::peers::Peer;
use super::world::{World, check_words};
use crate::random::Dice;
use crate::support::{OWN, PEER, TEST_PROTOCOL, ethernet};

/// Everything, and ends more often than anywhere else.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let often = rng.pick(&[0, 1, 4]).unwrap_or(0);
    Rates { hang_up: 3 * often, fatal: 2 * often, flap: 10 * often, stop: 3 * often, ..Rates::EVERYTHING }
}

thread_local! {
    /// How often the on-close action of this thread's endpoint ran.
    static CLOSED: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn play(world: &mut World) {
    let mut dice = Dice::new(world.rng.number());
    let kinds = world.kinds();
    let options = Options { mtu: 1000, ..world.options(kinds[0]) };
    let options = if options.ethernet_header { Options { address: OWN, ..options } } else { options };
    let (mut queues, mut lines) = (Vec::new(), Vec::new());
    for _ in 0..dice.within(1..=3) {
        let wire = world.wire();
        let [near, far] = world.cable(wire, kinds, DescriptorOptions::default());
        lines.push(Line {
            near: near.port(),
            peer: Some(Peer::new(&world.network, far, Rates::EVERYTHING)),
            ends: 0,
            told: Vec::new(),
            refused: 0,
        });
        queues.push(Queue::new(near));
    }
    CLOSED.set(0);
    let endpoint = Endpoint::new(queues, options).expect("the options are good");
    endpoint.set_on_close_action(Some(&|| CLOSED.set(CLOSED.get() + 1)));
    let receivers = lines.iter().map(|_| None).collect();
    let mut life = Life { endpoint: &endpoint, receivers, lines, options, attached: false, closed: false };
    for _ in 0..dice.within(20..=150) {
        life.step(world, &mut dice);
    }
    life.end(world);
    check_bad_options(world);
}

/// Options that cannot work are refused by name.
fn check_bad_options(world: &mut World) {
    let group = Options { address: LinkAddress::BROADCAST, ..Options::default() };
    let headless = Options { address: OWN, ethernet_header: false, ..Options::default() };
    let untagged = Options { vlan: VlanFilter::Untagged, ethernet_header: false, ..Options::default() };
    let (bad, expected) = match world.rng.below(11) {
        0 => (Options { mtu: 0, ..Options::default() }, ConfigError::MtuZero),
        1 => (Options { mtu: 1501, ..Options::default() }, ConfigError::MtuAboveFrameLimit { mtu: 1501, max: 1500 }),
        2 => (Options { rx_budget: 0, ..Options::default() }, ConfigError::RxBudgetZero),
        3 => (group, ConfigError::GroupAddress),
        4 => (Options { vlan: VlanFilter::Id(4095), ..Options::default() }, ConfigError::VlanId),
        5 => (untagged, ConfigError::VlanWithoutEthernet),
        6 => (Options { gso_max_size: 1, ..Options::default() }, ConfigError::GsoMaxSizeWithoutGso),
        7 => (Options { processor_backlog: 0, ..Options::default() }, ConfigError::ProcessorBacklogZero),
        8 => (Options { rx_split: true, gro: true, ..Options::default() }, ConfigError::SplitWithGro),
        9 => return check_no_queues(),
        _ => (headless, ConfigError::AddressWithoutEthernet),
    };
    let [near, _] = world.cable(Wire::default(), [Kind::Tap; 2], DescriptorOptions::default());
    assert_eq!(Endpoint::new([Queue::new(near)], bad).err(), Some(expected));
    check_words(expected);
}

fn check_no_queues() {
    let none = Endpoint::<Descriptor, _>::new([], Options::default());
    assert_eq!(none.err(), Some(ConfigError::NoQueues));
    check_words(ConfigError::NoQueues);
}

/// One queue and its other end, until it is dropped.
struct Line {
    near: usize,
    peer: Option<Peer>,
    /// Ends told in this attachment.
    ends: usize,
    /// What was told in this attachment.
    told: Vec<LinkEvent>,
    /// Frames that were refused before it because the peer was gone.
    refused: usize,
}

/// An endpoint, and what it should be.
struct Life<'e> {
    endpoint: &'e Endpoint<Descriptor, Vec<Queue<Descriptor>>>,
    receivers: Vec<Option<Receiver<'e, Descriptor>>>,
    lines: Vec<Line>,
    options: Options,
    attached: bool,
    closed: bool,
}

impl<'e> Life<'e> {
    fn step(&mut self, world: &mut World, dice: &mut Dice) {
        world.network.step();
        let at = dice.within(0..=self.lines.len() - 1);
        match dice.within(0..=99) {
            0..=9 => self.attach(world),
            10..=24 => self.take_receiver(at),
            25..=29 => self.receivers[at] = None,
            30..=52 => self.poll(world, at),
            53..=57 => self.wait(world, at),
            58..=72 => self.far_sends(at, dice),
            73..=82 => self.write(dice),
            83..=85 => self.rename(dice),
            86..=88 => self.detach(),
            89 if dice.one_in(4) => self.lines[at].peer = None,
            90 if dice.one_in(4) => self.close(),
            91 => world.network.set_link(self.lines[at].near, dice.flip()),
            _ => world.pass_time(),
        }
        self.check(world, at);
    }

    fn attach(&mut self, world: &World) {
        let expected = match () {
            () if self.closed => Err(StateError::Closed),
            () if self.attached => Err(StateError::AlreadyAttached),
            () if self.is_somebody_out() => Err(StateError::Draining),
            () => Ok(()),
        };
        assert_eq!(self.endpoint.attach(), expected, "attach");
        expected.err().into_iter().for_each(check_words);
        if expected.is_ok() {
            self.attached = true;
            for line in &mut self.lines {
                (line.ends, line.told) = (0, Vec::new());
                line.refused = world.network.ledger(line.near).refused[ErrorKind::Closed];
            }
        }
    }

    fn is_somebody_out(&self) -> bool {
        self.receivers.iter().any(Option::is_some)
    }

    fn detach(&mut self) {
        self.endpoint.detach();
        self.attached = false;
    }

    fn close(&mut self) {
        self.endpoint.close();
        (self.attached, self.closed) = (false, true);
    }

    fn take_receiver(&mut self, at: usize) {
        let taken = self.endpoint.receiver(at);
        taken.as_ref().err().into_iter().for_each(check_words);
        match (taken, self.attached, self.receivers[at].is_some()) {
            (Ok(receiver), true, false) => self.receivers[at] = Some(receiver),
            (Err(ReceiverError::NotAttached), false, _) | (Err(ReceiverError::Taken), true, true) => {}
            (taken, ..) => panic!("attached: {}, got {:?}", self.attached, taken.map(drop)),
        }
        let beyond = self.endpoint.receiver(self.lines.len()).map(drop);
        assert_eq!(beyond, Err(ReceiverError::NoSuchQueue));
    }

    fn poll(&mut self, world: &mut World, at: usize) {
        let line = &mut self.lines[at];
        let Some(receiver) = &mut self.receivers[at] else { return };
        let before = world.network.ledger(line.near);
        let mut ear = Ear { line, attached: self.attached };
        let polled = receiver.poll(&mut ear);
        match &polled {
            Ok(taken) => {
                assert!(self.attached, "{taken} frames after the detach");
                assert_eq!(line.ends, 0, "nothing comes after the end");
                self.check_polled(world, at, *taken, &before);
            }
            Err(ended) => {
                self.check_end(at, ended);
                check_words(format_args!("end: {ended}"));
                world.seen.at(end_name(ended));
            }
        }
        world.seen.at(state_name(self.endpoint.state()));
    }

    /// Frames mean that the link is up; where sending found the peer gone, a queue that is dry ends.
    fn check_polled(&self, world: &World, at: usize, taken: usize, before: &Ledger) {
        let after = world.network.ledger(self.lines[at].near);
        if taken > 0 && self.lines.len() == 1 {
            assert_eq!(self.endpoint.state(), State::Attached);
        }
        if taken == 0 && after.failed == before.failed {
            assert_eq!(before.refused[ErrorKind::Closed], self.lines[at].refused, "the peer is gone");
        }
    }

    /// An end was told once, and only a detached endpoint says so.
    fn check_end(&self, at: usize, ended: &Ended<MockError>) {
        assert_eq!(self.lines[at].ends, 1, "the end is told once");
        assert_eq!(matches!(ended, Ended::Detached), !self.attached, "{ended:?}");
    }

    /// Waits end at once where somebody stopped them: a detach, a plan, a peer that was found gone; not where that was before the attach.
    fn wait(&mut self, world: &World, at: usize) {
        let line = &mut self.lines[at];
        let Some(receiver) = &mut self.receivers[at] else { return };
        let (near, refused) = (line.near, line.refused);
        let waited = receiver.wait(None, &mut Ear { line, attached: self.attached });
        assert!(waited.is_ok(), "waits on the mock do not fail: {waited:?}");
        if self.attached && waited == Ok(Wake::Stopped) {
            let is_planned = |(site, fault): &(Site, Fault)| site.port == near && *fault == Fault::Stop;
            let is_found_gone = world.network.ledger(near).refused[ErrorKind::Closed] > refused;
            assert!(is_found_gone || world.network.fired().iter().any(is_planned), "nobody stopped it");
        }
    }

    fn far_sends(&self, at: usize, dice: &mut Dice) {
        let Some(peer) = &self.lines[at].peer else { return };
        for _ in 0..dice.within(1..=10) {
            let payload = [&[0x45], dice.bytes(30).as_slice()].concat();
            let frame = if self.options.ethernet_header { ethernet(OWN, TEST_PROTOCOL, &payload) } else { payload };
            // A peer that is cut off cannot send.
            let _ = peer.send(&frame);
        }
    }

    fn write(&self, dice: &mut Dice) {
        let payload = [&[0x45], dice.bytes(50).as_slice()].concat();
        let parts = [payload.as_slice()];
        let packet = |_| Packet::new(EtherType::IPV4, &parts).to(PEER).with_hash(dice.number() as u32);
        let mut packets: Vec<_> = (0..5).map(packet).collect();
        let written = self.endpoint.write_packets(&mut packets);
        written.err().into_iter().for_each(check_words);
        let tried = packets.iter().any(|packet| packet.status() != TxStatus::Pending);
        match written {
            Ok(_) => assert!(self.attached, "written while detached"),
            Err(WriteError::Closed) => assert!(self.closed && !tried),
            Err(WriteError::NotAttached) => assert!(!self.attached && !self.closed && !tried),
            Err(WriteError::Ended) => assert!(self.attached && !tried && self.lines.iter().all(|line| line.ends == 1)),
            Err(error) => panic!("{error}"),
        }
    }

    fn rename(&self, dice: &mut Dice) {
        let mtu = dice.pick(&[0, 100, 1000, 1501, 70_000]);
        let most = 1514 - self.endpoint.max_header_length() as u32;
        let expected = match mtu {
            0 => Err(ConfigError::MtuZero),
            _ if mtu > most => Err(ConfigError::MtuAboveFrameLimit { mtu, max: most }),
            _ => Ok(()),
        };
        assert_eq!(self.endpoint.set_mtu(mtu), expected);
        expected.err().into_iter().for_each(check_words);
        assert!(expected.is_err() || self.endpoint.mtu() == mtu);
        assert_eq!(self.endpoint.set_link_address(LinkAddress::BROADCAST), Err(ConfigError::GroupAddress));
        if self.options.ethernet_header {
            let address = dice.pick(&[OWN, PEER]);
            assert_eq!(self.endpoint.set_link_address(address), Ok(()));
            assert_eq!(self.endpoint.link_address(), address);
        }
    }

    fn check(&self, world: &World, at: usize) {
        let (queue, ledger) = (&self.endpoint.queues()[at], world.network.ledger(self.lines[at].near));
        check_sent(&queue.counters(), &ledger, &self.options);
        check_received(&queue.counters(), &ledger);
        assert_eq!(self.endpoint.is_attached(), self.attached);
        assert_eq!(CLOSED.get(), usize::from(self.closed), "the action on close runs once");
        let expected = match (self.closed, self.is_somebody_out()) {
            (true, true) => State::Closing,
            (true, false) => State::Closed,
            (false, true) => State::Detaching,
            (false, false) => State::Detached,
        };
        assert!(self.attached || self.endpoint.state() == expected, "{:?}, not {expected:?}", self.endpoint.state());
    }

    /// Closed in the end, with every receiver back, whatever was before.
    fn end(mut self, world: &mut World) {
        let (mut relaxed, most) = (0, self.lines.len());
        self.close();
        let Self { endpoint, receivers, .. } = &mut self;
        endpoint.wait(&mut || {
            relaxed += 1;
            assert!(relaxed <= most, "the wait for the receivers does not end");
            drop(receivers.pop());
        });
        assert_eq!(endpoint.state(), State::Closed);
        for at in 0..self.lines.len() {
            check_received(&self.endpoint.queues()[at].counters(), &world.network.ledger(self.lines[at].near));
        }
    }
}

/// Hears what one queue tells.
struct Ear<'l> {
    line: &'l mut Line,
    attached: bool,
}

impl NetworkDispatcher for Ear<'_> {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {
        assert!(self.attached, "a packet after the detach");
        assert_eq!(self.line.ends, 0, "a packet after the end");
    }

    fn notify(&mut self, event: LinkEvent) {
        self.line.ends += usize::from(event.is_end());
        assert!(self.line.ends <= 1, "{event:?} after {:?}", self.line.told);
        self.line.told.push(event);
    }
}

const fn end_name(ended: &Ended<MockError>) -> &'static str {
    match ended {
        Ended::Detached => "end detached",
        Ended::PeerClosed => "end peer closed",
        Ended::Fatal(_) => "end fatal",
    }
}

const fn state_name(state: State) -> &'static str {
    match state {
        State::Detached => "state detached",
        State::Attached => "state attached",
        State::Down => "state down",
        State::Ended => "state ended",
        State::Detaching => "state detaching",
        State::Closing => "state closing",
        State::Closed => "state closed",
    }
}
