//! G5: 100,000 frames a second in bursts of 32, where waking up is what costs.

use std::error::Error;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
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
    let cables = (0..2 * COPIES).map(|_| Cable::new()).collect::<Result<Vec<_>, _>>()?;
    let (ours, theirs) = cables.split_at(COPIES);
    let endpoints = ours.iter().map(|cable| open(cable.receiver()?, mode)).collect::<Result<Vec<_>, _>>()?;
    let aim = AtomicUsize::new(NOWHERE);
    scope(|scope| {
        // Told to stop also by a panic, since the scope waits for the thread.
        let stop = Stop(&aim);
        generate(scope, &cables, &aim)?;
        let mut fdlink = Program::new("fdlink").turn(TURN);
        let mut bare = Program::new(mode.bare()).turn(TURN);
        for (number, endpoint) in endpoints.iter().enumerate() {
            fdlink = fdlink.copy(receiving(Aim { at: &aim, cable: number }, endpoint)?);
        }
        for (number, cable) in theirs.iter().enumerate() {
            bare = bare.copy(bare_loop(mode, Aim { at: &aim, cable: COPIES + number }, cable.receiver()?)?);
        }
        let standings = contest::run(&mut [fdlink, bare], &arguments.for_longer(PATIENCE), progress)?;
        drop(stop);
        Ok(standings.into())
    })
}

fn bare_loop<'a>(mode: Mode, aim: Aim<'a>, socket: OwnedFd) -> Result<Step<'a>, Box<dyn Error>> {
    Ok(match mode {
        Mode::RecvMmsg => Box::new(bare_recvmmsg(aim, socket)?),
        Mode::Ring(Ring::V2) => {
            let mut ring = SlotLoop::new(socket.try_clone()?, FdOptions::DEFAULT_FRAME_LEN)?;
            Box::new(waiting(aim, socket, move || Ok(ring.drain(count_frame)))?)
        }
        Mode::Ring(Ring::V3) => {
            let mut ring = BlockLoop::new(socket.try_clone()?, FdOptions::DEFAULT_FRAME_LEN)?;
            Box::new(waiting(aim, socket, move || Ok(ring.drain(count_frame)))?)
        }
    })
}

type Step<'a> = Box<dyn FnMut() -> StepResult + 'a>;

/// Says through which cable frames are to come.
#[derive(Clone, Copy)]
struct Aim<'a> {
    at: &'a AtomicUsize,
    cable: usize,
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

/// Starts a thread, on the other core, that sends through the cable that `aim` says.
fn generate<'s, 'e>(scope: &'s Scope<'s, 'e>, cables: &'e [Cable], aim: &'e AtomicUsize) -> Result<(), Box<dyn Error>> {
    let burst = vec![frame(SIZE); BURST];
    std::thread::Builder::new().spawn_scoped(scope, move || {
        // Without a second core, or with a coarse clock, the pace is not what it should be, for both programs alike.
        let _ = machine::pin_apart().and_then(|()| machine::wake_on_time());
        let mut next = Instant::now();
        loop {
            let aim = aim.load(Ordering::Relaxed);
            if aim == STOP {
                return;
            }
            if let Some(cable) = cables.get(aim) {
                // What is not sent is not received, which the other side sees.
                let _ = cable.feed(&burst);
            }
            next = (next + PERIOD).max(Instant::now());
            sleep(next.saturating_duration_since(Instant::now()));
        }
    })?;
    Ok(())
}

struct Stop<'a>(&'a AtomicUsize);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(STOP, Ordering::Relaxed);
    }
}

/// A step: lets frames come for a while, times how they are received, and takes what is left when they have ceased.
fn listen(aim: Aim<'_>, mut receive: impl FnMut(Duration) -> Result<usize, Box<dyn Error>>) -> StepResult {
    aim.at.store(aim.cable, Ordering::Relaxed);
    let start = Instant::now();
    let cost = Cost::of(|| {
        let mut frames = 0;
        while start.elapsed() < STEP {
            frames += receive(STEP)?;
        }
        Ok((frames, 0))
    });
    aim.at.store(NOWHERE, Ordering::Relaxed);
    while receive(SILENCE)? > 0 {}
    cost
}

/// fdlink: what is there, or else a wait.
fn receiving<'a, F: AsFd>(
    aim: Aim<'a>,
    endpoint: &'a FdEndpoint<F>,
) -> Result<impl FnMut() -> StepResult + 'a, Box<dyn Error>> {
    let mut receiver = endpoint.receiver(0)?;
    Ok(move || {
        listen(aim, |patience| {
            match receiver.poll(&mut Count).map_err(|ended| ended.to_string())? {
                0 => receiver.wait(Some(patience), &mut Count).map_err(|ended| ended.to_string())?,
                frames => return Ok(frames),
            };
            receiver.poll(&mut Count).map_err(|ended| ended.to_string().into())
        })
    })
}

/// A bare loop: what is there, or else a wait for frames or for a stop, as in any program that can be stopped.
fn waiting<'a>(
    aim: Aim<'a>,
    socket: OwnedFd,
    mut drain: impl FnMut() -> Result<usize, Box<dyn Error>> + 'a,
) -> Result<impl FnMut() -> StepResult + 'a, Box<dyn Error>> {
    let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
    Ok(move || {
        listen(aim, |patience| {
            match drain()? {
                0 => wait(&socket, &stop, patience)?,
                frames => return Ok(frames),
            }
            drain()
        })
    })
}

fn wait(socket: &OwnedFd, stop: &OwnedFd, patience: Duration) -> Result<(), Box<dyn Error>> {
    let mut fds = [PollFd::new(socket, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
    poll(&mut fds, Some(&Timespec::try_from(patience)?))?;
    Ok(())
}

fn bare_recvmmsg<'a>(aim: Aim<'a>, socket: OwnedFd) -> Result<impl FnMut() -> StepResult + 'a, Box<dyn Error>> {
    let mut memory = vec![0; SLOT * FdOptions::RECVMMSG_BATCH];
    let mut headers = MultiHeaders::<()>::preallocate(FdOptions::RECVMMSG_BATCH, None);
    let fd = socket.as_raw_fd();
    waiting(aim, socket, move || {
        let mut vectors: Vec<_> = memory.chunks_exact_mut(SLOT).map(|slot| [IoSliceMut::new(slot)]).collect();
        match recvmmsg(fd, &mut headers, vectors.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => Ok(messages.map(|message| message.iovs().for_each(count_frame)).count()),
            Err(nix::errno::Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    })
}

/// Sockets of each program: how often one wakes also depends on when the timer of its ring began.
const COPIES: usize = 8;
/// A step of 10 ms has to be taken by each of them.
const PATIENCE: u32 = 8;

/// No cable has these numbers.
const NOWHERE: usize = usize::MAX - 1;
const STOP: usize = usize::MAX;

/// Bytes of a frame.
const SIZE: usize = 64;
const BURST: usize = 32;
/// From burst to burst, at 100,000 frames a second.
const PERIOD: Duration = Duration::from_micros(320);
/// How long frames come in a step.
const STEP: Duration = Duration::from_millis(10);
/// After which time without a frame there are none on their way.
const SILENCE: Duration = Duration::from_millis(3);
/// One step.
const TURN: Duration = Duration::ZERO;
/// Bytes of a slot, as many as fdlink's have.
const SLOT: usize = 1536;
