use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use fdlink_core::io::{ErrorKind, IoError as _, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::sockopt::socket_error;

use crate::classify::receive_error;
use crate::error::FdError;
use crate::fd::{Fd, FdStop};
use crate::probe::FdKind;
use crate::sys::sockopt;
use crate::wait::{Readiness, pause, wait};

/// A descriptor to receive from, and whether it has come to its end.
#[derive(Debug)]
pub(crate) struct Source<F: AsFd> {
    fd: Arc<Fd<F>>,
    stop: FdStop,
    end: Option<FdError>,
    /// An error that came behind frames of the same batch.
    deferred: Option<FdError>,
    dry_polls: u32,
}

const DRY_POLLS_PER_CALL: u32 = 64;

impl<F: AsFd> Source<F> {
    pub(crate) const fn new(fd: Arc<Fd<F>>, stop: FdStop) -> Self {
        Self { fd, stop, end: None, deferred: None, dry_polls: 0 }
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reports the end for ever (rule R7), and a deferred error once.
    pub(crate) fn check(&mut self) -> Result<(), FdError> {
        match self.end.or_else(|| self.deferred.take()) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Keeps an error until the frames in front of it were lent.
    pub(crate) const fn defer(&mut self, error: FdError) {
        self.deferred = Some(error);
    }

    /// Sorts a failed call: `Ok(true)` to call again, `Ok(false)` when nothing is there now.
    pub(crate) fn judge(&mut self, call: &'static str, errno: Errno) -> Result<bool, FdError> {
        match errno {
            Errno::INTR => return Ok(true),
            Errno::AGAIN => return Ok(false),
            // A unix socket reports once that the peer closed with data unread, ahead of what it had sent itself: read on (rule R7).
            Errno::CONNRESET if matches!(self.fd.kind, FdKind::Seqpacket | FdKind::Datagram) => return Ok(true),
            _ => {}
        }
        let error = FdError::new(call, errno, receive_error(self.fd.kind, self.fd(), errno));
        if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Fatal) {
            self.end = Some(error);
        }
        Err(error)
    }

    /// Tells whether a message of length 0 was the end of the stream, and remembers it.
    ///
    /// Only a seqpacket socket has such an end. A record of zero bytes looks the same; the end comes with a hang-up and an empty queue
    /// (unix(7); tested on Linux 6.18).
    pub(crate) fn is_end_of_stream(&mut self) -> bool {
        let ended = self.fd.kind == FdKind::Seqpacket && is_hung_up(self.fd()) && is_drained(self.fd());
        if ended {
            self.set_closed("recvmsg");
        }
        ended
    }

    /// `kept`: frames are there without asking the kernel.
    pub(crate) fn wait(&mut self, kept: bool, timeout: Option<Duration>) -> Result<Wake, FdError> {
        self.ready(kept, timeout).map(|readiness| readiness.wake)
    }

    /// As [`wait`](Self::wait) for a socket whose frames come by a ring: nobody receives from it, so its error has to be asked for.
    pub(crate) fn wait_for_ring(&mut self, kept: bool, timeout: Option<Duration>) -> Result<Wake, FdError> {
        let readiness = self.ready(kept, timeout)?;
        if readiness.events.contains(PollFlags::ERR) {
            self.ask_for_error();
        }
        Ok(readiness.wake)
    }

    /// As [`check`](Self::check) when a ring gave nothing. Asking the socket costs a call: when the ring has just run dry, and then once in so
    /// many polls.
    pub(crate) fn check_dry_ring(&mut self) -> Result<(), FdError> {
        if self.dry_polls.is_multiple_of(DRY_POLLS_PER_CALL) {
            self.ask_for_error();
        }
        self.dry_polls = self.dry_polls.wrapping_add(1);
        self.check()
    }

    /// A ring gave frames.
    #[inline]
    pub(crate) const fn ring_gave(&mut self) {
        self.dry_polls = 0;
    }

    fn ask_for_error(&mut self) {
        if let Ok(Err(errno)) = socket_error(&self.fd)
            && let Err(error) = self.judge("getsockopt SO_ERROR", errno)
        {
            self.defer(error);
        }
    }

    fn ready(&mut self, kept: bool, timeout: Option<Duration>) -> Result<Readiness, FdError> {
        let at_once = |wake| Ok(Readiness { wake, events: PollFlags::empty() });
        if self.stop.is_stopped() {
            return at_once(Wake::Stopped);
        }
        if kept || self.end.is_some() || self.deferred.is_some() {
            return at_once(Wake::Ready);
        }
        let readiness = wait(self.fd.as_fd(), &self.stop, PollFlags::IN | PollFlags::RDHUP, timeout)?;
        // A datagram socket that was shut down stays readable for ever and gives nothing.
        let shut_down = self.fd.kind == FdKind::Datagram && readiness.events.contains(PollFlags::RDHUP);
        if shut_down && is_drained(self.fd()) {
            self.set_closed("poll");
        }
        Ok(readiness)
    }

    pub(crate) fn pause(&self, time: Duration) -> Wake {
        match pause(&self.stop, time) {
            Wake::Stopped => Wake::Stopped,
            Wake::Ready | Wake::TimedOut => Wake::Ready,
        }
    }

    /// Frames that the kernel dropped since this was asked last, for want of room (`PACKET_STATISTICS`); 0 on other descriptors.
    pub(crate) fn kernel_drops(&mut self) -> usize {
        if self.fd.kind != FdKind::Packet {
            return 0;
        }
        sockopt::get::<libc::tpacket_stats>(&self.fd, libc::SOL_PACKET, libc::PACKET_STATISTICS)
            .map_or(0, |statistics| statistics.tp_drops as usize)
    }

    fn set_closed(&mut self, call: &'static str) {
        self.end = Some(FdError::new(call, Errno::PIPE, ErrorKind::Closed));
    }
}

fn is_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN | PollFlags::RDHUP)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut fds, Some(&now)).is_ok()
        && fds.iter().any(|fd| fd.revents().intersects(PollFlags::HUP | PollFlags::RDHUP))
}

fn is_drained(fd: BorrowedFd<'_>) -> bool {
    ioctl_fionread(fd).is_ok_and(|bytes| bytes == 0)
}
