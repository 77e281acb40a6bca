//! What a descriptor is, and what it can do.

use core::fmt;
use std::os::fd::AsFd;

use rustix::fs::{FileType, fstat};
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
        Ok(())
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
    Ok(Probe { kind })
}

fn socket_kind(fd: impl AsFd) -> Result<FdKind, SetupError> {
    let domain = sockopt::socket_domain(&fd).map_err(SetupError::system("getsockopt SO_DOMAIN"))?;
    let kind = sockopt::socket_type(&fd).map_err(SetupError::system("getsockopt SO_TYPE"))?;
    Ok(match kind {
        _ if domain == AddressFamily::PACKET => packet_kind(&fd)?,
        SocketType::SEQPACKET => FdKind::Seqpacket,
        SocketType::DGRAM => FdKind::Datagram,
        SocketType::STREAM => FdKind::NotALink("a stream socket keeps no frame boundaries"),
        _ => FdKind::NotALink("this kind of socket keeps no frame boundaries"),
    })
}

fn packet_kind(fd: impl AsFd) -> Result<FdKind, SetupError> {
    let vnet_header = sys::sockopt::get::<libc::c_int>(fd, libc::SOL_PACKET, libc::PACKET_VNET_HDR)
        .map_err(SetupError::system("getsockopt PACKET_VNET_HDR"))?;
    Ok(match vnet_header {
        0 => FdKind::Packet,
        _ => FdKind::NotALink("an AF_PACKET socket with PACKET_VNET_HDR, which this version does not support"),
    })
}

/// Headers that a TUN/TAP descriptor would put in front of every frame are not read as frames.
fn device_kind(fd: impl AsFd) -> FdKind {
    let flags = tun::flags(fd).map(i32::from);
    match flags {
        Ok(flags) if flags & libc::IFF_NO_PI == 0 => FdKind::NotALink("a TUN/TAP interface opened without IFF_NO_PI"),
        Ok(flags) if flags & libc::IFF_VNET_HDR != 0 => {
            FdKind::NotALink("a TUN/TAP interface opened with IFF_VNET_HDR, which this version does not support")
        }
        Ok(flags) if flags & libc::IFF_TAP != 0 => FdKind::Tap,
        Ok(_) => FdKind::Tun,
        Err(_) => FdKind::NotALink("a character device other than TUN/TAP"),
    }
}
