//! Two smoltcp hosts exchange data each way: it arrives intact, or the connection fails with an error within bounded virtual time; never wrong bytes.

use std::time::Duration;

use fdlink_core::io::{ErrorKind, EtherTypes, Offloads, VlanFilter};
use fdlink_core::{DropCause, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, Options, Packet, Queue};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::{Fault, Rates};
use fdlink_mock::network::Wire;
use fdlink_mock::rng::Rng;
use smoltcp::time::Instant;

use super::books::{check_drops, check_received, check_sent, check_wire};
use super::host::{Host, Party, Side};
use super::nic::plain;
use super::spread::{Backlog, Processed, backlogs};
use super::world::World;
use crate::random::{Dice, leave_undone};
use crate::support::{OWN, PEER, Segments};

/// From a perfect network to a terrible one, at times with an end that nobody survives.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let rates = survivable(rng);
    match rng.below(8) {
        0 => Rates { flap: 5, ..rates },
        1 => Rates { hang_up: 1, fatal: 1, ..rates },
        _ => rates,
    }
}

/// Without what ends a connection.
pub(super) fn survivable(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 10, 30, 80]).unwrap_or(0);
    let mut rate = || rng.within(0, most) as u16;
    Rates {
        drop: rate(),
        duplicate: rate(),
        delay: rate(),
        corrupt: rate(),
        truncate: rate() / 4,
        refuse: rate(),
        fail: rate(),
        short: rate(),
        lie: rate(),
        interrupt: rate(),
        wake: rate(),
        revoke: rng.pick(&[0, 0, 5]).unwrap_or(0),
        most_delay: rng.time(Duration::from_millis(30)),
        ..Rates::NONE
    }
}

type Station = Endpoint<Descriptor, Vec<Queue<Descriptor>>>;
type Pair<'e> = [Box<dyn Party + 'e>; 2];

pub(super) fn play(world: &mut World, len: usize) {
    let (stations, ports) = open(world);
    let queues = ports.len();
    let backlogs = stations.each_ref().map(|station| backlogs_of(world, station));
    let mut pairs: Vec<_> = (0..queues)
        .map(|queue| {
            let backlogs = backlogs.each_ref().map(|backlogs| backlogs.get(queue).map(Vec::as_slice));
            pair(world, &stations, backlogs, queue, len / queues)
        })
        .collect();
    run(world, &stations[1], &mut pairs);
    let lost = lost_by_itself(world, &stations, &ports);
    pairs.iter().for_each(|pair| check_done(world, pair, lost));
    drop(pairs);
    check_books(world, &stations, &ports);
}

/// Two endpoints, joined by a cable for each queue; the ports of each cable.
fn open(world: &mut World) -> ([Station; 2], Vec<[usize; 2]>) {
    let kinds = world.kinds();
    let ends = descriptors(world, kinds);
    let mut cables = Vec::new();
    for _ in 0..world.rng.within(1, 4) {
        let wire = world.wire();
        // What arrives at once is no event, and would wait for the next one.
        let wire = Wire { latency: wire.latency.max(Duration::from_micros(1)), ..wire };
        let ports = world.cable_of(wire, ends);
        let other_way = survivable(&mut world.rng);
        world.network.set_rates(ports[1].port(), other_way);
        cables.push(ports);
    }
    let ports = cables.iter().map(|cable| cable.each_ref().map(Descriptor::port)).collect();
    let (near, far): (Vec<_>, Vec<_>) = cables.into_iter().map(|cable| cable.map(Queue::new).into()).unzip();
    let mtu = world.rng.within(200, 1500) as u32;
    let stations = [(near, kinds[0], OWN), (far, kinds[1], PEER)].map(|(queues, kind, address)| {
        let address = if kind == Kind::Tun { LinkAddress::ZERO } else { address };
        let options = Options { address, mtu, ..options(world, kind) };
        Endpoint::new(queues, options).expect("the options are good")
    });
    stations.iter().for_each(|station| station.attach().expect("detached"));
    (stations, ports)
}

/// The ends of all cables. Those of unix sockets have to agree, as nobody stands between them.
fn descriptors(world: &mut World, kinds: [Kind; 2]) -> [(Kind, DescriptorOptions); 2] {
    let [near, far] = kinds.map(|kind| {
        let (takes_tags_out, filters) = (world.rng.one_in(2), kind.is_packet() && world.rng.one_in(2));
        let options = DescriptorOptions { takes_tags_out, filters, ..DescriptorOptions::default() };
        (kind, world.with_vnet_header(options))
    });
    if kinds[0].is_unix() { [near, near] } else { [near, far] }
}

/// What takes the packets of two hosts, ARP included.
fn options(world: &mut World, kind: Kind) -> Options {
    let options = world.options(kind);
    let options = world.with_offloads(options);
    let options = world.with_processors(options);
    let is_strict = world.rng.one_in(2);
    let vlan = if is_strict && options.ethernet_header { VlanFilter::Untagged } else { VlanFilter::Any };
    let ip = EtherTypes::only([EtherType::ARP, EtherType::IPV4]);
    Options { ether_types: if is_strict { ip } else { EtherTypes::ALL }, vlan, ..options }
}

/// Hand-offs for each queue, if the hosts at this end have processors.
fn backlogs_of(world: &mut World, station: &Station) -> Vec<Vec<Backlog>> {
    let has_processors = world.rng.one_in(2);
    station.queues().iter().filter(|_| has_processors).map(|_| backlogs(station.options())).collect()
}

fn pair<'e>(
    world: &mut World,
    stations: &'e [Station; 2],
    backlogs: [Option<&'e [Backlog]>; 2],
    queue: usize,
    len: usize,
) -> Pair<'e> {
    let streams = world.rng.within(1, 3);
    let lens = vec![len / streams; streams];
    let ([a, b], [a_backlogs, b_backlogs]) = (stations, backlogs);
    [(a, a_backlogs, Side::Client), (b, b_backlogs, Side::Server)].map(|(station, backlogs, side)| {
        world.seen.at(if backlogs.is_some() { "host with processors" } else { "host" });
        match backlogs {
            Some(backlogs) => {
                let card = Processed::new(station, queue, backlogs, &mut world.rng);
                Box::new(Host::new(card, queue, side, &lens, &mut world.rng)) as Box<dyn Party + 'e>
            }
            None => {
                let host = Host::new(plain(station, queue), queue, side, &lens, &mut world.rng);
                let in_turns = world.rng.one_in(2);
                Box::new(if in_turns { host.in_turns() } else { host })
            }
        }
    })
}

/// Lets the hosts work until each pair is done or has failed.
fn run(world: &mut World, server: &Station, pairs: &mut [Pair<'_>]) {
    let mut idle = 0;
    for turn in 0.. {
        assert!(turn < TURNS, "no end after {turn} turns and {:?}", world.now());
        world.network.step();
        if turn < EARLY && world.rng.one_in(30) {
            send_datagrams(world, server);
        }
        let now = instant(world.now());
        let mut waiting = pairs.iter_mut().filter(|pair| !is_finished(pair)).peekable();
        if waiting.peek().is_none() {
            return;
        }
        let has_progress = waiting.flatten().fold(false, |has_progress, host| host.poll(now) | has_progress);
        idle = if has_progress { 0 } else { (idle + 1).min(10) };
        pass_time(world, pairs, now, SHORT * (1 << idle));
    }
}

/// A super-frame of UDP that nobody waits for comes in between: what takes it has to cut it, and its neighbours do not suffer.
fn send_datagrams(world: &mut World, server: &Station) {
    let mut dice = Dice::new(world.rng.number());
    let mut flow = Segments { has_ethernet: server.options().ethernet_header, is_tcp: false, ..Segments::tcp(5000) };
    let (len, size) = (dice.pick(&[100, 3000, 15_000]), dice.pick(&[40, 150]));
    let mut frame = flow.next(&dice.bytes(len), 0);
    let offload = leave_undone(&mut frame, flow.link_len(), size);
    let parts = [frame.as_slice()];
    // Where it is refused or has to wait, nothing comes in between.
    let _ = server.write_packets(&mut [Packet::framed(&parts).with_hash(dice.number() as u32).with_offload(offload)]);
}

/// Both ends are done, or both know that they have failed.
fn is_finished(pair: &Pair<'_>) -> bool {
    pair.iter().all(|host| host.is_done()) || pair.iter().all(|host| host.has_failed())
}

/// To the next frame or timer. A host that could go on at once waits for a descriptor, which no event tells: for it a `while_` passes.
fn pass_time(world: &World, pairs: &mut [Pair<'_>], now: Instant, while_: Duration) {
    let hosts = pairs.iter_mut().filter(|pair| !is_finished(pair)).flatten();
    let timer = hosts.filter_map(|host| host.poll_at(now)).min();
    let wait = timer.filter(|timer| *timer > now).map_or(while_, |timer| (timer - now).into());
    let next = [Some(world.now() + wait), world.network.next_event()].into_iter().flatten().min();
    next.into_iter().for_each(|time| world.network.clock().advance_to(time));
}

/// Frames that were too many for a queue, a ring or a backlog, without any fault.
fn lost_by_itself(world: &World, stations: &[Station; 2], ports: &[[usize; 2]]) -> usize {
    let ledgers = ports.as_flattened().iter().map(|port| world.network.ledger(*port));
    let given_up = stations.iter().map(|station| station.counters().rx.dropped(DropCause::BacklogFull));
    ledgers.map(|ledger| ledger.overflowed + ledger.overrun).chain(given_up).sum()
}

/// A handful of faults that pass keeps nobody from being done, where little is lost without them.
fn check_done(world: &mut World, pair: &Pair<'_>, lost: usize) {
    let is_done = pair.iter().all(|host| host.is_done());
    world.seen.at(if is_done { "tcp done" } else { "tcp failed" });
    let fired = world.network.fired();
    let is_bad = |fault: Fault| {
        use Fault::{Fail, HangUp, LinkDown, Refuse, Revoke};
        let ends = |kind| matches!(kind, ErrorKind::Closed | ErrorKind::Fatal);
        // What is told of a lost offload by the words for a link that is down cannot be told from one.
        matches!(fault, HangUp | LinkDown | Revoke { kind: ErrorKind::LinkDown, .. })
            || matches!(fault, Fail(kind) | Refuse { kind, .. } if ends(kind))
    };
    let is_survivable = fired.len() + lost < HANDFUL && !fired.iter().any(|(_, fault)| is_bad(*fault));
    assert!(is_done || !is_survivable, "failed for {} small faults", fired.len());
}

fn instant(time: Duration) -> Instant {
    Instant::from_micros(time.as_micros() as i64)
}

fn check_books(world: &mut World, stations: &[Station; 2], ports: &[[usize; 2]]) {
    while let Some(time) = world.network.next_event() {
        world.network.clock().advance_to(time);
    }
    for (side, station) in stations.iter().enumerate() {
        for (index, queue) in station.queues().iter().enumerate() {
            // On its way back a receiver tells what was dropped since it was asked last.
            drop(station.receiver(index).expect("attached"));
            let (counters, ledger) = (queue.counters(), world.network.ledger(ports[index][side]));
            check_sent(&counters, &ledger, station.options());
            check_received(&counters, &ledger);
            check_drops(&counters, &ledger);
            check_wire(&ledger, 0);
            if ledger.asked.intersects(Offloads::TSO4) {
                world.seen.at("super-frame of a host");
            }
            if ledger.asked.intersects(Offloads::USO4) {
                world.seen.at("super-frame of UDP");
            }
        }
    }
}

/// Bytes each way, all queues together.
pub(super) const LITTLE: usize = 12 * 1024;
pub(super) const MEBIBYTE: usize = 1 << 20;
const SHORT: Duration = Duration::from_millis(1);
/// Turns in which datagrams come in between: on a slow wire each brings many others.
const EARLY: usize = 200;
const TURNS: usize = 300_000;
const HANDFUL: usize = 8;
