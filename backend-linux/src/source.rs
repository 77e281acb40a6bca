use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use fdlink_core::io::{ErrorKind, IoError as _, Wake};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ioctl_fionread};
use rustix::net::sockopt::socket_error;

use crate::classify::{is_deleted, receive_error};
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
    /// An error to report once no frame is left in front of it.
    deferred: Option<FdError>,
    /// The link is down, as far as we were told.
    is_down: bool,
    /// Since frames came or were waited for.
    dry_polls: u32,
}

/// How often to see whether an interface that is down was deleted: the kernel does not tell that (tested on Linux 6.18).
const DOWN_CHECK: Duration = Duration::from_millis(100);

const DRY_POLLS_PER_CALL: u32 = 64;

impl<F: AsFd> Source<F> {
    pub(crate) const fn new(fd: Arc<Fd<F>>, stop: FdStop) -> Self {
        Self { fd, stop, end: None, deferred: None, is_down: false, dry_polls: 0 }
    }

    pub(crate) fn kind(&self) -> FdKind {
        self.fd.kind
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Reports the end, for ever (rule R7).
    pub(crate) fn check_end(&self) -> Result<(), FdError> {
        self.end.map_or(Ok(()), Err)
    }

    /// Reports what came behind the last frame, now that none is left: the end for ever, anything else once.
    pub(crate) fn check_dry(&mut self) -> Result<(), FdError> {
        let Some(error) = self.deferred.take() else { return self.check_end() };
        self.is_down = error.kind() == ErrorKind::LinkDown;
        if matches!(error.kind(), ErrorKind::Closed | ErrorKind::Fatal) {
            self.end = Some(error);
        }
        Err(error)
    }

    /// Frames have come.
    #[inline]
    pub(crate) const fn gave(&mut self) {
        self.is_down = false;
        self.dry_polls = 0;
    }

    /// Keeps an error until the frames in front of it were lent.
    pub(crate) const fn defer(&mut self, error: FdError) {
        self.deferred = Some(error);
    }

    /// Sorts a failed call: `Ok(true)` to call again, `Ok(false)` when nothing is there now.
    ///
    /// The loss of the link or of the peer comes ahead of the frames that were queued before it: it is kept, and the frames are read.
    pub(crate) fn judge(&mut self, call: &'static str, errno: Errno) -> Result<bool, FdError> {
        match errno {
            Errno::INTR => return Ok(true),
            Errno::AGAIN => return Ok(false),
            // A unix socket reports once that the peer closed with data unread; its end shows when its own data was read.
            Errno::CONNRESET if matches!(self.fd.kind, FdKind::Seqpacket | FdKind::Datagram) => return Ok(true),
            _ => {}
        }
        let error = FdError::new(call, errno, receive_error(self.fd.kind, self.fd(), errno));
        match error.kind() {
            ErrorKind::LinkDown | ErrorKind::Closed => Ok(self.deferred.replace(error).is_none()),
            ErrorKind::Fatal => {
                self.end = Some(error);
                Err(error)
            }
            _ => Err(error),
        }
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
        self.dry_polls = 0;
        if readiness.events.contains(PollFlags::ERR) {
            self.ask_for_error();
        }
        Ok(readiness.wake)
    }

    /// As [`check_dry`](Self::check_dry) for a ring. Asking the socket costs a call, and a wait tells whether there is something to ask for. Who polls
    /// again instead has it asked at once, and then once in so many polls.
    pub(crate) fn check_dry_ring(&mut self) -> Result<(), FdError> {
        if self.dry_polls % DRY_POLLS_PER_CALL == 1 {
            self.ask_for_error();
        }
        self.dry_polls = self.dry_polls.wrapping_add(1);
        self.check_dry()
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
        if self.is_down && self.fd.kind == FdKind::Packet {
            return self.ready_while_down(timeout);
        }
        let readiness = wait(self.fd.as_fd(), &self.stop, PollFlags::IN | PollFlags::RDHUP, timeout)?;
        // A datagram socket that was shut down stays readable for ever and gives nothing.
        let shut_down = self.fd.kind == FdKind::Datagram && readiness.events.contains(PollFlags::RDHUP);
        if shut_down && is_drained(self.fd()) {
            self.set_closed("poll");
        }
        Ok(readiness)
    }

    fn ready_while_down(&mut self, timeout: Option<Duration>) -> Result<Readiness, FdError> {
        let short = timeout.map_or(DOWN_CHECK, |timeout| timeout.min(DOWN_CHECK));
        let readiness = wait(self.fd.as_fd(), &self.stop, PollFlags::IN, Some(short))?;
        if readiness.wake != Wake::TimedOut {
            return Ok(readiness);
        }
        if is_deleted(self.fd()) {
            self.set_closed("getsockname");
        }
        // A wait that was cut short ends like one that was woken for nothing.
        let is_over = self.end.is_none() && timeout == Some(short);
        Ok(Readiness { wake: if is_over { Wake::TimedOut } else { Wake::Ready }, ..readiness })
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
