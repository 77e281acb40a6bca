//! What a frame costs as something grows: batches, frames, queues, flows, processors, endpoints. Over socket pairs, which need no privilege.

use std::error::Error;
use std::os::fd::OwnedFd;

use fdlink_core::{BATCH_SIZE, EtherType, LinkEndpoint as _, Options, Packet, Receiver};
use fdlink_linux::{DispatchMode, FdEndpoint, FdIo, FdOptions, endpoint};
use fdlink_tests::support::PEER;
use rustix::io::read;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::arguments::Arguments;
use crate::contest;
use crate::count::Count;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::scenario::{Outcome, Row, Unit};
use crate::sending::{frame, options};
use crate::steering::handing;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Frames received by one `recvmmsg`.
    Batch,
    /// Bytes of a frame that is received.
    Size,
    /// Descriptors that one call sends to.
    Queues,
    /// Flows among the packets of many calls, over four descriptors.
    Flows,
    /// Threads that packets are handed to, each of which delivers its flows.
    Processors,
    /// Endpoints in the process, each with one frame to receive.
    Endpoints,
}

impl Axis {
    pub(crate) const ALL: [Self; 6] =
        [Self::Batch, Self::Size, Self::Queues, Self::Flows, Self::Processors, Self::Endpoints];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Size => "size",
            Self::Queues => "queues",
            Self::Flows => "flows",
            Self::Processors => "processors",
            Self::Endpoints => "endpoints",
        }
    }

    const fn points(self) -> &'static [usize] {
        match self {
            Self::Batch => &[1, 2, 4, 8, 16, 32, 64, 128, 256],
            Self::Size => &[64, 256, 512, 1024, 1500, 4000, 9000],
            Self::Queues => &[1, 2, 4, 8, 16],
            Self::Flows => &[1, 10, 100, 1_000, 10_000, 100_000],
            Self::Processors => &[1, 2, 3, 4],
            Self::Endpoints => &[1, 10, 100, 1_000],
        }
    }

    fn program(self, point: usize) -> Result<Program<'static>, Box<dyn Error>> {
        let program = Program::new(point.to_string());
        Ok(match self {
            Self::Batch => program.copy(receiving(&FdOptions { batch: Some(point), ..recvmmsg() }, 64)?),
            Self::Size => program.copy(receiving(&recvmmsg(), point)?),
            Self::Queues => program.copy(sending(point, FLOWS_OF_QUEUES)?),
            Self::Flows => program.copy(sending(QUEUES_OF_FLOWS, point)?),
            Self::Processors => match point {
                1 => program.copy(handing::<1>()?),
                2 => program.copy(handing::<2>()?),
                3 => program.copy(handing::<3>()?),
                _ => program.copy(handing::<4>()?),
            },
            Self::Endpoints => program.copy(polling_many(point)?),
        })
    }
}

pub(crate) fn measure(axis: Axis, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let programs = axis.points().iter().map(|point| axis.program(*point));
    let standings = contest::run(&mut programs.collect::<Result<Vec<_>, _>>()?, arguments, progress)?;
    let unit = Unit::NanosecondsPerFrame;
    let rows = standings.programs.into_iter();
    let rows = rows.map(|row| Row { program: row.program, figure: row.cost, unit, ratio: None, failed: row.failed });
    Ok(Outcome { figure: standings.ratio, unit: Unit::Ratio, limit: None, rows: rows.collect() })
}

fn recvmmsg() -> FdOptions {
    FdOptions { dispatch_mode: Some(DispatchMode::RecvMmsg), ..FdOptions::default() }
}

/// Receives from a socket by `recvmmsg`.
pub(crate) fn receiver(near: OwnedFd) -> Result<Receiver<'static, FdIo<OwnedFd>>, Box<dyn Error>> {
    receiver_of(near, options(), &recvmmsg())
}

fn receiver_of(
    near: OwnedFd,
    options: Options,
    fd_options: &FdOptions,
) -> Result<Receiver<'static, FdIo<OwnedFd>>, Box<dyn Error>> {
    let endpoint: &'static FdEndpoint = Box::leak(Box::new(endpoint([near], options, fd_options)?));
    endpoint.attach()?;
    Ok(endpoint.receiver(0)?)
}

/// Fills a socket and times how the frames are received.
fn receiving(fd_options: &FdOptions, size: usize) -> Result<impl FnMut() -> StepResult + 'static, Box<dyn Error>> {
    let (near, far) = pair()?;
    let mut receiver = receiver_of(near, Options { mtu: 9000, rx_budget: 256, ..options() }, fd_options)?;
    let frame = frame(size);
    Ok(move || {
        let queued = (0..MOST_QUEUED).take_while(|_| send(&far, &frame, SendFlags::DONTWAIT).is_ok()).count();
        Cost::of(|| {
            let mut left = queued;
            while left > 0 {
                left -= receiver.poll(&mut Count).map_err(|ended| ended.to_string())?;
            }
            Ok((queued, 0))
        })
    })
}

/// Times how batches are sent, their packets of the flows in turn, and empties the sockets.
fn sending(queues: usize, flows: usize) -> Result<impl FnMut() -> StepResult + 'static, Box<dyn Error>> {
    let pairs = (0..queues).map(|_| pair()).collect::<Result<Vec<_>, _>>()?;
    let (near, far): (Vec<OwnedFd>, Vec<OwnedFd>) = pairs.into_iter().unzip();
    let endpoint = endpoint(near, options(), &FdOptions::default())?;
    endpoint.attach()?;
    let mut flow = 0;
    Ok(move || {
        let mut packets: Vec<_> = (0..BATCH_SIZE).map(|_| packet(&mut flow, flows)).collect();
        let cost = Cost::of(|| {
            let written = endpoint.write_packets(&mut packets)?;
            Ok((written.sent, written.refused + written.pending))
        });
        for far in &far {
            while read(far, &mut [0; 64]).is_ok() {}
        }
        cost
    })
}

/// Of the next flow.
fn packet(flow: &mut usize, flows: usize) -> Packet<'static> {
    *flow = if *flow + 1 < flows { *flow + 1 } else { 0 };
    // Knuth's multiplicative hash, its high half.
    let hash = ((*flow as u32).wrapping_mul(2_654_435_761)) >> 16;
    Packet::new(EtherType::IPV4, &[&[0x45; 50]]).to(PEER).with_hash(hash)
}

/// Sends a frame to each endpoint and times how all are polled.
fn polling_many(endpoints: usize) -> Result<impl FnMut() -> StepResult + 'static, Box<dyn Error>> {
    let (mut receivers, mut fars) = (Vec::new(), Vec::new());
    for _ in 0..endpoints {
        let (near, far) = pair()?;
        let fd_options = FdOptions { dispatch_mode: Some(DispatchMode::Readv), batch: Some(1), ..FdOptions::default() };
        receivers.push(receiver_of(near, options(), &fd_options)?);
        fars.push(far);
    }
    let frame = frame(64);
    Ok(move || {
        fars.iter().try_for_each(|far| send(far, &frame, SendFlags::DONTWAIT).map(drop))?;
        Cost::of(|| {
            for receiver in &mut receivers {
                receiver.poll(&mut Count).map_err(|ended| ended.to_string())?;
            }
            Ok((receivers.len(), 0))
        })
    })
}

/// Two sockets with room for many frames.
pub(crate) fn pair() -> Result<(OwnedFd, OwnedFd), Box<dyn Error>> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
    set_socket_send_buffer_size(&far, SEND_BUFFER)?;
    set_socket_send_buffer_size(&near, SEND_BUFFER)?;
    Ok((near, far))
}

const FLOWS_OF_QUEUES: usize = 64;
const QUEUES_OF_FLOWS: usize = 4;
const MOST_QUEUED: usize = 256;
const SEND_BUFFER: usize = 4 << 20;
