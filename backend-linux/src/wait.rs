//! Waiting that can be stopped: `poll(2)` on the descriptor and on the stop eventfd together.

use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};

use fdlink_core::io::{ErrorKind, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::FdError;
use crate::fd::FdStop;

/// What a wait found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Readiness {
    pub(crate) wake: Wake,
    pub(crate) events: PollFlags,
}

/// Waits until `fd` shows one of `events`, an error or a hang-up.
pub(crate) fn wait(
    fd: BorrowedFd<'_>,
    stop: &FdStop,
    events: PollFlags,
    timeout: Option<Duration>,
) -> Result<Readiness, FdError> {
    let mut fds = [PollFd::from_borrowed_fd(fd, events), PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
    let timeout = timeout.map(timespec);
    match poll(&mut fds, timeout.as_ref()) {
        Ok(0) => Ok(Readiness { wake: Wake::TimedOut, events: PollFlags::empty() }),
        Ok(_) => judge(&fds),
        // A signal: look again. Contract rule E1 allows a spurious `Ready`.
        Err(Errno::INTR) => Ok(Readiness { wake: Wake::Ready, events: PollFlags::empty() }),
        Err(errno) => Err(FdError::new("poll", errno, ErrorKind::Fatal)),
    }
}

/// Lets `time` pass unless the channel is stopped.
pub(crate) fn pause(stop: &FdStop, time: Duration) -> Wake {
    let mut fds = [PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
    match poll(&mut fds, Some(&timespec(time))) {
        Ok(n) if n > 0 => Wake::Stopped,
        _ => Wake::TimedOut,
    }
}

fn judge(fds: &[PollFd<'_>; 2]) -> Result<Readiness, FdError> {
    let [events, stop] = fds.each_ref().map(PollFd::revents);
    if events.contains(PollFlags::NVAL) {
        return Err(FdError::new("poll", Errno::BADF, ErrorKind::Fatal));
    }
    let wake = if stop.is_empty() { Wake::Ready } else { Wake::Stopped };
    Ok(Readiness { wake, events })
}

fn timespec(time: Duration) -> Timespec {
    Timespec::try_from(time).unwrap_or(Timespec { tv_sec: i64::from(i32::MAX), tv_nsec: 0 })
}
