use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use super::{Mode, OURS, PREFIX_LEN, THEIRS};
use anyhow::bail;
use clap::ValueEnum;
use fdlink_core::{LinkAddress, Options, TxPolicy};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::{Device, TunTap};
use fdlink_linux::{FdIo, FdOptions};
use fdlink_tests::lab::{Namespace, Veth, link, tun_available};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

/// What carries the frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LinkKind {
    /// A TAP interface: Ethernet frames to and from the kernel
    Tap,
    /// A TUN interface: IP packets to and from the kernel
    Tun,
    /// A veth pair with an AF_PACKET socket on one end, the kernel on the other
    Veth,
    /// A pair of unix seqpacket sockets between two smoltcp stacks
    Seqpacket,
    /// An in-memory link between two smoltcp stacks
    Mock,
}

impl LinkKind {
    /// True where the kernel's network is on the other side.
    pub(super) const fn needs_namespace(self) -> bool {
        matches!(self, Self::Tap | Self::Tun | Self::Veth)
    }

    pub(super) const fn merit(self) -> &'static str {
        match self {
            Self::Tap => "Ethernet frames straight to and from the kernel",
            Self::Tun => "IP packets straight to and from the kernel",
            Self::Veth => "a cable to the kernel",
            Self::Seqpacket => "a real descriptor, without a network behind it",
            Self::Mock => "memory only",
        }
    }
}

impl fmt::Display for LinkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tap => "tap",
            Self::Tun => "tun",
            Self::Veth => "veth",
            Self::Seqpacket => "seqpacket",
            Self::Mock => "mock",
        })
    }
}

/// A link with both its ends, ready for frames.
pub(super) enum Carrier {
    /// Our end is a descriptor, the other one is the kernel's.
    Kernel(FdIo, Options),
    /// Both ends are descriptors.
    Pair(FdIo, FdIo),
    /// Both ends are in memory.
    Mock,
}

impl Carrier {
    /// Makes the link, in the network namespace of the calling thread.
    pub(super) fn open(kind: LinkKind, mode: Option<Mode>) -> anyhow::Result<Self> {
        match kind {
            LinkKind::Tap => open_tap(mode),
            LinkKind::Tun => open_tun(mode),
            LinkKind::Veth => open_veth(mode),
            LinkKind::Seqpacket => open_seqpacket(mode),
            LinkKind::Mock if mode.is_some() => bail!("--mode: memory is not received from by system calls"),
            LinkKind::Mock => Ok(Self::Mock),
        }
    }

    /// How frames are received.
    pub(super) fn mode(&self) -> String {
        match self {
            Self::Kernel(io, _) | Self::Pair(io, _) => io.dispatch_mode().to_string(),
            Self::Mock => "memory".to_owned(),
        }
    }

    pub(super) const fn far_side(&self) -> &'static str {
        match self {
            Self::Kernel(..) => "kernel",
            Self::Pair(..) | Self::Mock => "smoltcp",
        }
    }
}

fn open_tap(mode: Option<Mode>) -> anyhow::Result<Carrier> {
    tun_available().map_err(anyhow::Error::msg)?;
    let tap = TunTap::tap("fdlink%d").open()?;
    configure(&tap)?;
    Ok(Carrier::Kernel(channel(tap, mode)?, ethernet(OUR_MAC)))
}

fn open_tun(mode: Option<Mode>) -> anyhow::Result<Carrier> {
    tun_available().map_err(anyhow::Error::msg)?;
    let tun = TunTap::tun("fdlink%d").open()?;
    configure(&tun)?;
    Ok(Carrier::Kernel(channel(tun, mode)?, Options { ethernet_header: false, ..Options::default() }))
}

fn configure(device: &Device) -> anyhow::Result<()> {
    device.up()?;
    link::add_ipv4(device.name(), THEIRS, PREFIX_LEN)?;
    link::wait_up(device.name(), CARRIER_TIMEOUT)?;
    Ok(())
}

/// The kernel's end stays in this namespace, ours goes to another one, which the socket keeps alive. There no address is set, so that
/// kernel does not answer in our place.
fn open_veth(mode: Option<Mode>) -> anyhow::Result<Carrier> {
    let (kernel, ours) = (Namespace::current()?, Namespace::new()?);
    let veth = Veth::pair((&kernel, "fdlink0"), (&ours, "fdlink1"))?;
    // veth passes frames with their checksums left to be completed and their segments left to be cut by whoever is behind the cable, as
    // the kernel itself would not mind. A stack that checks drops the former and cannot receive the latter, which are above the MTU.
    link::disable_offloads(&veth.a.name)?;
    link::add_ipv4(&veth.a.name, THEIRS, PREFIX_LEN)?;
    let socket = ours.run(|| PacketSocket::on(&veth.b.name).receive_buffer(SOCKET_BUFFER).open())?;
    Ok(Carrier::Kernel(channel(socket, mode)?, ethernet(LinkAddress(veth.b.address))))
}

fn open_seqpacket(mode: Option<Mode>) -> anyhow::Result<Carrier> {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    set_socket_send_buffer_size(&ours, SOCKET_BUFFER)?;
    set_socket_send_buffer_size(&theirs, SOCKET_BUFFER)?;
    Ok(Carrier::Pair(channel(ours, mode)?, channel(theirs, mode)?))
}

fn channel(fd: impl Into<OwnedFd>, mode: Option<Mode>) -> anyhow::Result<FdIo> {
    Ok(FdIo::new(fd.into(), &FdOptions { dispatch_mode: mode.map(Into::into), ..FdOptions::default() })?)
}

/// An Ethernet endpoint for our side.
pub(super) fn ethernet(address: LinkAddress) -> Options {
    Options { address, ..Options::default() }
}

/// The same for a stack on the other side. It gives up what the link does not take: with two stacks that both hold frames back, each could
/// wait for the other to read.
pub(super) fn far_ethernet() -> Options {
    Options { tx_policy: TxPolicy::Drop, ..ethernet(THEIR_MAC) }
}

/// Our link address, locally administered.
pub(super) const OUR_MAC: LinkAddress = LinkAddress([2, 0xfd, 0, 0, 0, OURS.octets()[3]]);
const THEIR_MAC: LinkAddress = LinkAddress([2, 0xfd, 0, 0, 0, THEIRS.octets()[3]]);
/// More than a TCP window, the kernel's bookkeeping included.
const SOCKET_BUFFER: usize = 4 << 20;
const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);
