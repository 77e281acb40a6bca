//! G3: frames written to a TAP interface, one system call each.

use std::error::Error;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use fdlink_core::{BATCH_SIZE, Packet};
use fdlink_linux::SetupError;
use fdlink_linux::tuntap::TunTap;
use fdlink_tests::lab::Namespace;
use rustix::io::{self, write, writev};

use crate::arguments::Arguments;
use crate::contest;
use crate::peers;
use crate::program::{Program, StepResult, pad};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{Frames, bare_packets, framed_packets, send_batches, writing};

/// How a frame lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// In one piece, header included.
    Contiguous,
    /// The payload only; the header is made and goes in front.
    HeaderAndPayload,
}

impl Layout {
    /// The system call that it takes.
    pub(crate) const fn call(self) -> &'static str {
        match self {
            Self::Contiguous => "write",
            Self::HeaderAndPayload => "writev",
        }
    }
}

pub(crate) fn measure(
    layout: Layout,
    size: usize,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let tap = Arc::new(Namespace::new()?.run(open)?);
    let frames = Frames::new(size);
    let (parts, packets, bare) = match layout {
        Layout::Contiguous => (frames.whole(), framed_packets as Make, bare_write(&tap, &frames)),
        Layout::HeaderAndPayload => (frames.payloads(), bare_packets as Make, bare_writev(&tap, &frames)),
    };
    let fd = tap.as_fd();
    let fdlink = Program::new("fdlink")
        .copy(writing(fd, packets(&parts), BATCH_SIZE)?)
        .copy(writing(&fd, packets(&parts), BATCH_SIZE)?)
        .copy(writing(Arc::clone(&tap), packets(&parts), BATCH_SIZE)?);
    let single = Program::new("fdlink, one packet a call").copy(writing(fd, packets(&parts), 1)?);
    let mut programs = vec![fdlink, bare, single];
    if layout == Layout::Contiguous {
        programs.extend(peers::to_tap(&frames)?);
    }
    Ok(contest::run(&mut programs, arguments, progress)?.into())
}

type Make = for<'p> fn(&'p [[&'p [u8]; 1]]) -> Vec<Packet<'p>>;

fn open() -> Result<OwnedFd, SetupError> {
    let tap = TunTap::tap("bench0").open()?;
    tap.up()?;
    Ok(tap.into())
}

fn bare_write<'f>(tap: &'f OwnedFd, frames: &'f Frames) -> Program<'f> {
    Program::new("bare write")
        .copy(write_each::<0>(tap, frames))
        .copy(write_each::<1>(tap, frames))
        .copy(write_each::<2>(tap, frames))
}

/// Each `COPY` is code of its own.
fn write_each<'f, const COPY: usize>(tap: &'f OwnedFd, frames: &'f Frames) -> impl FnMut() -> StepResult + 'f {
    let frames = frames.whole();
    move || {
        send_batches(|| {
            pad::<COPY>();
            frames.iter().filter(|[frame]| is_whole(write(tap, frame), frame.len())).count()
        })
    }
}

fn bare_writev<'f>(tap: &'f OwnedFd, frames: &'f Frames) -> Program<'f> {
    Program::new("bare writev")
        .copy(writev_each::<0>(tap, frames))
        .copy(writev_each::<1>(tap, frames))
        .copy(writev_each::<2>(tap, frames))
}

fn writev_each<'f, const COPY: usize>(tap: &'f OwnedFd, frames: &'f Frames) -> impl FnMut() -> StepResult + 'f {
    let (vectors, len) = (frames.vectors(), frames.len());
    move || {
        send_batches(|| {
            pad::<COPY>();
            vectors.iter().filter(|vectors| is_whole(writev(tap, &vectors[..]), len)).count()
        })
    }
}

fn is_whole(written: io::Result<usize>, len: usize) -> bool {
    written == Ok(len)
}
