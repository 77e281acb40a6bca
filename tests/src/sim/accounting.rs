//! Whatever comes: every frame is delivered as it was lent, in order, or counted under its cause, and the counts agree with those of the network
//! at every step.

use std::mem::take;
use std::sync::Arc;

use fdlink_core::io::{EtherTypes, Offloads, VlanFilter};
use fdlink_core::wire::vnet::{ByteOrder, MAX_LEN, VirtioNetHdr};
use fdlink_core::{
    Counters, DropCause, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, Options, Queue, Receiver,
};
use fdlink_mock::MockError;
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::device::Watched;
use fdlink_mock::fault::Rates;
use fdlink_mock::rng::Rng;

use super::books::{check_drops, check_received, check_wire};
use super::heard::{Ear, Heard};
use super::peers::{Lent, Peer};
use super::spread::{Spread, backlogs};
use super::verdict::{Delivery, verdict};
use super::world::{World, check_words};
use crate::random::{Dice, Flows, frame, length, options as random_options};
use crate::support::{OWN, Offloaded, PEER};

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
        filter: 100,
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
        lie: rate(),
        flap: rate() / 4,
        ..Rates::BAD_WIRE
    }
}

type Channel = Watched<Descriptor, Lent>;

pub(super) fn play(world: &mut World) {
    let mut dice = Dice::new(world.rng.number());
    let kinds = world.kinds();
    let descriptor = descriptor(world, &mut dice);
    let options = options(world, &mut dice, kinds[0], &descriptor);
    let kinds = if options.ethernet_header || !kinds[0].has_interface() { kinds } else { [Kind::Tun; 2] };
    let (queues, lines) = open(world, kinds, descriptor, &options);
    let backlogs: Vec<_> = lines.iter().map(|_| backlogs(&options)).collect();
    let Ok(endpoint) = Endpoint::new(queues, options) else {
        return world.seen.at("filter refused");
    };
    endpoint.attach().expect("detached");
    let stations = backlogs.iter().enumerate().map(|(queue, backlogs)| Station {
        receiver: endpoint.receiver(queue).expect("nobody has it"),
        spread: (!backlogs.is_empty()).then(|| Spread::new(backlogs, &options, &mut world.rng)),
    });
    let stations = stations.collect();
    let flows = Flows::new(&mut dice, options.ethernet_header);
    let mut stage = Stage { endpoint: &endpoint, stations, lines, flows, options };
    for _ in 0..dice.within(10..=80) {
        stage.step(world, &mut dice);
    }
    stage.end(world);
}

fn descriptor(world: &mut World, dice: &mut Dice) -> DescriptorOptions {
    let descriptor = DescriptorOptions {
        receive_len: dice.within(20..=LONGEST),
        slots: dice.within(1..=40),
        receive_frames: dice.pick(&[8, 1000]),
        takes_tags_out: dice.flip(),
        filters: dice.one_in(4),
        ..DescriptorOptions::default()
    };
    world.with_vnet_header(descriptor)
}

fn options(world: &mut World, dice: &mut Dice, kind: Kind, descriptor: &DescriptorOptions) -> Options {
    let most = (descriptor.receive_len - descriptor.vnet_header_len.min(descriptor.receive_len)).min(LONGEST);
    let Options { ethernet_header, mtu, address, promiscuous, rx_budget, .. } = random_options(dice, most.max(15));
    let options = world.options(kind);
    let options = Options { ethernet_header, mtu, address, promiscuous, rx_budget, ..options };
    let options = if dice.flip() { world.with_offloads(options) } else { options };
    let options = if dice.one_in(3) { world.with_processors(options) } else { options };
    let (id, untagged, any) = (VlanFilter::Id(5), VlanFilter::Untagged, VlanFilter::Any);
    let vlan = if ethernet_header { dice.pick(&[id, untagged, any, any]) } else { any };
    let some = EtherTypes::only([EtherType::IPV4, EtherType(0x88b5)]);
    Options { vlan, ether_types: dice.pick(&[EtherTypes::ALL, EtherTypes::ALL, some]), ..options }
}

/// One queue, its other end, and what came of it.
struct Line {
    near: usize,
    peer: Peer,
    vnet_header_len: usize,
    lent: Arc<spin::Mutex<Lent>>,
    heard: Heard,
    /// What should have been delivered and was not compared yet, and what was given up of it.
    expected: Vec<Delivery>,
    given_up: usize,
    drops: [usize; DropCause::ALL.len()],
    has_ended: bool,
}

/// What receives from a queue, and the processors behind it.
struct Station<'e> {
    receiver: Receiver<'e, Channel>,
    spread: Option<Spread<'e>>,
}

struct Stage<'e> {
    endpoint: &'e Endpoint<Channel, Vec<Queue<Channel>>>,
    stations: Vec<Station<'e>>,
    lines: Vec<Line>,
    flows: Flows,
    options: Options,
}

fn open(
    world: &mut World,
    kinds: [Kind; 2],
    descriptor: DescriptorOptions,
    options: &Options,
) -> (Vec<Queue<Channel>>, Vec<Line>) {
    let wires = wires(&mut world.rng);
    // The other end says what is left to do to its frames, which the near one may or may not take so.
    let far = DescriptorOptions { offloads: Offloads::all(), filters: false, ..descriptor };
    let mut open = |_| {
        let wire = world.wire();
        let [near, far] = world.cable_of(wire, [(kinds[0], descriptor), (kinds[1], far)]);
        let (port, peer) = (near.port(), Peer::new(&world.network, far, wires));
        let (near, lent) = Watched::new(near, Lent::default());
        let line = Line {
            near: port,
            peer,
            vnet_header_len: descriptor.vnet_header_len,
            lent,
            heard: Heard::default(),
            expected: Vec::new(),
            given_up: 0,
            drops: [0; DropCause::ALL.len()],
            has_ended: false,
        };
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
            let peer = &self.lines[at].peer;
            let header = VirtioNetHdr::default();
            let (header, frame) = match dice.flip() {
                true => {
                    let len = length(dice, LONGEST, LONGEST);
                    (header, frame(dice, len))
                }
                false => {
                    let Offloaded { frame, offload } = self.flows.next(dice);
                    let link_len = if self.options.ethernet_header { 14 } else { 0 };
                    (VirtioNetHdr::from_offload(offload, link_len, 0), frame)
                }
            };
            let header = header.encode::<MAX_LEN>(ByteOrder::Native);
            // Refused where the kind takes no such frame or has no room: then nothing is on its way, and nothing is expected.
            let _ = peer.send(&[&header[..peer.vnet_header_len], &frame].concat());
        }
    }

    fn poll(&mut self, world: &mut World, at: usize) {
        let Station { receiver, spread } = &mut self.stations[at];
        let line = &mut self.lines[at];
        let polled = match spread {
            Some(spread) => receiver.poll(spread.dispatcher()),
            None => receiver.poll(&mut Ear { heard: &mut line.heard, processor: 0 }),
        };
        let taken = line.lent.lock().0.len();
        match polled {
            Ok(told) => assert_eq!(told, taken, "frames taken"),
            Err(ended) => line.end(&ended),
        }
        assert!(taken <= self.options.rx_budget, "{taken} frames for a budget of {}", self.options.rx_budget);
        let given_up = self.endpoint.queues()[at].counters().rx.dropped(DropCause::BacklogFull);
        line.given_up += given_up - line.drops[DropCause::BacklogFull as usize];
        line.drops[DropCause::BacklogFull as usize] = given_up;
        line.judge(world, &self.options, self.endpoint.link_address());
        self.work(at);
    }

    /// Lets the processors work; once nothing waits, what they delivered is compared.
    fn work(&mut self, at: usize) {
        let line = &mut self.lines[at];
        let mut is_behind = false;
        if let Some(spread) = &mut self.stations[at].spread {
            spread.work(|processor, worker| {
                worker.poll(&mut Ear { heard: &mut line.heard, processor }).expect("nobody closes it");
            });
            is_behind = spread.is_behind();
        }
        if !is_behind {
            line.compare(&self.options);
        }
    }

    fn wait(&mut self, at: usize) {
        let Station { receiver, spread } = &mut self.stations[at];
        let line = &mut self.lines[at];
        let waited = match spread {
            Some(spread) => receiver.wait(None, spread.dispatcher()),
            None => receiver.wait(None, &mut Ear { heard: &mut line.heard, processor: 0 }),
        };
        if let Err(ended) = waited {
            line.end(&ended);
        }
        self.work(at);
    }

    fn rename(&mut self, dice: &mut Dice) {
        if self.options.ethernet_header {
            // Refused where a filter cannot follow; then the old one stays.
            let before = self.endpoint.link_address();
            let address = dice.pick(&[OWN, PEER]);
            let expected = if self.endpoint.set_link_address(address).is_ok() { address } else { before };
            assert_eq!(self.endpoint.link_address(), expected);
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
            (0..PATIENCE).for_each(|_| self.work(at));
            self.check(world, at);
            assert!(self.lines[at].expected.is_empty(), "nothing waits for a processor any more");
        }
        let Self { endpoint, stations, lines, .. } = self;
        drop(stations);
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
        self.has_ended = true;
    }

    /// What was lent since the last time, and what is to come of it.
    fn judge(&mut self, world: &mut World, options: &Options, own: LinkAddress) {
        for lent in self.lent.lock().0.drain(..) {
            match verdict(&lent, options, own, self.vnet_header_len) {
                Ok(deliveries) => self.expected.extend(deliveries),
                Err(cause) => {
                    self.drops[cause as usize] += 1;
                    world.seen.at(drop_name(cause));
                }
            }
        }
        if self.heard.ups > 0 {
            world.seen.at("event up");
        }
    }

    fn compare(&mut self, options: &Options) {
        let (expected, given_up) = (take(&mut self.expected), take(&mut self.given_up));
        self.heard.check(expected, given_up, options);
        assert!(self.heard.downs >= self.heard.ups, "up comes after down");
        assert_eq!(self.heard.ends, usize::from(self.has_ended), "the end is told once");
    }

    fn check_counters(&self, counters: &Counters) {
        for cause in DropCause::ALL.into_iter().filter(|cause| *cause != DropCause::Kernel) {
            assert_eq!(counters.rx.dropped(cause), self.drops[cause as usize], "{cause}");
        }
    }
}

const fn drop_name(cause: DropCause) -> &'static str {
    match cause {
        DropCause::Runt => "drop runt",
        DropCause::ForeignAddress => "drop foreign address",
        DropCause::UnknownVersion => "drop unknown version",
        DropCause::Truncated => "drop truncated",
        DropCause::ForeignProtocol => "drop foreign protocol",
        DropCause::ForeignVlan => "drop foreign VLAN",
        DropCause::VnetHeader => "drop virtio-net header",
        DropCause::Checksum => "drop checksum",
        _ => "drop kernel",
    }
}

const LONGEST: usize = 1600;
/// Polls that find everything, also where faults make some of them find nothing.
const PATIENCE: usize = 60;
