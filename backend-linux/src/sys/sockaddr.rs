//! Addresses of `AF_PACKET` sockets (`struct sockaddr_ll`, packet(7)).
#![expect(unsafe_code, reason = "rustix 1.1 has no sockaddr_ll")]

use std::os::fd::{AsFd, AsRawFd};

use fdlink_core::EtherType;
use libc::c_int;
use rustix::io::Errno;

use super::sockopt::check;

/// Binds an `AF_PACKET` socket to one interface and protocol; from here on it receives. Protocol 0 stands for the one that the socket
/// was made with.
pub(crate) fn bind_packet(fd: impl AsFd, ifindex: c_int, protocol: EtherType) -> Result<(), Errno> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.0.to_be(),
        sll_ifindex: ifindex,
        ..EMPTY
    };
    // SAFETY: the kernel reads `addrlen` bytes at `addr` and writes none (bind(2)). That many belong to `address`, which has no padding
    // and lives until the call returns. `fd` is open until this function ends.
    let result = unsafe { libc::bind(fd.as_fd().as_raw_fd(), (&raw const address).cast(), ADDRESS_LEN) };
    check(result)
}

/// The index of the interface that an `AF_PACKET` socket is bound to: 0 before it is bound, -1 after the interface was deleted.
/// `ENOTSOCK` or `EAFNOSUPPORT` for other descriptors.
pub(crate) fn packet_ifindex(fd: impl AsFd) -> Result<c_int, Errno> {
    let mut address = EMPTY;
    let mut len = ADDRESS_LEN;
    // SAFETY: the kernel writes at most the `*addrlen` bytes at `addr` that it finds there, and cuts longer addresses (getsockname(2)).
    // That many belong to `address`, for which any bytes are a value; it and `len` are borrowed mutably, so nobody else sees them
    // change. `fd` is open until this function ends.
    let result = unsafe { libc::getsockname(fd.as_fd().as_raw_fd(), (&raw mut address).cast(), &raw mut len) };
    check(result)?;
    match c_int::from(address.sll_family) {
        libc::AF_PACKET => Ok(address.sll_ifindex),
        _ => Err(Errno::AFNOSUPPORT),
    }
}

const EMPTY: libc::sockaddr_ll = libc::sockaddr_ll {
    sll_family: 0,
    sll_protocol: 0,
    sll_ifindex: 0,
    sll_hatype: 0,
    sll_pkttype: 0,
    sll_halen: 0,
    sll_addr: [0; 8],
};

const ADDRESS_LEN: libc::socklen_t = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
