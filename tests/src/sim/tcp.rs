//! Two smoltcp hosts exchange data each way: it arrives intact, or the connection fails with an error within bounded virtual time; never wrong bytes.

use std::time::Duration;

use fdlink_core::io::ErrorKind;
use fdlink_core::{Endpoint, LinkAddress, LinkEndpoint as _, Options, Queue};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::{Fault, Rates};
use fdlink_mock::network::Wire;
use fdlink_mock::rng::Rng;
use smoltcp::time::Instant;

use super::books::{check_drops, check_received, check_sent, check_wire};
use super::host::{Host, Side};
use super::world::World;
use crate::support::{OWN, PEER};

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
        interrupt: rate(),
        wake: rate(),
        most_delay: rng.time(Duration::from_millis(30)),
        ..Rates::NONE
    }
}

type Station = Endpoint<Descriptor, Vec<Queue<Descriptor>>>;
type Pair<'e> = [Host<'e, Descriptor>; 2];

pub(super) fn play(world: &mut World, len: usize) {
    let (stations, ports) = open(world);
    let queues = ports.len();
    let mut pairs: Vec<_> = (0..queues).map(|queue| pair(world, &stations, queue, len / queues)).collect();
    run(world, &mut pairs);
    let lost = lost_by_itself(world, &ports);
    pairs.iter().for_each(|pair| check_done(world, pair, lost));
    drop(pairs);
    check_books(world, &stations, &ports);
}

/// Two endpoints, joined by a cable for each queue; the ports of each cable.
fn open(world: &mut World) -> ([Station; 2], Vec<[usize; 2]>) {
    let kinds = world.kinds();
    let mut cables = Vec::new();
    for _ in 0..world.rng.within(1, 4) {
        let wire = world.wire();
        // What arrives at once is no event, and would wait for the next one.
        let wire = Wire { latency: wire.latency.max(Duration::from_micros(1)), ..wire };
        let ports = world.cable(wire, kinds, DescriptorOptions::default());
        let other_way = survivable(&mut world.rng);
        world.network.set_rates(ports[1].port(), other_way);
        cables.push(ports);
    }
    let ports = cables.iter().map(|cable| cable.each_ref().map(Descriptor::port)).collect();
    let (near, far): (Vec<_>, Vec<_>) = cables.into_iter().map(|cable| cable.map(Queue::new).into()).unzip();
    let mtu = world.rng.within(200, 1500) as u32;
    let stations = [(near, kinds[0], OWN), (far, kinds[1], PEER)].map(|(queues, kind, address)| {
        let address = if kind == Kind::Tun { LinkAddress::ZERO } else { address };
        let options = Options { address, mtu, ..world.options(kind) };
        Endpoint::new(queues, options).expect("the options are good")
    });
    stations.iter().for_each(|station| station.attach().expect("detached"));
    (stations, ports)
}

fn pair<'e>(world: &mut World, [a, b]: &'e [Station; 2], queue: usize, len: usize) -> Pair<'e> {
    [Host::new(a, queue, Side::Client, len, &mut world.rng), Host::new(b, queue, Side::Server, len, &mut world.rng)]
}

/// Lets the hosts work until each pair is done or has failed.
fn run(world: &mut World, pairs: &mut [Pair<'_>]) {
    let mut idle = 0;
    for turn in 0.. {
        assert!(turn < TURNS, "no end after {turn} turns and {:?}", world.now());
        world.network.step();
        let now = instant(world.now());
        let mut waiting = pairs.iter_mut().filter(|pair| !is_finished(pair)).peekable();
        if waiting.peek().is_none() {
            return;
        }
        let has_progress = waiting.flatten().filter_map(|host| host.poll(now).then_some(())).count() > 0;
        idle = if has_progress { 0 } else { (idle + 1).min(10) };
        pass_time(world, pairs, now, SHORT * (1 << idle));
    }
}

/// Both ends are done, or both know that they have failed.
fn is_finished(pair: &Pair<'_>) -> bool {
    pair.iter().all(Host::is_done) || pair.iter().all(Host::has_failed)
}

/// To the next frame or timer. A host that could go on at once waits for a descriptor, which no event tells: for it a `while_` passes.
fn pass_time(world: &World, pairs: &mut [Pair<'_>], now: Instant, while_: Duration) {
    let hosts = pairs.iter_mut().filter(|pair| !is_finished(pair)).flatten();
    let timer = hosts.filter_map(|host| host.poll_at(now)).min();
    let wait = timer.filter(|timer| *timer > now).map_or(while_, |timer| (timer - now).into());
    let next = [Some(world.now() + wait), world.network.next_event()].into_iter().flatten().min();
    next.into_iter().for_each(|time| world.network.clock().advance_to(time));
}

/// Frames that were too many for a queue or a ring, without any fault.
fn lost_by_itself(world: &World, ports: &[[usize; 2]]) -> usize {
    let ledgers = ports.as_flattened().iter().map(|port| world.network.ledger(*port));
    ledgers.map(|ledger| ledger.overflowed + ledger.overrun).sum()
}

/// A handful of faults that pass keeps nobody from being done, where little is lost without them.
fn check_done(world: &mut World, pair: &Pair<'_>, lost: usize) {
    let is_done = pair.iter().all(Host::is_done);
    world.seen.at(if is_done { "tcp done" } else { "tcp failed" });
    let fired = world.network.fired();
    let is_bad = |fault: Fault| {
        use Fault::{Fail, HangUp, LinkDown, Refuse};
        let ends = |kind| matches!(kind, ErrorKind::Closed | ErrorKind::Fatal);
        matches!(fault, HangUp | LinkDown) || matches!(fault, Fail(kind) | Refuse { kind, .. } if ends(kind))
    };
    let is_survivable = fired.len() + lost < HANDFUL && !fired.iter().any(|(_, fault)| is_bad(*fault));
    assert!(is_done || !is_survivable, "failed for {} small faults", fired.len());
}

fn instant(time: Duration) -> Instant {
    Instant::from_micros(time.as_micros() as i64)
}

fn check_books(world: &World, stations: &[Station; 2], ports: &[[usize; 2]]) {
    while let Some(time) = world.network.next_event() {
        world.network.clock().advance_to(time);
    }
    for (side, station) in stations.iter().enumerate() {
        for (index, queue) in station.queues().iter().enumerate() {
            // On its way back a receiver tells what was dropped since it was asked last.
            drop(station.receiver(index).expect("attached"));
            let (counters, ledger) = (queue.counters(), world.network.ledger(ports[index][side]));
            check_sent(&counters, &ledger);
            check_received(&counters, &ledger);
            check_drops(&counters, &ledger);
            check_wire(&ledger, 0);
        }
    }
}

/// Bytes each way, all queues together.
pub(super) const LITTLE: usize = 12 * 1024;
pub(super) const MEBIBYTE: usize = 1 << 20;
const SHORT: Duration = Duration::from_millis(1);
const TURNS: usize = 300_000;
const HANDFUL: usize = 8;
