use std::os::fd::AsFd;
use std::sync::Arc;

use fdlink_core::io::{ErrorKind, RxFilter};
use libc::c_int;
use rustix::io::Errno;

use crate::error::{FdError, SetupError};
use crate::fd::Fd;
use crate::filter::{ACCEPT_ALL, program};
use crate::probe::FdKind;
use crate::sys::{bpf, sockopt};

/// The filter of a socket, which the kernel asks before it queues a frame (`SO_ATTACH_FILTER`, socket(7)). Dropping it takes it off.
#[derive(Debug)]
pub(crate) struct KernelFilter<F: AsFd>(Arc<Fd<F>>);

impl<F: AsFd> KernelFilter<F> {
    /// Finds out whether the socket takes a filter, by one that accepts everything.
    pub(crate) fn new(fd: Arc<Fd<F>>) -> Result<Self, SetupError> {
        if fd.kind != FdKind::Packet {
            return Err(refused("works on AF_PACKET sockets only; the endpoint filters by itself"));
        }
        if is_locked(&*fd) {
            return Err(refused("the socket is locked to the filter that it has, or has not (SO_LOCK_FILTER)"));
        }
        if has_filter(&*fd) {
            return Err(refused("the socket has a filter of somebody else; take it off first (SO_DETACH_FILTER)"));
        }
        bpf::attach(&*fd, &ACCEPT_ALL).map_err(SetupError::system("setsockopt SO_ATTACH_FILTER"))?;
        Ok(Self(fd))
    }

    /// Swaps the program for that of `filter`, between two frames; true if that is in force. A filter that the kernel does not take leaves the
    /// socket without any, so that no frame is missed.
    pub(crate) fn set(&self, filter: &RxFilter) -> Result<bool, FdError> {
        if bpf::attach(&*self.0, &program(filter)).is_ok() {
            return Ok(true);
        }
        match bpf::detach(&*self.0) {
            Ok(()) | Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(FdError::new("setsockopt SO_DETACH_FILTER", errno, ErrorKind::Fatal)),
        }
    }
}

impl<F: AsFd> Drop for KernelFilter<F> {
    fn drop(&mut self) {
        // Fails where somebody locked the filter meanwhile: it is theirs then.
        let _ = bpf::detach(&*self.0);
    }
}

fn is_locked(fd: impl AsFd) -> bool {
    sockopt::get::<c_int>(fd, libc::SOL_SOCKET, libc::SO_LOCK_FILTER).is_ok_and(|locked| locked != 0)
}

/// One that is no classic program cannot be read (`EACCES`).
fn has_filter(fd: impl AsFd) -> bool {
    match sockopt::len(fd, libc::SOL_SOCKET, libc::SO_GET_FILTER) {
        Ok(instructions) => instructions > 0,
        Err(errno) => errno == Errno::ACCESS,
    }
}

const fn refused(reason: &'static str) -> SetupError {
    SetupError::Unavailable { option: "kernel_filter", reason }
}
