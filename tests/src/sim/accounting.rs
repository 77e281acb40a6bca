//! Whatever comes: every frame is delivered as it was lent, in order, or counted under its cause, and the counts agree with those of the network
//! at every step.

use std::collections::VecDeque;
use std::sync::Arc;

use fdlink_core::{
    Counters, DropCause, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, LinkEvent, NetworkDispatcher,
    Options, Queue, Receiver, RxPacket,
};
use fdlink_mock::MockError;
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::device::Watched;
use fdlink_mock::fault::Rates;
use fdlink_mock::rng::Rng;

use super::books::{check_drops, check_received, check_wire};
use super::peers::{Lent, Peer};
use super::world::{World, check_words};
use crate::random::{Dice, frame, judge, length, options};
use crate::support::{OWN, PEER};

/// What goes wrong at the endpoint's end: receives, waits, the link.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 20, 100, 300]).unwrap_or(0);
    let mut rate = || rng.within(0, most) as u16;
    Rates {
        fail: rate(),
        short: rate(),
        interrupt: rate(),
        wake: rate(),
        flap: rate() / 4,
        fatal: rng.pick(&[0, 0, 0, 5]).unwrap_or(0),
        ..Rates::NONE
    }
}

/// What goes wrong with frames from the other end.
fn wires(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 20, 100, 200]).unwrap_or(0);
    let mut rate = || rng.within(0, most) as u16;
    Rates {
        drop: rate(),
        duplicate: rate(),
        delay: rate(),
        corrupt: rate(),
        truncate: rate(),
        flap: rate() / 4,
        ..Rates::BAD_WIRE
    }
}

type Channel = Watched<Descriptor, Lent>;

pub(super) fn play(world: &mut World) {
    let mut dice = Dice::new(world.rng.number());
    let receive_len = dice.within(20..=LONGEST);
    let mut options = options(&mut dice, receive_len);
    options.wake = world.options(Kind::Tap).wake;
    let (queues, lines) = open(world, &options, receive_len);
    let endpoint = Endpoint::new(queues, options).expect("the options are good");
    endpoint.attach().expect("detached");
    let receivers = (0..lines.len()).map(|queue| endpoint.receiver(queue).expect("nobody has it")).collect::<Vec<_>>();
    let mut stage = Stage { endpoint: &endpoint, receivers, lines, options, receive_len };
    for _ in 0..dice.within(10..=120) {
        stage.step(world, &mut dice);
    }
    stage.end(world);
}

/// One queue, its other end, and what came of it.
struct Line {
    near: usize,
    peer: Peer,
    lent: Arc<spin::Mutex<Lent>>,
    heard: Heard,
    drops: [usize; DropCause::ALL.len()],
    has_ended: bool,
}

struct Stage<'e> {
    endpoint: &'e Endpoint<Channel, Vec<Queue<Channel>>>,
    receivers: Vec<Receiver<'e, Channel>>,
    lines: Vec<Line>,
    options: Options,
    receive_len: usize,
}

fn open(world: &mut World, options: &Options, receive_len: usize) -> (Vec<Queue<Channel>>, Vec<Line>) {
    let mut kinds = world.kinds();
    if !options.ethernet_header && kinds[0].has_interface() {
        kinds = [Kind::Tun; 2];
    }
    let wires = wires(&mut world.rng);
    let mut open = |_| {
        let wire = world.wire();
        let rng = &mut world.rng;
        let descriptor = DescriptorOptions {
            receive_len,
            slots: rng.within(1, 40),
            receive_frames: rng.pick(&[8, 1000]).unwrap_or(8),
            ..DescriptorOptions::default()
        };
        let [near, far] = world.cable(wire, kinds, descriptor);
        let (port, peer) = (near.port(), Peer::new(&world.network, far, wires));
        let (near, lent) = Watched::new(near, Lent::default());
        let heard = Heard::default();
        let line = Line { near: port, peer, lent, heard, drops: [0; DropCause::ALL.len()], has_ended: false };
        (Queue::new(near), line)
    };
    let queues = 1 + options.rx_budget % 4;
    (0..queues).map(&mut open).unzip()
}

impl Stage<'_> {
    fn step(&mut self, world: &mut World, dice: &mut Dice) {
        world.network.step();
        let at = dice.within(0..=self.lines.len() - 1);
        match dice.within(0..=9) {
            0..=3 => self.send(at, dice),
            4..=6 => self.poll(world, at),
            7 => self.wait(at),
            8 => self.rename(dice),
            _ => world.pass_time(),
        }
        self.check(world, at);
    }

    fn send(&mut self, at: usize, dice: &mut Dice) {
        for _ in 0..dice.within(1..=20) {
            let len = length(dice, self.receive_len, LONGEST);
            // Refused where the kind takes no such frame or has no room: then nothing is on its way, and nothing is expected.
            let _ = self.lines[at].peer.send(&frame(dice, len));
        }
    }

    fn poll(&mut self, world: &mut World, at: usize) {
        let line = &mut self.lines[at];
        let polled = self.receivers[at].poll(&mut line.heard);
        let taken = line.lent.lock().0.len();
        match polled {
            Ok(told) => assert_eq!(told, taken, "frames taken"),
            Err(ended) => line.end(&ended),
        }
        assert!(taken <= self.options.rx_budget, "{taken} frames for a budget of {}", self.options.rx_budget);
        line.judge(world, &self.options, self.endpoint.link_address(), self.receive_len);
    }

    fn wait(&mut self, at: usize) {
        let line = &mut self.lines[at];
        if let Err(ended) = self.receivers[at].wait(None, &mut line.heard) {
            line.end(&ended);
        }
    }

    fn rename(&mut self, dice: &mut Dice) {
        if self.options.ethernet_header {
            self.endpoint.set_link_address(dice.pick(&[OWN, PEER])).expect("no group");
        }
    }

    fn check(&self, world: &World, at: usize) {
        let line = &self.lines[at];
        let counters = self.endpoint.queues()[at].counters();
        check_received(&counters, &world.network.ledger(line.near));
        line.check_counters(&counters);
    }

    /// Everything arrives, is taken, and the receivers come back.
    fn end(mut self, world: &mut World) {
        while let Some(time) = world.network.next_event() {
            world.network.clock().advance_to(time);
        }
        for at in 0..self.lines.len() {
            for _ in 0..PATIENCE {
                self.poll(world, at);
            }
            self.check(world, at);
        }
        let Self { endpoint, receivers, lines, .. } = self;
        drop(receivers);
        for (line, queue) in lines.iter().zip(endpoint.queues()) {
            let ledger = world.network.ledger(line.near);
            check_words(queue.counters());
            check_drops(&queue.counters(), &ledger);
            check_wire(&ledger, 0);
            if ledger.overrun > 0 {
                world.seen.at("drop kernel");
            }
        }
    }
}

impl Line {
    /// Nothing here can close, so the only end is a failure by plan.
    fn end(&mut self, ended: &Ended<MockError>) {
        assert!(matches!(ended, Ended::Fatal(_)), "{ended}");
        assert_eq!(self.heard.ends, 1, "the end is told once");
        self.has_ended = true;
    }

    /// What was lent since the last time against what was delivered.
    fn judge(&mut self, world: &mut World, options: &Options, own: LinkAddress, receive_len: usize) {
        for (len, bytes) in self.lent.lock().0.drain(..) {
            let judged =
                if len > bytes.len() { Err(DropCause::Truncated) } else { judge(&bytes, options, own, receive_len) };
            match judged {
                Ok((protocol, payload)) => {
                    let (heard, bytes) = self.heard.packets.pop_front().expect("the packet is delivered");
                    assert!(heard == protocol && bytes == payload, "another packet is delivered");
                }
                Err(cause) => {
                    self.drops[cause as usize] += 1;
                    world.seen.at(drop_name(cause));
                }
            }
        }
        assert!(self.heard.packets.is_empty(), "a packet is made up");
        if self.heard.ups > 0 {
            world.seen.at("event up");
        }
    }

    fn check_counters(&self, counters: &Counters) {
        for cause in DropCause::ALL.into_iter().filter(|cause| *cause != DropCause::Kernel) {
            assert_eq!(counters.rx.dropped(cause), self.drops[cause as usize], "{cause}");
        }
        assert!(self.heard.downs >= self.heard.ups, "up comes after down");
        assert!(self.heard.ends == usize::from(self.has_ended), "{} ends", self.heard.ends);
    }
}

/// What came to the dispatcher of a queue and was not compared yet.
#[derive(Debug, Default)]
struct Heard {
    packets: VecDeque<(EtherType, Vec<u8>)>,
    ends: usize,
    downs: usize,
    ups: usize,
}

impl NetworkDispatcher for Heard {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        self.packets.push_back((protocol, packet.payload().to_vec()));
    }

    fn notify(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Down => self.downs += 1,
            LinkEvent::Up => self.ups += 1,
            _ => self.ends += 1,
        }
    }
}

const fn drop_name(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Runt => "drop runt",
        DropCause::ForeignAddress => "drop foreign address",
        DropCause::UnknownVersion => "drop unknown version",
        DropCause::Truncated => "drop truncated",
        _ => "drop kernel",
    }
}

const LONGEST: usize = 1600;
/// Polls that find everything, also where faults make some of them find nothing.
const PATIENCE: usize = 60;
