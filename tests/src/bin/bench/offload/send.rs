use std::error::Error;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{BATCH_SIZE, EtherType, LinkEndpoint as _, Packet};
use fdlink_linux::endpoint;
use fdlink_tests::support::PEER;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

use super::super_frame::{SuperFrame, fd_options, options};
use crate::arguments::Arguments;
use crate::cable::Cable;
use crate::contest;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{send_batches, write};

pub(super) fn measure(arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let cable = Cable::new()?;
    let near = cable.sender()?;
    let frames: Vec<_> = (0..BATCH_SIZE).map(|_| SuperFrame::ethernet()).collect();
    let payloads: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [&frame.bytes[HEADER_LEN..]]).collect();
    let fdlink = Program::new("fdlink")
        .copy(writing(near.as_fd(), packets(&frames, &payloads))?)
        .copy(writing(&near, packets(&frames, &payloads))?);

    let headers: Vec<_> =
        frames.iter().map(|frame| [&frame.vnet_header()[..], &frame.bytes[..HEADER_LEN]].concat()).collect();
    let pairs = headers.iter().zip(&payloads);
    let vectors: Vec<_> = pairs.map(|(header, [payload])| [IoSlice::new(header), IoSlice::new(payload)]).collect();
    let mut controls = [(); 2].map(|()| vectors.iter().map(|_| SendAncillaryBuffer::default()).collect::<Vec<_>>());
    let [first, second] = &mut controls;
    let bare = Program::new("bare sendmmsg").copy(send_all(near.as_fd(), &vectors, first)).copy(send_all(
        near.as_fd(),
        &vectors,
        second,
    ));
    let standings = contest::run(&mut [fdlink, bare], arguments, progress)?;
    Ok(Outcome::per_kibibyte(standings, frames[0].bytes.len()))
}

/// The link header is to be made.
fn packets<'p>(frames: &[SuperFrame], payloads: &'p [[&'p [u8]; 1]]) -> Vec<Packet<'p>> {
    let pairs = frames.iter().zip(payloads);
    pairs.map(|(frame, parts)| Packet::new(EtherType::IPV4, parts).to(PEER).with_offload(frame.offload)).collect()
}

fn writing<'p, F: AsFd + 'p>(
    fd: F,
    mut packets: Vec<Packet<'p>>,
) -> Result<impl FnMut() -> StepResult + 'p, Box<dyn Error>> {
    let endpoint = endpoint([fd], options(), &fd_options())?;
    endpoint.attach()?;
    Ok(move || Cost::of(|| write(&endpoint, &mut packets, BATCH_SIZE)))
}

/// Message headers that are written once.
fn send_all<'f>(
    fd: BorrowedFd<'f>,
    vectors: &'f [[IoSlice<'_>; 2]],
    controls: &'f mut [SendAncillaryBuffer<'_, '_, '_>],
) -> impl FnMut() -> StepResult + 'f {
    let pairs = vectors.iter().zip(controls);
    let mut messages: Vec<_> = pairs.map(|(vectors, control)| MMsgHdr::new(vectors, control)).collect();
    move || send_batches(|| sendmmsg(fd, &mut messages, SendFlags::empty()).unwrap_or(0))
}
