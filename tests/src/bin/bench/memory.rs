//! G12: what an endpoint takes, by the private memory of a process that has many.

use std::error::Error;
use std::fs;
use std::os::fd::OwnedFd;
use std::process::Command;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::arguments::Arguments;
use crate::count::Count;
use crate::progress::Progress;
use crate::scenario::{Outcome, Row, Unit};
use crate::sending::{frame, options};
use crate::spread::Spread;

/// Each round is a process of its own: memory that was given back is not always given to the system.
pub(crate) fn measure(
    mode: DispatchMode,
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Outcome, Box<dyn Error>> {
    let (mut fresh, mut worked) = (Vec::new(), Vec::new());
    for _ in 0..arguments.rounds {
        let taken = ask_child(mode)?;
        fresh.push(taken.fresh);
        worked.push(taken.worked);
        progress.advance();
    }
    let row = |program: &'static str, figures| Row {
        program: program.into(),
        figure: Spread::of(figures),
        unit: Unit::Kibibytes,
        ratio: None,
        failed: 0.0,
    };
    let rows = vec![row("fdlink, attached", fresh), row("fdlink, idle after a full batch", worked.clone())];
    Ok(Outcome { figure: Spread::of(worked), unit: Unit::Kibibytes, limit: None, rows })
}

/// KiB of one endpoint.
struct Taken {
    /// Before its first frame.
    fresh: f64,
    /// After every slot was filled once.
    worked: f64,
}

fn ask_child(mode: DispatchMode) -> Result<Taken, Box<dyn Error>> {
    let output = Command::new(std::env::current_exe()?).args(["memory", &mode.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = text.split_whitespace().map_while(|word| word.parse().ok()).collect();
    match figures[..] {
        [fresh, worked] if output.status.success() => Ok(Taken { fresh, worked }),
        _ => Err(format!("the child: {}{}", text, String::from_utf8_lossy(&output.stderr)).into()),
    }
}

/// Prints two figures, as the child.
pub(crate) fn measure_here(mode: DispatchMode) -> Result<(), Box<dyn Error>> {
    // The first one pays for what all share: code that is loaded, the heap that begins.
    let first = Idle::open(mode)?;
    first.work(mode)?;
    let mut endpoints = Vec::with_capacity(ENDPOINTS);
    let start = private_kibibytes()?;
    for _ in 0..ENDPOINTS {
        endpoints.push(Idle::open(mode)?);
    }
    let fresh = private_kibibytes()? - start;
    endpoints.iter().try_for_each(|idle| idle.work(mode))?;
    let worked = private_kibibytes()? - start;
    println!("{} {}", fresh / ENDPOINTS as f64, worked / ENDPOINTS as f64);
    Ok(())
}

/// An attached endpoint, and the other end of its socket.
struct Idle {
    endpoint: FdEndpoint,
    far: OwnedFd,
}

impl Idle {
    fn open(mode: DispatchMode) -> Result<Self, Box<dyn Error>> {
        let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
        let endpoint = endpoint([near], options(), &fd_options)?;
        endpoint.attach()?;
        Ok(Self { endpoint, far })
    }

    /// Receives one longest frame in each slot.
    fn work(&self, mode: DispatchMode) -> Result<(), Box<dyn Error>> {
        let batch = if mode == DispatchMode::RecvMmsg { FdOptions::RECVMMSG_BATCH } else { FdOptions::READV_BATCH };
        let frame = frame(LONGEST);
        let mut receiver = self.endpoint.receiver(0)?;
        for _ in 0..batch {
            send(&self.far, &frame, SendFlags::DONTWAIT)?;
        }
        let taken = receiver.poll(&mut Count).map_err(|ended| ended.to_string())?;
        if taken == batch { Ok(()) } else { Err(format!("{taken} frames instead of {batch}").into()) }
    }
}

/// Memory that no other process has a part in.
fn private_kibibytes() -> Result<f64, Box<dyn Error>> {
    let maps = fs::read_to_string("/proc/self/smaps_rollup")?;
    let private = maps.lines().filter(|line| line.starts_with("Private_"));
    let figures = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
    Ok(figures.sum())
}

const ENDPOINTS: usize = 64;
/// The MTU and an Ethernet header.
const LONGEST: usize = 1514;
