//! Error numbers, classified by what the caller can do (contract rule E2). The same number means different things on different descriptors.

use std::os::fd::BorrowedFd;

use fdlink_core::io::ErrorKind;
use rustix::io::Errno;

use crate::probe::FdKind;
use crate::sys::sockaddr;

/// What a failed receive means.
pub(crate) fn receive_error(kind: FdKind, fd: BorrowedFd<'_>, errno: Errno) -> ErrorKind {
    match errno {
        Errno::AGAIN => ErrorKind::WouldBlock,
        Errno::NOBUFS | Errno::NOMEM => ErrorKind::NoBuffers,
        Errno::NETDOWN if is_deleted(fd) => ErrorKind::Closed,
        Errno::NETDOWN => ErrorKind::LinkDown,
        Errno::IO if kind.is_tuntap() => ErrorKind::LinkDown,
        _ if is_closed(errno) => ErrorKind::Closed,
        _ => ErrorKind::Fatal,
    }
}

/// What a failed send means. What is not known to end the channel refuses one frame only.
pub(crate) fn send_error(kind: FdKind, has_vnet_header: bool, fd: BorrowedFd<'_>, errno: Errno) -> ErrorKind {
    match errno {
        Errno::AGAIN => ErrorKind::WouldBlock,
        // Said where the frame is there, but cannot be cut (`__dev_queue_xmit`); without room for the frame it is ENOBUFS.
        Errno::NOMEM if kind == FdKind::Packet && has_vnet_header => ErrorKind::OffloadRejected,
        Errno::NOBUFS | Errno::NOMEM => ErrorKind::NoBuffers,
        Errno::NXIO if kind == FdKind::Packet && is_deleted(fd) => ErrorKind::Closed,
        Errno::NETDOWN | Errno::NXIO => ErrorKind::LinkDown,
        Errno::IO if kind.is_tuntap() => ErrorKind::LinkDown,
        Errno::MSGSIZE => ErrorKind::FrameTooLong,
        Errno::BADF | Errno::NOTSOCK | Errno::FAULT | Errno::OPNOTSUPP | Errno::DESTADDRREQ => ErrorKind::Fatal,
        _ if is_closed(errno) => ErrorKind::Closed,
        _ => ErrorKind::FrameRejected,
    }
}

/// The peer is gone, or the interface behind a TUN/TAP descriptor was deleted (`EBADFD`).
fn is_closed(errno: Errno) -> bool {
    matches!(errno, Errno::PIPE | Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN | Errno::BADFD)
}

/// An `AF_PACKET` socket whose interface was deleted keeps the name of none (packet(7); tested on Linux 6.18).
pub(crate) fn is_deleted(fd: BorrowedFd<'_>) -> bool {
    sockaddr::packet_ifindex(fd).is_ok_and(|index| index < 0)
}
