//! G5: 100,000 frames a second in bursts of 32, where waking up is what costs.

use std::error::Error;
use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::{Scope, scope, sleep};
use std::time::{Duration, Instant};

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::reference::{BlockLoop, SlotLoop};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};

use crate::arguments::Arguments;
use crate::cable::Cable;
use crate::contest;
use crate::count::{Count, count_frame};
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::ring::{self, Ring};
use crate::scenario::Outcome;
use crate::sending::{frame, options};

/// How frames are received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    RecvMmsg,
    Ring(Ring),
}

impl Mode {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RecvMmsg => "recvmmsg",
            Self::Ring(ring) => ring.name(),
        }
    }

    const fn bare(self) -> &'static str {
        match self {
            Self::RecvMmsg => "bare recvmmsg",
            Self::Ring(Ring::V2) => "bare TPACKET_V2",
            Self::Ring(Ring::V3) => "bare TPACKET_V3",
        }
    }
}

pub(crate) fn measure(mode: Mode, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let (cable, order) = (Cable::new()?, AtomicU8::new(REST));
    scope(|scope| {
        // Told to stop also by a panic, since the scope waits for the thread.
        let stop = Stop(&order);
        generate(scope, &cable, &order)?;
        let fdlink = Program::new("fdlink").turn(TURN).copy(|| fdlink(mode, &cable, &order));
        let bare = Program::new(mode.bare()).turn(TURN).copy(|| bare(mode, &cable, &order));
        let standings = contest::run(&mut [fdlink, bare], &arguments.for_longer(PATIENCE), progress)?;
        drop(stop);
        Ok(standings.into())
    })
}

/// A step of fdlink: what is there, or else a wait.
fn fdlink(mode: Mode, cable: &Cable, order: &AtomicU8) -> StepResult {
    let endpoint = open(cable.receiver()?, mode)?;
    let mut receiver = endpoint.receiver(0)?;
    listen(order, || {
        match receiver.poll(&mut Count).map_err(|ended| ended.to_string())? {
            0 => receiver.wait(Some(STEP), &mut Count).map_err(|ended| ended.to_string())?,
            frames => return Ok(frames),
        };
        receiver.poll(&mut Count).map_err(|ended| ended.to_string().into())
    })
}

/// A step of a bare loop: what is there, or else a wait for frames or for a stop, as in any program that can be stopped.
fn bare(mode: Mode, cable: &Cable, order: &AtomicU8) -> StepResult {
    let socket = cable.receiver()?;
    match mode {
        Mode::RecvMmsg => draining(order, &socket, recvmmsg_loop(&socket)),
        Mode::Ring(Ring::V2) => {
            let mut ring = SlotLoop::new(&socket, FdOptions::DEFAULT_FRAME_LEN)?;
            draining(order, &socket, || Ok(ring.drain(count_frame)))
        }
        Mode::Ring(Ring::V3) => {
            let mut ring = BlockLoop::new(&socket, FdOptions::DEFAULT_FRAME_LEN)?;
            draining(order, &socket, || Ok(ring.drain(count_frame)))
        }
    }
}

fn draining(
    order: &AtomicU8,
    socket: &OwnedFd,
    mut drain: impl FnMut() -> Result<usize, Box<dyn Error>>,
) -> StepResult {
    let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
    listen(order, || {
        match drain()? {
            0 => wait(socket, &stop)?,
            frames => return Ok(frames),
        }
        drain()
    })
}

fn open(socket: OwnedFd, mode: Mode) -> Result<FdEndpoint, Box<dyn Error>> {
    match mode {
        Mode::Ring(ring) => ring::open(socket, ring),
        Mode::RecvMmsg => {
            let mode = Some(DispatchMode::RecvMmsg);
            let endpoint = endpoint([socket], options(), &FdOptions { dispatch_mode: mode, ..FdOptions::default() })?;
            endpoint.attach()?;
            Ok(endpoint)
        }
    }
}

/// Starts a thread, on the other core, that sends through the cable while that is the order.
fn generate<'s, 'e>(scope: &'s Scope<'s, 'e>, cable: &'e Cable, order: &'e AtomicU8) -> Result<(), Box<dyn Error>> {
    let burst = vec![frame(SIZE); BURST];
    std::thread::Builder::new().spawn_scoped(scope, move || {
        // Without a second core, or with a coarse clock, the pace is not what it should be, for both programs alike.
        let _ = machine::pin_apart().and_then(|()| machine::wake_on_time());
        let mut next = Instant::now();
        loop {
            match order.load(Ordering::Relaxed) {
                STOP => return,
                // What is not sent is not received, which the other side sees.
                SEND => _ = cable.feed(&burst),
                _ => {}
            }
            next = (next + PERIOD).max(Instant::now());
            sleep(next.saturating_duration_since(Instant::now()));
        }
    })?;
    Ok(())
}

struct Stop<'a>(&'a AtomicU8);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(STOP, Ordering::Relaxed);
    }
}

/// A step: lets frames come for a while, and times how they are received.
///
/// Each step has a socket of its own. The timer of a ring of blocks runs by itself from when the ring was made, and rings that live side by side meet
/// each other's timers at the same moment each time: with 16 of them one contest took 0.97 of the bare loop and the next 1.5, each with little spread.
fn listen(order: &AtomicU8, mut receive: impl FnMut() -> Result<usize, Box<dyn Error>>) -> StepResult {
    order.store(SEND, Ordering::Relaxed);
    receive_for(WARM_UP, &mut receive)?;
    let cost = Cost::of(|| Ok((receive_for(STEP, &mut receive)?, 0)));
    order.store(REST, Ordering::Relaxed);
    cost
}

fn receive_for(
    time: Duration,
    mut receive: impl FnMut() -> Result<usize, Box<dyn Error>>,
) -> Result<usize, Box<dyn Error>> {
    let (start, mut frames) = (Instant::now(), 0);
    while start.elapsed() < time {
        frames += receive()?;
    }
    Ok(frames)
}

fn wait(socket: &OwnedFd, stop: &OwnedFd) -> Result<(), Box<dyn Error>> {
    let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(STEP)?))?;
    Ok(())
}

fn recvmmsg_loop(socket: &OwnedFd) -> impl FnMut() -> Result<usize, Box<dyn Error>> {
    let mut memory = vec![0; SLOT * FdOptions::RECVMMSG_BATCH];
    let mut headers = MultiHeaders::<()>::preallocate(FdOptions::RECVMMSG_BATCH, None);
    let fd = socket.as_raw_fd();
    move || {
        let mut vectors: Vec<_> = memory.chunks_exact_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
        match recvmmsg(fd, &mut headers, vectors.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => Ok(messages.map(|message| message.iovs().for_each(count_frame)).count()),
            Err(nix::errno::Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Times longer than others: what is timed is a part of a step.
const PATIENCE: u32 = 12;

/// What the sending thread is to do.
const REST: u8 = 0;
const SEND: u8 = 1;
const STOP: u8 = 2;

/// Bytes of a frame.
const SIZE: usize = 64;
const BURST: usize = 32;
/// From burst to burst, at 100,000 frames a second.
const PERIOD: Duration = Duration::from_micros(320);
/// How long frames come in a step before it is timed: once round a ring of 4,096 slots.
const WARM_UP: Duration = Duration::from_millis(45);
/// How long it is timed.
const STEP: Duration = Duration::from_millis(40);
/// One step.
const TURN: Duration = Duration::ZERO;
/// Bytes of a slot, as many as fdlink's have.
const SLOT: usize = 1536;
