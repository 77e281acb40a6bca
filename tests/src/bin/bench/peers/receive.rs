use std::error::Error;
use std::os::fd::OwnedFd;
use std::time::Duration;

use fdlink_linux::DispatchMode;
use fdlink_linux::tuntap::TunTap;

use super::devices::{interface, pnet_channel, smoltcp_socket, smoltcp_tap, tun_rs_tap};
use super::takes::{Take, by_pnet, by_smoltcp, by_tun_rs, gathering, polling, reading};
use crate::arguments::Arguments;
use crate::backlog::{self, take_all};
use crate::cable::{Cable, NEAR, send_each};
use crate::contest;
use crate::program::{Program, StepResult};
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::sending::frame;

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
    let copies = [tap_copies::<0>(frames)?, tap_copies::<1>(frames)?, tap_copies::<2>(frames)?];
    Ok(programs(["fdlink, readv", "bare read", "smoltcp", "tun-rs"], copies))
}

/// Each `COPY`, here and below, is code of its own.
fn tap_copies<const COPY: usize>(frames: &[Vec<u8>]) -> Result<[Step<'_>; 4], Box<dyn Error>> {
    let open = |name: &str| Ok(OwnedFd::from(TunTap::tap(name).open()?));
    Ok([
        behind_tap(frames, open, |fd| polling::<COPY>(fd, DispatchMode::Readv))?,
        behind_tap(frames, open, |fd| Ok(reading::<COPY>(fd)))?,
        behind_tap(frames, smoltcp_tap, |device| Ok(by_smoltcp::<COPY>(device)))?,
        behind_tap(frames, tun_rs_tap, |device| Ok(by_tun_rs::<COPY>(device)))?,
    ])
}

fn behind_tap<'f, D>(
    frames: &'f [Vec<u8>],
    open: impl FnOnce(&str) -> Result<D, Box<dyn Error>>,
    take: impl FnOnce(D) -> Result<Take, Box<dyn Error>>,
) -> Result<Step<'f>, Box<dyn Error>> {
    let (device, kernel) = interface(open)?;
    Ok(step(frames, move |frames| send_each(&kernel, frames), take(device)?))
}

fn from_veth(frames: &[Vec<u8>]) -> Result<Vec<Program<'_>>, Box<dyn Error>> {
    let copies = [veth_copies::<0>(frames)?, veth_copies::<1>(frames)?, veth_copies::<2>(frames)?];
    let names = ["fdlink, recvmmsg", "bare recvmmsg", "fdlink, readv", "bare read", "smoltcp", "pnet_datalink"];
    Ok(programs(names, copies))
}

fn veth_copies<const COPY: usize>(frames: &[Vec<u8>]) -> Result<[Step<'_>; 6], Box<dyn Error>> {
    Ok([
        behind_cable(frames, |cable| polling::<COPY>(cable.receiver()?, DispatchMode::RecvMmsg))?,
        behind_cable(frames, |cable| Ok(gathering::<COPY>(cable.receiver()?)))?,
        behind_cable(frames, |cable| polling::<COPY>(cable.receiver()?, DispatchMode::Readv))?,
        behind_cable(frames, |cable| Ok(reading::<COPY>(cable.receiver()?)))?,
        behind_cable(frames, |cable| Ok(by_smoltcp::<COPY>(smoltcp_socket(&cable.near, NEAR)?)))?,
        behind_cable(frames, |cable| Ok(by_pnet::<COPY>(pnet_channel(&cable.near, NEAR)?.1)))?,
    ])
}

fn behind_cable(
    frames: &[Vec<u8>],
    take: impl FnOnce(&Cable) -> Result<Take, Box<dyn Error>>,
) -> Result<Step<'_>, Box<dyn Error>> {
    let cable = Cable::new()?;
    let take = take(&cable)?;
    Ok(step(frames, move |frames| cable.feed(frames), take))
}

type Step<'f> = Box<dyn FnMut() -> StepResult + 'f>;

fn step<'f>(
    frames: &'f [Vec<u8>],
    feed: impl Fn(&[Vec<u8>]) -> Result<(), Box<dyn Error>> + Sync + 'f,
    mut take: Take,
) -> Step<'f> {
    Box::new(move || backlog::step(frames.len(), REST, || feed(frames), take_all(&mut take)))
}

fn programs<'f, const N: usize>(names: [&'static str; N], copies: [[Step<'f>; N]; 3]) -> Vec<Program<'f>> {
    let mut programs = Vec::from(names.map(Program::new));
    for steps in copies {
        programs = programs.into_iter().zip(steps).map(|(program, step)| program.copy(step)).collect();
    }
    programs
}

const FRAMES: usize = 64;
const REST: Duration = Duration::from_micros(100);
