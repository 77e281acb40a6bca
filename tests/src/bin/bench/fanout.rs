//! G10: a backlog spread by the kernel over two rings, drained by two cores, against one ring drained by one.
//!
//! Beside it bare loops do the same. Where those do not gain what the gate asks for, the two cores of the machine are not two: those of a virtual
//! machine may come to lie on one, and move while it runs. Then the gate asks for what the bare loops gain, within 5 %.

use std::error::Error;
use std::hint::black_box;
use std::os::fd::OwnedFd;
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{EtherType, LinkEndpoint as _, NetworkDispatcher, RxPacket};
use fdlink_linux::fanout::{FanoutGroup, FanoutMode};
use fdlink_linux::reference::{BlockLoop, SlotLoop};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};

use crate::arguments::Arguments;
use crate::backlog::Backlog;
use crate::contest::{self, Standings};
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::ring::{FRAMES, PATIENCE, Ring};
use crate::scenario::{Limit, Outcome};
use crate::sending::{frame, options};

/// The ratio is one core's time to two cores': how many times as many frames a second.
pub(crate) fn measure(ring: Ring, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let backlog = || Backlog::new(flows(SIZE), ring.rest());
    let backlogs = [backlog()?, backlog()?, backlog()?, backlog()?];
    let [one, two, bare_one, bare_two] = &backlogs;
    let (single, double) = (open(one, ring, 1)?, open(two, ring, 2)?);
    let single = Program::new("1 ring, 1 core").copy(|| one.step(|_| drain(&single)));
    let double = Program::new("2 rings, 2 cores").copy(|| two.step(|_| drain(&double)));
    let alone = Program::new("bare, 1 ring, 1 core").copy(bare(bare_one, ring, 1)?);
    let both = Program::new("bare, 2 rings, 2 cores").copy(bare(bare_two, ring, 2)?);
    let programs = &mut [single.turn(TURN), double.turn(TURN), alone.turn(TURN), both.turn(TURN)];
    let standings = contest::run(programs, &arguments.for_longer(2 * PATIENCE), progress)?;
    let limit = as_the_bare(&standings);
    Ok(Outcome { limit, ..standings.into() })
}

/// What the bare loops gain, within their noise, but no more than [`GAIN`].
fn as_the_bare(standings: &Standings) -> Option<Limit> {
    let [_, _, alone, both] = standings.programs.as_slice() else { return None };
    let gain = alone.cost.median / both.cost.median;
    Some(Limit::AtLeast(GAIN.min(gain * NOISE)))
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
    let fd_options =
        FdOptions { dispatch_mode: Some(DispatchMode::PacketMmap), ring: ring.options(), ..FdOptions::default() };
    let endpoint = endpoint(group(backlog, rings)?, options(), &fd_options)?;
    endpoint.attach()?;
    Ok(endpoint)
}

/// So many sockets, over which the kernel spreads the frames in turns.
fn group(backlog: &Backlog, sockets: usize) -> Result<Vec<OwnedFd>, Box<dyn Error>> {
    let sockets = (0..sockets).map(|_| backlog.cable.receiver()).collect::<Result<Vec<_>, _>>()?;
    let mut group: Option<FanoutGroup> = None;
    for socket in &sockets {
        match &group {
            Some(group) => group.join(socket)?,
            None => group = Some(FanoutGroup::create(socket, FanoutMode::LoadBalance)?),
        }
    }
    Ok(sockets)
}

/// Drains all rings at once, a core each.
fn drain(endpoint: &FdEndpoint) -> StepResult {
    on_cores(endpoint.queues().len(), |queue| drain_queue(endpoint, queue))
}

fn bare<'b>(backlog: &'b Backlog, ring: Ring, rings: usize) -> Result<Step<'b>, Box<dyn Error>> {
    let sockets = group(backlog, rings)?.into_iter();
    Ok(match ring {
        Ring::V2 => {
            let loops = sockets.map(|socket| SlotLoop::new(socket, FdOptions::DEFAULT_FRAME_LEN).map(Mutex::new));
            let loops = loops.collect::<Result<Vec<_>, _>>()?;
            let drain = move |core: usize| {
                let mut warm_up = WarmUp::default();
                let taken = lock(&loops[core]).drain(|frame| warm_up.frame(frame));
                warm_up.cost(taken)
            };
            Box::new(move || backlog.step(|_| on_cores(rings, &drain)))
        }
        Ring::V3 => {
            let loops = sockets.map(|socket| BlockLoop::new(socket, FdOptions::DEFAULT_FRAME_LEN).map(Mutex::new));
            let loops = loops.collect::<Result<Vec<_>, _>>()?;
            let drain = move |core: usize| {
                let mut warm_up = WarmUp::default();
                let taken = lock(&loops[core]).drain(|frame| warm_up.frame(frame));
                warm_up.cost(taken)
            };
            Box::new(move || backlog.step(|_| on_cores(rings, &drain)))
        }
    })
}

type Step<'b> = Box<dyn FnMut() -> StepResult + 'b>;

/// A loop that panicked is at no worse place than another.
fn lock<T>(ring: &Mutex<T>) -> MutexGuard<'_, T> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Notes when the first frames were taken, in a loop that cannot stop on its way.
#[derive(Default)]
struct WarmUp {
    frames: usize,
    over: Option<Duration>,
}

impl WarmUp {
    #[inline]
    fn frame(&mut self, frame: &[u8]) {
        if let Some((&[.., high, low], payload)) = frame.split_first_chunk::<HEADER_LEN>() {
            ignore(EtherType(u16::from_be_bytes([high, low])), payload);
        }
        self.frames += 1;
        if self.frames == WARM_UP {
            self.over = machine::thread_cpu().ok();
        }
    }

    /// What came behind the first frames.
    fn cost(&self, taken: usize) -> Result<Cost, String> {
        let Some(over) = self.over else { return Ok(Cost { untimed: taken, ..Cost::default() }) };
        let cpu = machine::thread_cpu().map_err(|errno| errno.to_string())?.saturating_sub(over);
        Ok(Cost { frames: taken - WARM_UP, untimed: WARM_UP, cpu, ..Cost::default() })
    }
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
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        ignore(protocol, packet.payload());
    }
}

/// What is done with a frame, by fdlink's stack and by the bare loops.
#[inline(never)]
fn ignore(protocol: EtherType, payload: &[u8]) {
    black_box((protocol, payload));
}

/// How many times as many frames two cores are to take.
pub(crate) const GAIN: f64 = 1.8;
/// The part of what the bare loops gain that is to be reached where they do not gain as much.
const NOISE: f64 = 0.95;
/// Bytes of a frame.
const SIZE: usize = 64;
/// Frames of each ring that are taken before the time counts. A thread that has just begun finds neither code nor data in its caches: 7 µs, as much as 250
/// frames.
const WARM_UP: usize = 128;
/// Two backlogs or so.
const TURN: Duration = Duration::from_micros(150);
