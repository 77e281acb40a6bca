//! G2: a backlog of frames taken from a receive ring, where the library is nearly all that costs.

use std::error::Error;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::reference::{BlockLoop, SlotLoop};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, RingOptions, endpoint};

use crate::arguments::Arguments;
use crate::backlog::Backlog;
use crate::contest;
use crate::count::{Count, count_frame};
use crate::program::{Cost, Program, StepResult, pad};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{frame, options};

/// Which ring, by its version in packet(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ring {
    V2,
    V3,
}

impl Ring {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }

    pub(crate) const fn options(self) -> RingOptions {
        match self {
            Self::V2 => RingOptions::V2,
            Self::V3 => RingOptions::V3,
        }
    }

    /// How long a frame may be kept back: the timer of a block, and as much for the timer to be late.
    pub(crate) const fn rest(self) -> Duration {
        match self {
            Self::V2 => Duration::from_micros(100),
            Self::V3 => Duration::from_millis(3),
        }
    }
}

pub(crate) fn measure(
    ring: Ring,
    size: usize,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let backlog = || Backlog::new(vec![frame(size); FRAMES], ring.rest());
    let (owning, sharing, bare) = (backlog()?, backlog()?, [backlog()?, backlog()?]);
    let owned = open(owning.cable.receiver()?, ring)?;
    let shared = open(Arc::new(sharing.cable.receiver()?), ring)?;
    let fdlink = Program::new("fdlink").copy(polling(&owning, &owned)?).copy(polling(&sharing, &shared)?);
    let [first, second] = &bare;
    let bare = match ring {
        Ring::V2 => Program::new("bare TPACKET_V2").copy(bare_slots::<0>(first)?).copy(bare_slots::<1>(second)?),
        Ring::V3 => Program::new("bare TPACKET_V3").copy(bare_blocks::<0>(first)?).copy(bare_blocks::<1>(second)?),
    };
    let arguments = &arguments.for_longer(if ring == Ring::V3 { PATIENCE_WITH_TIMER } else { PATIENCE });
    Ok(contest::run(&mut [fdlink.turn(TURN), bare.turn(TURN)], arguments, progress)?.into())
}

/// An endpoint over a ring on this socket.
pub(crate) fn open<F: AsFd>(socket: F, ring: Ring) -> Result<FdEndpoint<F>, Box<dyn Error>> {
    let mode = Some(DispatchMode::PacketMmap);
    let endpoint = endpoint(
        [socket],
        options(),
        &FdOptions { dispatch_mode: mode, ring: ring.options(), ..FdOptions::default() },
    )?;
    endpoint.attach()?;
    Ok(endpoint)
}

fn polling<'b, F: AsFd>(
    backlog: &'b Backlog,
    endpoint: &'b FdEndpoint<F>,
) -> Result<impl FnMut() -> StepResult + 'b, Box<dyn Error>> {
    let mut receiver = endpoint.receiver(0)?;
    Ok(move || {
        backlog.step(|most| {
            Cost::of(|| {
                let mut taken = 0;
                while taken < most {
                    match receiver.poll(&mut Count).map_err(|ended| ended.to_string())? {
                        0 => break,
                        more => taken += more,
                    }
                }
                Ok((taken, 0))
            })
        })
    })
}

/// Each `COPY` is code of its own.
fn bare_slots<const COPY: usize>(backlog: &Backlog) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let mut ring = SlotLoop::new(backlog.cable.receiver()?, FdOptions::DEFAULT_FRAME_LEN)?;
    Ok(move || {
        backlog.step(|_| {
            Cost::of(|| {
                pad::<COPY>();
                Ok((ring.drain(count_frame), 0))
            })
        })
    })
}

fn bare_blocks<const COPY: usize>(backlog: &Backlog) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let mut ring = BlockLoop::new(backlog.cable.receiver()?, FdOptions::DEFAULT_FRAME_LEN)?;
    Ok(move || {
        backlog.step(|_| {
            Cost::of(|| {
                pad::<COPY>();
                Ok((ring.drain(count_frame), 0))
            })
        })
    })
}

/// As in PERFORMANCE.md: a ring has to hold as many.
pub(crate) const FRAMES: usize = 2048;
/// How many times longer than others this takes: all but a fiftieth of a turn goes into sending frames.
pub(crate) const PATIENCE: u32 = 4;
/// On a ring of blocks each step also waits 3 ms, until the timer has handed over the last block ([`Ring::rest`]).
const PATIENCE_WITH_TIMER: u32 = 3 * PATIENCE;
/// Two backlogs or so.
const TURN: Duration = Duration::from_micros(150);
