use std::io;
use std::os::fd::OwnedFd;

use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// As much as the other anchors ask for, in bytes.
const SOCKET_BUFFER: usize = 4 << 20;

/// A descriptor to measure, and whether its frames have an Ethernet header.
pub(crate) struct Target {
    pub(crate) fd: OwnedFd,
    pub(crate) ethernet: bool,
}

/// `vnet`: a TUN or TAP interface has to be opened for a virtio-net header.
pub(crate) fn open(target: &str, vnet: bool) -> Result<Target, Box<dyn std::error::Error>> {
    let (kind, name) = target.split_once(':').ok_or("a target is if:NAME, tap:NAME, tun:NAME or fd:N")?;
    let fd = match kind {
        "if" => {
            let socket = PacketSocket::on(name).qdisc_bypass(true).ignore_outgoing(false);
            socket.receive_buffer(SOCKET_BUFFER).send_buffer(SOCKET_BUFFER).open()?
        }
        "tap" => interface(&TunTap::tap(name).vnet_header(vnet))?,
        "tun" => interface(&TunTap::tun(name).vnet_header(vnet))?,
        "fd" => inherited(name.parse()?)?,
        other => return Err(format!("target {other}: use if, tap, tun or fd").into()),
    };
    Ok(Target { fd, ethernet: kind != "tun" })
}

fn interface(tuntap: &TunTap) -> Result<OwnedFd, Box<dyn std::error::Error>> {
    let device = tuntap.open()?;
    device.set_mtu(1500)?;
    device.up()?;
    Ok(device.into())
}

/// Takes a duplicate of a descriptor that the parent left open.
fn inherited(number: i32) -> io::Result<OwnedFd> {
    let this = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(this, number, PidfdGetfdFlags::empty())?)
}
