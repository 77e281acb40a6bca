//! How long one frame takes there and back: a frame is sent, an endpoint on the other core sends it back.

use std::error::Error;
use std::os::fd::{AsFd, OwnedFd};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use fdlink_core::{EtherType, LinkEndpoint as _, NetworkDispatcher, Options, Packet, RxPacket, WakePolicy};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, SetupError, endpoint};
use fdlink_tests::lab::{Namespace, Veth};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{read, write};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::arguments::Arguments;
use crate::machine;
use crate::progress::Progress;
use crate::ring::Ring;
use crate::scenario::{Outcome, Row, Unit};
use crate::sending::{frame, options};
use crate::spread::Spread;
use crate::workplace::Needs;

/// What the frame comes through, and how it is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    Seqpacket(DispatchMode),
    Tap,
    Veth(DispatchMode),
    VethRing(Ring),
}

/// The paths; wake policies are compared on some.
pub(crate) const PATHS: [Path; 7] = [
    Path::Seqpacket(DispatchMode::Readv),
    Path::Seqpacket(DispatchMode::RecvMmsg),
    Path::Tap,
    Path::Veth(DispatchMode::Readv),
    Path::Veth(DispatchMode::RecvMmsg),
    Path::VethRing(Ring::V2),
    Path::VethRing(Ring::V3),
];

pub(crate) const POLICIES: [(&str, WakePolicy); 3] = [
    ("prompt", WakePolicy::Prompt),
    ("coalesce-200us", WakePolicy::Coalesce { max_delay: Duration::from_micros(200) }),
    ("busy-poll", WakePolicy::BusyPoll { budget: 1_000_000 }),
];

impl Path {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Seqpacket(mode) => format!("seqpacket-{mode}"),
            Self::Tap => "tap-readv".to_owned(),
            Self::Veth(mode) => format!("veth-{mode}"),
            Self::VethRing(ring) => format!("veth-ring-{}", ring.name()),
        }
    }

    pub(crate) const fn needs(self) -> Needs {
        match self {
            Self::Seqpacket(_) => Needs::Nothing,
            Self::Tap => Needs::Tun,
            Self::Veth(_) | Self::VethRing(_) => Needs::Namespace,
        }
    }

    fn fd_options(self) -> FdOptions {
        let (dispatch_mode, ring) = match self {
            Self::Seqpacket(mode) | Self::Veth(mode) => (mode, Ring::V2),
            Self::Tap => (DispatchMode::Readv, Ring::V2),
            Self::VethRing(ring) => (DispatchMode::PacketMmap, ring),
        };
        FdOptions { dispatch_mode: Some(dispatch_mode), ring: ring.options(), ..FdOptions::default() }
    }

    /// The descriptor of the endpoint, and what is at its other end.
    fn open(self) -> Result<(OwnedFd, OwnedFd), Box<dyn Error>> {
        let near = Namespace::new();
        match self {
            Self::Seqpacket(_) => {
                Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
            }
            Self::Tap => Ok(near?.run(open_tap)?),
            Self::Veth(_) | Self::VethRing(_) => {
                let (near, far) = (near?, Namespace::new()?);
                Veth::pair((&near, "near"), (&far, "far"))?;
                let open = |namespace: &Namespace, name| namespace.run(|| PacketSocket::on(name).open());
                Ok((open(&near, "near")?, open(&far, "far")?))
            }
        }
    }
}

/// An interface, and a socket on it in the place of the kernel's stack.
fn open_tap() -> Result<(OwnedFd, OwnedFd), SetupError> {
    let tap = TunTap::tap("bench0").open()?;
    tap.up()?;
    Ok((tap.into(), PacketSocket::on("bench0").open()?))
}

/// The figure is the median round trip; the rows are its percentiles, and the first frame after a rest.
pub(crate) fn measure(
    path: Path,
    wake: WakePolicy,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let (near, far) = path.open()?;
    let endpoint = endpoint([near], Options { wake, ..options() }, &path.fd_options())?;
    endpoint.attach()?;
    let mut rounds = Vec::new();
    let measured: Result<(), Box<dyn Error>> = scope(|scope| {
        scope.spawn(|| echo(&endpoint));
        for _ in 0..=arguments.rounds {
            match round(&far, arguments.run) {
                Ok(round) => rounds.push(round),
                Err(error) => {
                    endpoint.detach();
                    return Err(error);
                }
            }
            if rounds.len() > 1 {
                progress.advance();
            }
        }
        endpoint.detach();
        Ok(())
    });
    measured?;
    // The first one warmed up.
    Ok(outcome(&rounds[1..]))
}

/// Microseconds of one round.
struct Round {
    /// In order of length.
    trips: Vec<f64>,
    /// After a rest.
    first: f64,
}

fn outcome(rounds: &[Round]) -> Outcome {
    let unit = Unit::Microseconds;
    let spread = |part: f64| Spread::of(rounds.iter().map(|round| percentile(&round.trips, part)).collect());
    let row = |program: &'static str, figure| Row { program: program.into(), figure, unit, ratio: None, failed: 0.0 };
    let first = Spread::of(rounds.iter().map(|round| round.first).collect());
    let rows = vec![
        row("p50", spread(0.5)),
        row("p99", spread(0.99)),
        row("p99.9", spread(0.999)),
        row("first after 100 ms", first),
    ];
    Outcome { figure: spread(0.5), unit, limit: None, rows }
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((part * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Sends every frame back, until the endpoint is detached.
fn echo(endpoint: &FdEndpoint) {
    // Without a second core it takes longer.
    let _ = machine::pin_apart();
    if let Ok(mut receiver) = endpoint.receiver(0) {
        receiver.run(&mut Echo(endpoint));
    }
}

struct Echo<'e>(&'e FdEndpoint);

impl NetworkDispatcher for Echo<'_> {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        // What is not sent is missed by the other side.
        let _ = self.0.write_packets(&mut [Packet::framed(&[packet.frame()])]);
    }
}

fn round(far: &OwnedFd, run: Duration) -> Result<Round, Box<dyn Error>> {
    let frame = frame(64);
    sleep(REST);
    let first = trip(far, &frame)?;
    let start = Instant::now();
    let mut trips = Vec::new();
    while start.elapsed() < run || trips.len() < LEAST_TRIPS {
        trips.push(trip(far, &frame)?);
    }
    trips.sort_by(f64::total_cmp);
    Ok(Round { trips, first })
}

/// Microseconds until the frame is back, the wake-ups of both sides included.
fn trip(far: &OwnedFd, frame: &[u8]) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    write(far, frame)?;
    let mut back = [0; 2048];
    loop {
        let mut fds = [PollFd::from_borrowed_fd(far.as_fd(), PollFlags::IN)];
        if poll(&mut fds, Some(&Timespec::try_from(PATIENCE)?))? == 0 {
            return Err("a frame did not come back".into());
        }
        if read(far, &mut back)? == frame.len() && back.starts_with(frame) {
            return Ok(start.elapsed().as_secs_f64() * 1e6);
        }
    }
}

const REST: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);
const LEAST_TRIPS: usize = 50;
