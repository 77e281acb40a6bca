//! G1: one thread queues frames on a seqpacket pair and reads them back; only the reading is timed.

use std::array;
use std::error::Error;
use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::sync::Arc;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};
use rustix::io::{Errno, read};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::arguments::Arguments;
use crate::contest;
use crate::count::{Count, count_frame};
use crate::program::{Cost, Program, StepResult, pad};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{frame, options};

pub(crate) fn measure(
    mode: DispatchMode,
    size: usize,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let wire = Wire::new(size)?;
    let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
    let (near, shared) = (wire.near.as_fd(), Arc::new(wire.near.try_clone()?));
    let borrowed = endpoint([near], options(), &fd_options)?;
    let referred = endpoint([&near], options(), &fd_options)?;
    let counted = endpoint([shared], options(), &fd_options)?;
    let fdlink = Program::new("fdlink")
        .copy(polling(&wire, &borrowed)?)
        .copy(polling(&wire, &referred)?)
        .copy(polling(&wire, &counted)?);
    let bare = match mode {
        DispatchMode::RecvMmsg => Program::new("bare recvmmsg")
            .copy(bare_recvmmsg::<0>(&wire))
            .copy(bare_recvmmsg::<1>(&wire))
            .copy(bare_recvmmsg::<2>(&wire)),
        _ => Program::new("bare read")
            .copy(bare_read::<0>(&wire))
            .copy(bare_read::<1>(&wire))
            .copy(bare_read::<2>(&wire)),
    };
    Ok(contest::run(&mut [fdlink, bare], arguments, progress)?.into())
}

/// A pair of sockets, and a frame that goes from one to the other.
struct Wire {
    near: OwnedFd,
    far: OwnedFd,
    frame: Vec<u8>,
    /// How many frames are queued before they are read: whole batches.
    chunk: usize,
}

impl Wire {
    fn new(size: usize) -> Result<Self, Box<dyn Error>> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        set_socket_send_buffer_size(&far, SEND_BUFFER)?;
        let mut wire = Self { near, far, frame: frame(size), chunk: CHUNK };
        let queued = (0..CHUNK).take_while(|_| wire.send().is_ok()).count();
        (0..queued).try_for_each(|_| read(&wire.near, &mut [0; SLOT]).map(drop))?;
        wire.chunk = queued - queued % BATCH;
        if wire.chunk == 0 { Err("the socket buffer is too small: raise net.core.wmem_max".into()) } else { Ok(wire) }
    }

    fn send(&self) -> Result<(), Errno> {
        send(&self.far, &self.frame, SendFlags::DONTWAIT).map(drop)
    }

    /// Queues frames, and times how `read` takes them.
    fn read_back(&self, read: impl FnOnce(usize) -> Result<(), Box<dyn Error>>) -> StepResult {
        (0..self.chunk).try_for_each(|_| self.send())?;
        Cost::of(|| read(self.chunk).map(|()| (self.chunk, 0)))
    }
}

/// fdlink: a copy of its code for each type of descriptor.
fn polling<'w, F: AsFd>(
    wire: &'w Wire,
    endpoint: &'w FdEndpoint<F>,
) -> Result<impl FnMut() -> StepResult + 'w, Box<dyn Error>> {
    endpoint.attach()?;
    let mut receiver = endpoint.receiver(0)?;
    Ok(move || {
        wire.read_back(|frames| {
            let mut left = frames;
            while left > 0 {
                left -= receiver.poll(&mut Count).map_err(|ended| ended.to_string())?;
            }
            Ok(())
        })
    })
}

/// `read(2)` into one hot buffer. Each `COPY` is code of its own.
fn bare_read<const COPY: usize>(wire: &Wire) -> impl FnMut() -> StepResult {
    let mut buffer = vec![0; SLOT];
    move || {
        wire.read_back(|frames| {
            pad::<COPY>();
            for _ in 0..frames {
                let len = read(&wire.near, &mut buffer[..])?;
                count_frame(&buffer[..len]);
            }
            Ok(())
        })
    }
}

/// `recvmmsg(2)`, by nix, which is the leanest safe way there is: it writes the vectors of a batch before each call and copies each
/// message header behind it, some nanoseconds a frame.
fn bare_recvmmsg<const COPY: usize>(wire: &Wire) -> impl FnMut() -> StepResult {
    let mut memory = vec![0; SLOT * BATCH];
    let mut headers = MultiHeaders::<()>::preallocate(BATCH, None);
    move || {
        wire.read_back(|frames| {
            pad::<COPY>();
            let mut left = frames;
            while left > 0 {
                left -= receive_batch(wire, &mut memory, &mut headers)?;
            }
            Ok(())
        })
    }
}

#[inline(always)]
fn receive_batch(wire: &Wire, memory: &mut [u8], headers: &mut MultiHeaders<()>) -> nix::Result<usize> {
    let mut slots = memory.chunks_exact_mut(SLOT);
    let mut vectors: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(slots.next().unwrap_or_default())]);
    let messages = recvmmsg(wire.near.as_raw_fd(), headers, vectors.iter_mut(), MsgFlags::MSG_DONTWAIT, None)?;
    Ok(messages.map(|message| message.iovs().for_each(count_frame)).count())
}

/// Frames of one `recvmmsg`, as in the gate; fdlink's default.
const BATCH: usize = FdOptions::RECVMMSG_BATCH;
/// Bytes of a slot, as many as fdlink's have.
const SLOT: usize = 1536;
/// Frames queued at a time.
const CHUNK: usize = 256;
const SEND_BUFFER: usize = 4 << 20;
