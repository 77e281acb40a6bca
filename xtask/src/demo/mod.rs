//! `cargo xtask demo`: a smoltcp stack over fdlink talks to the kernel's own sockets, and what came of it is shown.
//!
//! ```text
//! smoltcp stack ── fdlink endpoint ── descriptor ── kernel sockets     --fd tap, tun, veth
//! smoltcp stack ── fdlink endpoint ── descriptor ── smoltcp stack      --fd seqpacket, mock
//! ```

mod carrier;
mod choice;
mod echo;
mod far;
mod far_kernel;
mod far_stack;
mod http;
mod lab;
mod pcap;
mod ping;
mod progress;
mod report;
mod script;
mod serve;
mod session;
mod stack;
mod table;
mod transfer;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use carrier::LinkKind;
use clap::{Args, ValueEnum};
use fdlink_linux::DispatchMode;
use report::Report;

/// Options of `cargo xtask demo`.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What carries the frames [default: the best that works here]
    #[arg(long, value_enum)]
    fd: Option<LinkKind>,
    /// How frames are received [default: the best that the descriptor can do]
    #[arg(long, value_enum)]
    mode: Option<Mode>,
    /// Seconds of TCP transfer, download and upload together [default: 4]; with --serve also how long to serve
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: Option<u32>,
    /// Print one JSON object, on the last line
    #[arg(long)]
    json: bool,
    /// Keep the HTTP server up afterwards, until Ctrl-C or for --seconds
    #[arg(long)]
    serve: bool,
    /// Write every frame that passes to FILE, for Wireshark and the like
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    Readv,
    #[value(name = "recvmmsg")]
    RecvMmsg,
    #[value(name = "ring", alias = "packet_mmap")]
    PacketMmap,
}

impl From<Mode> for DispatchMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Readv => Self::Readv,
            Mode::RecvMmsg => Self::RecvMmsg,
            Mode::PacketMmap => Self::PacketMmap,
        }
    }
}

impl DemoArgs {
    /// Half of the time for each direction.
    fn transfer_time(&self) -> Duration {
        Duration::from_secs(u64::from(self.seconds.unwrap_or(DEFAULT_SECONDS))) / 2
    }
}

/// Runs the demonstration. It has to be called before the process has a second thread.
///
/// # Errors
///
/// What did not work, in one line; all that was counted until then has been printed.
pub(crate) fn run(args: &DemoArgs) -> anyhow::Result<()> {
    let lab = lab::Lab::enter_for(args.fd);
    let choice = choice::choose(args, &lab)?;
    let mut report = Report::new(&choice, &lab);
    report.announce();
    let outcome = session::run(choice.carrier, args, &lab, &mut report);
    let outcome = outcome.and_then(|()| report.check_losses());
    report.print(args.json, outcome.as_ref().err())?;
    outcome
}

const DEFAULT_SECONDS: u32 = 4;

/// Our stack's address.
const OURS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);
/// The address of the other side, the kernel's or a second stack's.
const THEIRS: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const PREFIX_LEN: u8 = 24;
