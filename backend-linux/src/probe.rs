//! What a descriptor is, and what it can do.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use fdlink_core::wire::vnet;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};

use crate::error::SetupError;
use crate::mode::DispatchMode;
use crate::sys::{self, tun};

/// What kind of descriptor it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FdKind {
    /// A TAP (or macvtap) interface: Ethernet frames.
    Tap,
    /// A TUN interface: IP packets.
    Tun,
    /// An `AF_PACKET` socket (packet(7)).
    Packet,
    /// A seqpacket socket (unix(7)): it tells when its peer is gone.
    Seqpacket,
    /// A datagram socket (unix(7)): it does not tell when its peer is gone, until something is sent.
    Datagram,
    /// Something that cannot be a link, and why.
    NotALink(&'static str),
}

impl FdKind {
    /// True for sockets, which know `recvmmsg` and `sendmmsg`.
    #[must_use]
    pub const fn is_socket(self) -> bool {
        matches!(self, Self::Packet | Self::Seqpacket | Self::Datagram)
    }

    /// True for TUN and TAP.
    #[must_use]
    pub const fn is_tuntap(self) -> bool {
        matches!(self, Self::Tap | Self::Tun)
    }
}

impl fmt::Display for FdKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tap => "a TAP interface",
            Self::Tun => "a TUN interface",
            Self::Packet => "an AF_PACKET socket",
            Self::Seqpacket => "a seqpacket socket",
            Self::Datagram => "a datagram socket",
            Self::NotALink(what) => what,
        })
    }
}

/// What [`probe`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// What the descriptor is.
    pub kind: FdKind,
    /// Bytes of virtio-net header in front of every frame now; 0 where there is none.
    pub vnet_header_len: usize,
}

impl Probe {
    /// Whether the descriptor can be used in this mode, and why not.
    ///
    /// # Errors
    ///
    /// [`SetupError::NotALink`] where no mode works; [`SetupError::Unavailable`] with the reason otherwise.
    pub const fn supports(&self, mode: DispatchMode) -> Result<(), SetupError> {
        if let FdKind::NotALink(_) = self.kind {
            return Err(SetupError::NotALink(self.kind));
        }
        let reason = match mode {
            DispatchMode::Readv => return Ok(()),
            DispatchMode::RecvMmsg if self.kind.is_socket() => return Ok(()),
            DispatchMode::PacketMmap if matches!(self.kind, FdKind::Packet) => return Ok(()),
            DispatchMode::RecvMmsg => "recvmmsg works on sockets only; use readv",
            DispatchMode::PacketMmap => "packet_mmap works on AF_PACKET sockets only; use recvmmsg or readv",
        };
        Err(SetupError::Unavailable { option: "dispatch_mode", reason })
    }

    /// Whether frames can have a virtio-net header, which is what offloads take, and why not.
    ///
    /// Which offloads are granted shows when they are asked for: [`Limits::offloads`](fdlink_core::io::Limits::offloads) of the channel.
    ///
    /// # Errors
    ///
    /// As for [`supports`](Probe::supports).
    pub const fn supports_offloads(&self) -> Result<(), SetupError> {
        match self.kind {
            FdKind::NotALink(_) => Err(SetupError::NotALink(self.kind)),
            FdKind::Tap | FdKind::Tun if self.vnet_header_len == 0 => Err(SetupError::Unavailable {
                option: "offloads",
                reason: "the interface was opened without IFF_VNET_HDR: open it with TunTap::vnet_header(true)",
            }),
            _ => Ok(()),
        }
    }

    /// The best mode that the descriptor can do.
    #[must_use]
    pub const fn best_mode(&self) -> DispatchMode {
        if self.kind.is_socket() { DispatchMode::RecvMmsg } else { DispatchMode::Readv }
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.kind)?;
        for mode in [DispatchMode::Readv, DispatchMode::RecvMmsg, DispatchMode::PacketMmap] {
            match self.supports(mode) {
                Ok(()) => write!(f, "; {mode}: yes")?,
                Err(SetupError::Unavailable { reason, .. }) => write!(f, "; {mode}: no, {reason}")?,
                Err(_) => write!(f, "; {mode}: no")?,
            }
        }
        match self.supports_offloads() {
            Ok(()) => f.write_str("; offloads: yes"),
            Err(SetupError::Unavailable { reason, .. }) => write!(f, "; offloads: no, {reason}"),
            Err(_) => f.write_str("; offloads: no"),
        }
    }
}

/// Says what `fd` is. Changes nothing.
///
/// # Errors
///
/// [`SetupError::System`] where the descriptor is closed.
pub fn probe(fd: impl AsFd) -> Result<Probe, SetupError> {
    let fd = fd.as_fd();
    let stat = fstat(fd).map_err(SetupError::system("fstat"))?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => socket_kind(fd)?,
        FileType::CharacterDevice => device_kind(fd),
        FileType::RegularFile => FdKind::NotALink("a regular file keeps no frame boundaries"),
        FileType::Directory => FdKind::NotALink("a directory carries no frames"),
        FileType::Fifo => FdKind::NotALink("a pipe keeps no frame boundaries"),
        _ => FdKind::NotALink("this kind of file carries no frames"),
    };
    Ok(Probe { kind, vnet_header_len: vnet_header_len(fd, kind)? })
}

fn socket_kind(fd: impl AsFd) -> Result<FdKind, SetupError> {
    let domain = sockopt::socket_domain(&fd).map_err(SetupError::system("getsockopt SO_DOMAIN"))?;
    let kind = sockopt::socket_type(&fd).map_err(SetupError::system("getsockopt SO_TYPE"))?;
    Ok(match kind {
        _ if domain == AddressFamily::PACKET => FdKind::Packet,
        SocketType::SEQPACKET => FdKind::Seqpacket,
        SocketType::DGRAM => FdKind::Datagram,
        SocketType::STREAM => FdKind::NotALink("a stream socket keeps no frame boundaries"),
        _ => FdKind::NotALink("this kind of socket keeps no frame boundaries"),
    })
}

/// Packet information would be read as a part of the frame.
fn device_kind(fd: impl AsFd) -> FdKind {
    match tun::flags(fd) {
        Ok(flags) if flags & tun::IFF_NO_PI == 0 => FdKind::NotALink("a TUN/TAP interface opened without IFF_NO_PI"),
        Ok(flags) if flags & tun::IFF_TAP != 0 => FdKind::Tap,
        Ok(_) => FdKind::Tun,
        Err(_) => FdKind::NotALink("a character device other than TUN/TAP"),
    }
}

fn vnet_header_len(fd: BorrowedFd<'_>, kind: FdKind) -> Result<usize, SetupError> {
    match kind {
        FdKind::Tap | FdKind::Tun => match tun::flags(fd) {
            Ok(flags) if flags & tun::IFF_VNET_HDR != 0 => {
                tun::vnet_header_len(fd).map_err(SetupError::system("ioctl TUNGETVNETHDRSZ"))
            }
            _ => Ok(0),
        },
        FdKind::Packet => packet_vnet_header_len(fd).map_err(SetupError::system("getsockopt PACKET_VNET_HDR")),
        _ => Ok(0),
    }
}

/// `PACKET_VNET_HDR_SZ` came with Linux 6.4; before that, the header had the 10 bytes of the oldest one.
fn packet_vnet_header_len(fd: BorrowedFd<'_>) -> Result<usize, Errno> {
    let get = |option| sys::sockopt::get::<libc::c_int>(fd, libc::SOL_PACKET, option);
    let len = match get(libc::PACKET_VNET_HDR)? {
        0 => 0,
        _ => get(libc::PACKET_VNET_HDR_SZ).unwrap_or(vnet::LEN as libc::c_int),
    };
    Ok(usize::try_from(len).unwrap_or(0))
}
