//! G10: a backlog spread by the kernel over two rings, drained by two cores, against one ring drained by one.

use std::error::Error;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{EtherType, LinkEndpoint as _, NetworkDispatcher, RxPacket};
use fdlink_linux::fanout::{FanoutGroup, FanoutMode};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};

use crate::arguments::Arguments;
use crate::backlog::Backlog;
use crate::contest;
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::ring::{FRAMES, Ring};
use crate::scenario::Outcome;
use crate::sending::{frame, options};

/// The ratio is one core's time to two cores': how many times as many frames a second.
pub(crate) fn measure(ring: Ring, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let backlogs = [Backlog::new(flows(SIZE), ring.rest())?, Backlog::new(flows(SIZE), ring.rest())?];
    let [one, two] = &backlogs;
    let (single, double) = (open(one, ring, 1)?, open(two, ring, 2)?);
    let single = Program::new("1 ring, 1 core").copy(|| one.step(|most| drain(&single, most)));
    let double = Program::new("2 rings, 2 cores").copy(|| two.step(|most| drain(&double, most)));
    let counting = |cores| move || on_cores(cores, |_| count_up(FRAMES / cores));
    let alone = Program::new("no ring, 1 core").copy(counting(1));
    let both = Program::new("no ring, 2 cores").copy(counting(2));
    let programs = &mut [single.turn(TURN), double.turn(TURN), alone.turn(TURN), both.turn(TURN)];
    Ok(contest::run(programs, arguments, progress)?.into())
}

/// As many flows as frames, so that the hash spreads them evenly.
pub(crate) fn flows(size: usize) -> Vec<Vec<u8>> {
    let numbered = |number: usize| {
        let mut frame = frame(size);
        // The last half of the IPv4 source address.
        frame[HEADER_LEN + 14..HEADER_LEN + 16].copy_from_slice(&(number as u16).to_be_bytes());
        frame
    };
    (0..FRAMES).map(numbered).collect()
}

fn open(backlog: &Backlog, ring: Ring, rings: usize) -> Result<FdEndpoint, Box<dyn Error>> {
    let sockets = (0..rings).map(|_| backlog.cable.receiver()).collect::<Result<Vec<_>, _>>()?;
    let mut group: Option<FanoutGroup> = None;
    for socket in &sockets {
        match &group {
            Some(group) => group.join(socket)?,
            None => group = Some(FanoutGroup::create(socket, FanoutMode::LoadBalance)?),
        }
    }
    let fd_options =
        FdOptions { dispatch_mode: Some(DispatchMode::PacketMmap), ring: ring.options(), ..FdOptions::default() };
    let endpoint = endpoint(sockets, options(), &fd_options)?;
    endpoint.attach()?;
    Ok(endpoint)
}

/// Drains all rings at once, a core each.
fn drain(endpoint: &FdEndpoint, _most: usize) -> StepResult {
    on_cores(endpoint.queues().len(), |queue| drain_queue(endpoint, queue))
}

/// Does `work` on that many cores at once, and tells the time of the one that took longest. By the threads' own time, so that a core which has other
/// work to do does not count as slow.
fn on_cores(cores: usize, work: impl Fn(usize) -> Result<Cost, String> + Sync) -> StepResult {
    let (work, start) = (&work, &Barrier::new(cores));
    let costs: Vec<Cost> = scope(|scope| {
        let on_core = |core| move || pinned(core, start).and_then(|()| work(core));
        let threads: Vec<_> = (0..cores).map(|core| scope.spawn(on_core(core))).collect();
        threads.into_iter().map(joined).collect::<Result<_, String>>()
    })?;
    Ok(Cost {
        frames: costs.iter().map(|cost| cost.frames).sum(),
        untimed: costs.iter().map(|cost| cost.untimed).sum(),
        failed: 0,
        cpu: costs.iter().map(|cost| cost.cpu).max().unwrap_or_default(),
    })
}

/// The first core sends, and has the frames in its cache: it is the last that is taken.
fn pinned(core: usize, start: &Barrier) -> Result<(), String> {
    start.wait();
    machine::pin_to(machine::cores().len() - 1 - core).map_err(|error| error.to_string())
}

fn joined(thread: ScopedJoinHandle<'_, Result<Cost, String>>) -> Result<Cost, String> {
    thread.join().unwrap_or_else(|_| Err("a receiver panicked".to_owned()))
}

fn drain_queue(endpoint: &FdEndpoint, queue: usize) -> Result<Cost, String> {
    let mut receiver = endpoint.receiver(queue).map_err(|error| error.to_string())?;
    let mut poll = || receiver.poll(&mut Ignore).map_err(|ended| ended.to_string());
    let untimed = take(WARM_UP, &mut poll)?;
    let rest = FRAMES / endpoint.queues().len() - untimed;
    let cost = Cost::of(|| Ok((take(rest, poll)?, 0))).map_err(|error| error.to_string())?;
    Ok(Cost { untimed, ..cost })
}

/// About as much work as draining so many frames, in registers alone: where two cores do not halve its time, they are not two cores. Those of a virtual machine
/// may come to lie on one.
fn count_up(frames: usize) -> Result<Cost, String> {
    let count = || {
        let mut lanes = [0u64; 8];
        for step in 0..frames * STEPS {
            lanes.iter_mut().for_each(|lane| *lane = black_box(lane.wrapping_add(step as u64)));
        }
        Ok((frames, 0))
    };
    Cost::of(count).map_err(|error| error.to_string())
}

/// Takes what is there until it was `most` or more.
fn take(most: usize, mut poll: impl FnMut() -> Result<usize, String>) -> Result<usize, String> {
    let mut taken = 0;
    while taken < most {
        match poll()? {
            0 => break,
            more => taken += more,
        }
    }
    Ok(taken)
}

/// A stack that shares nothing between threads.
struct Ignore;

impl NetworkDispatcher for Ignore {
    #[inline(never)]
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        black_box((protocol, packet.payload()));
    }
}

/// Steps of the work in registers that take about as long as a frame.
const STEPS: usize = 8;
/// Bytes of a frame.
const SIZE: usize = 64;
/// Frames of each ring that are taken before the time counts. A thread that has just begun finds neither code nor data in its caches: 7 µs, as much as 250
/// frames.
const WARM_UP: usize = 128;
/// Two backlogs or so.
const TURN: Duration = Duration::from_micros(150);
