use core::time::Duration;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use fdlink_core::io::{ErrorKind, RxFilter, TxFrame, TxQueue, Wake};
use heapless::Vec as FixedVec;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg, sendmsg};

use crate::classify::send_error;
use crate::error::FdError;
use crate::fd::{Fd, FdStop};
use crate::kernel_filter::KernelFilter;
use crate::probe::FdKind;
use crate::wait::{pause, wait};

/// Most frames in one `sendmmsg`.
const MAX_FRAMES: usize = 64;

/// Most I/O vectors in one call that takes no memory: two or three for each of many frames, or a header and all slices of one.
const MAX_IOVECS: usize = 192;

/// Most I/O vectors of one message (`UIO_MAXIOV`, sendmsg(2)).
const MAX_IOVECS_OF_FRAME: usize = 1024;

/// Bytes of a message header and of an I/O vector, as the origin counts them against `MaxSyscallHeaderBytes`.
const HEADER_BYTES: usize = 64;
const IOVEC_BYTES: usize = 16;

/// How long to let pass when the system is short of buffers, at most: readiness does not tell when it is over.
const NO_BUFFERS_PAUSE: Duration = Duration::from_micros(500);

/// Sends to a descriptor: `sendmmsg(2)` on sockets, `writev(2)` elsewhere.
#[derive(Debug)]
pub struct FdTx<F: AsFd> {
    fd: Arc<Fd<F>>,
    stop: FdStop,
    kernel_filter: Option<KernelFilter<F>>,
    max_header_bytes: usize,
}

impl<F: AsFd> FdTx<F> {
    pub(crate) const fn new(
        fd: Arc<Fd<F>>,
        stop: FdStop,
        kernel_filter: Option<KernelFilter<F>>,
        max_syscall_header_bytes: usize,
    ) -> Self {
        let max_header_bytes = if max_syscall_header_bytes == 0 { usize::MAX } else { max_syscall_header_bytes };
        Self { fd, stop, kernel_filter, max_header_bytes }
    }

    /// One call for as many frames as the caps allow.
    fn send_many<const FRAMES: usize, const IOVECS: usize>(&self, frames: &[TxFrame<'_>]) -> Result<usize, FdError> {
        let mut iovecs = FixedVec::<IoSlice<'_>, IOVECS>::new();
        let mut counts = FixedVec::<usize, FRAMES>::new();
        self.gather(frames, &mut iovecs, &mut counts);
        if counts.is_empty() {
            return self.send_alone(frames);
        }
        let mut controls = FixedVec::<SendAncillaryBuffer<'_, '_, '_>, FRAMES>::new();
        controls.extend(counts.iter().map(|_| SendAncillaryBuffer::default()));
        let mut messages = FixedVec::<MMsgHdr<'_>, FRAMES>::new();
        let mut rest = iovecs.as_slice();
        for (count, control) in counts.iter().zip(&mut controls) {
            let (message, others) = rest.split_at(*count);
            rest = others;
            // As many as `counts`, which has the same capacity.
            let _ = messages.push(MMsgHdr::new(message, control));
        }
        self.call("sendmmsg", || sendmmsg(&self.fd, &mut messages, SEND_FLAGS))
    }

    /// Takes frames until a cap is met: number of frames, number of I/O vectors, header bytes.
    fn gather<'f, const FRAMES: usize, const IOVECS: usize>(
        &self,
        frames: &'f [TxFrame<'_>],
        iovecs: &mut FixedVec<IoSlice<'f>, IOVECS>,
        counts: &mut FixedVec<usize, FRAMES>,
    ) {
        let mut header_bytes = 0usize;
        for frame in frames.iter().take(FRAMES) {
            let start = iovecs.len();
            let fits = frame.slices().all(|slice| iovecs.push(IoSlice::new(slice)).is_ok());
            let count = iovecs.len() - start;
            header_bytes = header_bytes.saturating_add(HEADER_BYTES + IOVEC_BYTES * count);
            if !fits || header_bytes > self.max_header_bytes {
                iovecs.truncate(start);
                return;
            }
            let _ = counts.push(count);
        }
    }

    /// One frame that is too much for a batch.
    #[cold]
    fn send_alone(&self, frames: &[TxFrame<'_>]) -> Result<usize, FdError> {
        let Some(frame) = frames.first() else { return Ok(0) };
        let mut tail = Vec::new();
        let iovecs = self.vectors(frame, &mut tail);
        let mut control = SendAncillaryBuffer::default();
        self.call("sendmsg", || sendmsg(&self.fd, &iovecs, &mut control, SEND_FLAGS))?;
        Ok(1)
    }

    /// One call a frame, as far as they go.
    fn write_each(&self, frames: &[TxFrame<'_>]) -> Result<usize, FdError> {
        for (sent, frame) in frames.iter().enumerate() {
            match self.write(frame) {
                Ok(()) => {}
                Err(error) if sent == 0 => return Err(error),
                Err(_) => return Ok(sent),
            }
        }
        Ok(frames.len())
    }

    #[inline]
    fn write(&self, frame: &TxFrame<'_>) -> Result<(), FdError> {
        let fd = self.fd();
        match (frame.header, frame.parts) {
            // One slice, the cheapest: no I/O vector at all.
            ([], [only]) => self.call("write", || rustix::io::write(fd, only)),
            (header, [only]) => {
                self.call("writev", || rustix::io::writev(fd, &[IoSlice::new(header), IoSlice::new(only)]))
            }
            _ => self.write_vectors(frame),
        }
        .map(|_| ())
    }

    fn write_vectors(&self, frame: &TxFrame<'_>) -> Result<usize, FdError> {
        let mut few = FixedVec::<IoSlice<'_>, MAX_IOVECS>::new();
        let is_few = frame.slices().all(|slice| few.push(IoSlice::new(slice)).is_ok());
        if is_few && IOVEC_BYTES * few.len() <= self.max_header_bytes {
            return self.call("writev", || rustix::io::writev(&self.fd, &few));
        }
        let mut tail = Vec::new();
        let iovecs = self.vectors(frame, &mut tail);
        self.call("writev", || rustix::io::writev(&self.fd, &iovecs))
    }

    /// The I/O vectors of one frame. Beyond what one call takes, the last parts are copied together into `tail`, once.
    fn vectors<'f>(&self, frame: &'f TxFrame<'_>, tail: &'f mut Vec<u8>) -> Vec<IoSlice<'f>> {
        let most = (self.max_header_bytes / IOVEC_BYTES).clamp(1, MAX_IOVECS_OF_FRAME);
        if frame.slices().count() <= most {
            return frame.slices().map(IoSlice::new).collect();
        }
        tail.extend(frame.slices().skip(most - 1).flatten());
        frame.slices().take(most - 1).chain([tail.as_slice()]).map(IoSlice::new).collect()
    }

    /// Repeats an interrupted call (rule E1) and classifies its error.
    #[inline]
    fn call<T>(&self, name: &'static str, mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, FdError> {
        match rustix::io::retry_on_intr(&mut call) {
            // A packet socket keeps the loss of its link as an error until a call takes it, also after the link is back.
            Err(Errno::NETDOWN) if self.fd.kind == FdKind::Packet => rustix::io::retry_on_intr(&mut call),
            result => result,
        }
        .map_err(|errno| self.error(name, errno))
    }

    #[cold]
    fn error(&self, call: &'static str, errno: Errno) -> FdError {
        FdError::new(call, errno, send_error(self.fd.kind, self.fd.has_vnet_header, self.fd(), errno))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Never block, and never raise SIGPIPE (send(2)).
const SEND_FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

impl<F: AsFd> TxQueue for FdTx<F> {
    type Error = FdError;

    fn send(&self, frames: &[TxFrame<'_>]) -> Result<usize, FdError> {
        match frames {
            [] => Ok(0),
            // The room of a full batch does not pay for one frame alone.
            [only] if self.fd.kind.is_socket() && only.parts.len() < 4 => self.send_many::<1, 4>(frames),
            _ if self.fd.kind.is_socket() => self.send_many::<MAX_FRAMES, MAX_IOVECS>(frames),
            _ => self.write_each(frames),
        }
    }

    fn wait(&self, refused: ErrorKind, timeout: Duration) -> Result<Wake, FdError> {
        if refused == ErrorKind::NoBuffers {
            return Ok(pause(&self.stop, timeout.min(NO_BUFFERS_PAUSE)));
        }
        wait(self.fd(), &self.stop, PollFlags::OUT, Some(timeout)).map(|readiness| readiness.wake)
    }

    fn set_rx_filter(&self, filter: &RxFilter) -> Result<bool, FdError> {
        self.kernel_filter.as_ref().map_or(Ok(false), |kernel_filter| kernel_filter.set(filter))
    }
}
