//! G4: frames sent through a veth pair in batches, many a system call.

use std::array;
use std::error::Error;
use std::io::IoSlice;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::Arc;

use fdlink_core::BATCH_SIZE;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use crate::arguments::Arguments;
use crate::cable::Cable;
use crate::contest;
use crate::peers;
use crate::program::{Program, StepResult, pad};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{Frames, bare_packets, send_batches, writing};

pub(crate) fn measure(size: usize, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let cable = Cable::new()?;
    let near = cable.sender()?;
    let frames = Frames::new(size);
    let payloads = frames.payloads();
    let packets = || bare_packets(&payloads);
    let fd = near.as_fd();
    let fdlink = Program::new("fdlink")
        .copy(writing(fd, packets(), BATCH_SIZE)?)
        .copy(writing(&fd, packets(), BATCH_SIZE)?)
        .copy(writing(Arc::new(near.try_clone()?), packets(), BATCH_SIZE)?);

    let vectors = frames.vectors();
    let mut controls: [Vec<_>; 3] =
        array::from_fn(|_| vectors.iter().map(|_| SendAncillaryBuffer::default()).collect());
    let [first, second, third] = &mut controls;
    let bare = Program::new("bare sendmmsg")
        .copy(send_all::<0>(fd, &vectors, first))
        .copy(send_all::<1>(fd, &vectors, second))
        .copy(send_all::<2>(fd, &vectors, third));
    let mut programs = vec![fdlink, bare];
    programs.extend(peers::to_veth(&frames)?);
    Ok(contest::run(&mut programs, arguments, progress)?.into())
}

/// Message headers that are written once. Each `COPY` is code of its own.
fn send_all<'f, const COPY: usize>(
    fd: BorrowedFd<'f>,
    vectors: &'f [[IoSlice<'_>; 2]],
    controls: &'f mut [SendAncillaryBuffer<'_, '_, '_>],
) -> impl FnMut() -> StepResult + 'f {
    let pairs = vectors.iter().zip(controls);
    let mut messages: Vec<_> = pairs.map(|(vectors, control)| MMsgHdr::new(vectors, control)).collect();
    move || {
        send_batches(|| {
            pad::<COPY>();
            sendmmsg(fd, &mut messages, SendFlags::empty()).unwrap_or(0)
        })
    }
}
