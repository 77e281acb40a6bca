use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::time::Duration;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use pnet_datalink::DataLinkReceiver;
use rustix::io::{Errno, read};
use smoltcp::phy::{Device, RxToken as _};
use smoltcp::time::Instant;
use tun_rs::SyncDevice;

use super::devices::{pnet_channel, smoltcp_socket, smoltcp_tap, tap, tun_rs_tap};
use crate::arguments::Arguments;
use crate::backlog::{self, take_all};
use crate::cable::{Cable, NEAR, send_each};
use crate::contest;
use crate::count::{Count, count_frame};
use crate::messages::Messages;
use crate::program::Program;
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::{frame, options};

/// What the frames come out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface {
    Tap,
    Veth,
}

impl Interface {
    pub(crate) const ALL: [Self; 2] = [Self::Tap, Self::Veth];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tap => "tap",
            Self::Veth => "veth",
        }
    }
}

/// A backlog that fits the buffer of a socket that nobody enlarged, received by each program from an interface of its own.
pub(crate) fn measure(
    interface: Interface,
    size: usize,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let frames = vec![frame(size); FRAMES];
    let mut programs = match interface {
        Interface::Tap => from_tap(&frames)?,
        Interface::Veth => from_veth(&frames)?,
    };
    Ok(contest::run(&mut programs, arguments, progress)?.into())
}

fn from_tap(frames: &[Vec<u8>]) -> Result<Vec<Program<'_>>, Box<dyn Error>> {
    let open = |name: &str| Ok(OwnedFd::from(TunTap::tap(name).open()?));
    Ok(vec![
        behind_tap("fdlink, read", frames, open, |fd| polling(fd, DispatchMode::Readv))?,
        behind_tap("bare read", frames, open, |fd| Ok(reading(fd)))?,
        behind_tap("smoltcp", frames, smoltcp_tap, |device| Ok(by_smoltcp(device)))?,
        behind_tap("tun-rs", frames, tun_rs_tap, |device| Ok(by_tun_rs(device)))?,
    ])
}

fn behind_tap<'f, D>(
    name: &'static str,
    frames: &'f [Vec<u8>],
    open: impl FnOnce(&str) -> Result<D, Box<dyn Error>>,
    take: impl FnOnce(D) -> Result<Take, Box<dyn Error>>,
) -> Result<Program<'f>, Box<dyn Error>> {
    let (device, kernel) = tap(open)?;
    Ok(program(name, frames, move |frames| send_each(&kernel, frames), take(device)?))
}

fn from_veth(frames: &[Vec<u8>]) -> Result<Vec<Program<'_>>, Box<dyn Error>> {
    Ok(vec![
        behind_cable("fdlink, recvmmsg", frames, |cable| polling(cable.receiver()?, DispatchMode::RecvMmsg))?,
        behind_cable("bare recvmmsg", frames, |cable| Ok(gathering(cable.receiver()?)))?,
        behind_cable("fdlink, read", frames, |cable| polling(cable.receiver()?, DispatchMode::Readv))?,
        behind_cable("bare read", frames, |cable| Ok(reading(cable.receiver()?)))?,
        behind_cable("smoltcp", frames, |cable| Ok(by_smoltcp(smoltcp_socket(&cable.near, NEAR)?)))?,
        behind_cable("pnet_datalink", frames, |cable| Ok(by_pnet(pnet_channel(&cable.near, NEAR)?.1)))?,
    ])
}

fn behind_cable<'f>(
    name: &'static str,
    frames: &'f [Vec<u8>],
    take: impl FnOnce(&Cable) -> Result<Take, Box<dyn Error>>,
) -> Result<Program<'f>, Box<dyn Error>> {
    let cable = Cable::new()?;
    let take = take(&cable)?;
    Ok(program(name, frames, move |frames| cable.feed(frames), take))
}

/// Takes some frames, none if there are none, and tells how many.
type Take = Box<dyn FnMut() -> Result<usize, Box<dyn Error>>>;

fn program<'f>(
    name: &'static str,
    frames: &'f [Vec<u8>],
    feed: impl Fn(&[Vec<u8>]) -> Result<(), Box<dyn Error>> + Sync + 'f,
    mut take: Take,
) -> Program<'f> {
    Program::new(name).copy(move || backlog::step(frames.len(), REST, || feed(frames), take_all(&mut take)))
}

fn polling(fd: OwnedFd, mode: DispatchMode) -> Result<Take, Box<dyn Error>> {
    let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
    let endpoint: &'static FdEndpoint = Box::leak(Box::new(endpoint([fd], options(), &fd_options)?));
    endpoint.attach()?;
    let mut receiver = endpoint.receiver(0)?;
    Ok(Box::new(move || Ok(receiver.poll(&mut Count).map_err(|ended| ended.to_string())?)))
}

/// `read(2)` into one hot buffer.
fn reading(fd: OwnedFd) -> Take {
    let mut buffer = vec![0; SLOT];
    Box::new(move || {
        let received = read(&fd, &mut buffer[..]).map_err(Errno::into);
        count(received.map(|len| &buffer[..len]))
    })
}

fn gathering(fd: OwnedFd) -> Take {
    let mut messages = Messages::new(FdOptions::RECVMMSG_BATCH, SLOT);
    Box::new(move || messages.receive(&fd, count_frame))
}

fn by_smoltcp(mut device: impl Device + 'static) -> Take {
    Box::new(move || {
        let Some((token, _)) = device.receive(Instant::ZERO) else { return Ok(0) };
        token.consume(count_frame);
        Ok(1)
    })
}

fn by_tun_rs(device: SyncDevice) -> Take {
    let mut buffer = vec![0; SLOT];
    Box::new(move || count(device.recv(&mut buffer).map(|len| &buffer[..len])))
}

fn by_pnet(mut receiver: Box<dyn DataLinkReceiver>) -> Take {
    Box::new(move || count(receiver.next()))
}

fn count(received: std::io::Result<&[u8]>) -> Result<usize, Box<dyn Error>> {
    match received {
        Ok(frame) => {
            count_frame(frame);
            Ok(1)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

const FRAMES: usize = 64;
const REST: Duration = Duration::from_micros(100);
/// Bytes of a slot, as many as fdlink's have.
const SLOT: usize = 1536;
