use core::sync::atomic::{AtomicBool, Ordering};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use fdlink_core::io::{Channel, Limits, RawIo, Stop};
use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::error::{FdError, SetupError};
use crate::kernel_filter::KernelFilter;
use crate::mode::{DispatchMode, FdOptions};
use crate::probe::{FdKind, Probe, probe};
use crate::rx::FdRx;
use crate::send::FdTx;
use crate::sys::mmsg::MAX_MESSAGES;
use crate::vnet::{self, Vnet};

/// A channel over a file descriptor: owned ([`OwnedFd`]) or borrowed (anything that is [`AsFd`], for as long as the channel lives).
///
/// The descriptor is made non-blocking; if that was a change, it is changed back when the last half of the channel is dropped. Mind
/// that this flag belongs to the open file, so that duplicates of the descriptor share it (fcntl(2)).
pub struct FdIo<F: AsFd = OwnedFd> {
    fd: Arc<Fd<F>>,
    stop: FdStop,
    rx: FdRx<F>,
    vnet: Vnet,
    limits: Limits,
    kernel_filter: Option<KernelFilter<F>>,
    max_header_bytes: usize,
}

impl<F: AsFd> FdIo<F> {
    /// Wraps `fd`.
    ///
    /// # Errors
    ///
    /// [`SetupError`]: no link, a mode that the descriptor cannot do, an option out of range, or a system call that failed. An owned
    /// descriptor is closed then; a borrowed one is as it was, but that a TUN or TAP interface forbids every offload.
    pub fn new(fd: F, options: &FdOptions) -> Result<Self, SetupError> {
        let probe = probe(&fd)?;
        let mode = choose_mode(&probe, options)?;
        let mut fd = Fd::new(fd, probe.kind)?;
        let vnet = Vnet::negotiate(&mut fd, &probe, options)?;
        fd.has_vnet_header = vnet.header_len > 0;
        let fd = Arc::new(fd);
        Self::with_vnet(Arc::clone(&fd), vnet, mode, options).inspect_err(|_| vnet.undo(&*fd))
    }

    fn with_vnet(fd: Arc<Fd<F>>, vnet: Vnet, mode: DispatchMode, options: &FdOptions) -> Result<Self, SetupError> {
        let usual = vnet::usual_frame_len(vnet.granted, FdOptions::DEFAULT_FRAME_LEN);
        let frame_len = options.max_frame_len.unwrap_or(usual).saturating_add(vnet.header_len);
        if frame_len == 0 || frame_len > MAX_FRAME_LEN {
            return Err(SetupError::BadOption { option: "max_frame_len", reason: "must be 1 to 16,777,216 bytes" });
        }
        let kernel_filter = options.kernel_filter.then(|| KernelFilter::new(Arc::clone(&fd))).transpose()?;
        let stop = FdStop(Arc::new(StopFd::new()?));
        let rx = FdRx::new(Arc::clone(&fd), stop.clone(), mode, options, frame_len, vnet.header_len)?;
        if options.reinsert_vlan_tag {
            check_reinsertion(rx.keeps_tags(), vnet.header_len)?;
        }
        let frames_per_send = if fd.kind.is_socket() { MAX_MESSAGES } else { 1 };
        let limits = Limits::new(frame_len)
            .with_frames_per_send(frames_per_send)
            .with_vnet_header(vnet.header_len, vnet.granted);
        Ok(Self { fd, stop, rx, vnet, limits, kernel_filter, max_header_bytes: options.max_syscall_header_bytes })
    }

    /// Of no use after all: leaves a borrowed descriptor as [`new`](Self::new) does where it fails.
    pub(crate) fn undo(self) {
        self.vnet.undo(&*self.fd);
    }

    /// What the descriptor is.
    pub fn kind(&self) -> FdKind {
        self.fd.kind
    }

    /// True if no VLAN tag is lost.
    pub(crate) fn keeps_tags(&self) -> bool {
        self.rx.keeps_tags()
    }

    /// How frames are received.
    pub const fn dispatch_mode(&self) -> DispatchMode {
        self.rx.dispatch_mode()
    }
}

/// Far above every interface; it keeps sums of lengths far from overflow.
const MAX_FRAME_LEN: usize = 16 << 20;

/// What an `AF_PACKET` socket needs so that the VLAN tags of frames are known.
pub(crate) const TAGS_ARE_LOST: &str = "the kernel takes VLAN tags out of frames and this mode does not tell them: use packet_mmap with TPACKET_V2 or \
    V3, or recvmmsg on a socket with PACKET_AUXDATA, which PacketSocket sets";

const fn check_reinsertion(keeps_tags: bool, vnet_header_len: usize) -> Result<(), SetupError> {
    let reason = match (keeps_tags, vnet_header_len) {
        (true, 0) => return Ok(()),
        (false, _) => TAGS_ARE_LOST,
        (true, _) => "not along with a virtio-net header, which counts from the start of the frame without its tag",
    };
    Err(SetupError::Unavailable { option: "reinsert_vlan_tag", reason })
}

fn choose_mode(probe: &Probe, options: &FdOptions) -> Result<DispatchMode, SetupError> {
    let mode = options.dispatch_mode.unwrap_or(probe.best_mode());
    match probe.supports(mode) {
        Err(SetupError::Unavailable { .. }) if options.fallback => Ok(DispatchMode::Readv),
        supported => supported.map(|()| mode),
    }
}

impl<F: AsFd> RawIo for FdIo<F> {
    type Error = FdError;
    type Rx = FdRx<F>;
    type Tx = FdTx<F>;
    type Stop = FdStop;

    fn limits(&self) -> Limits {
        self.limits
    }

    fn split(self) -> Channel<FdRx<F>, FdTx<F>, FdStop> {
        let tx = FdTx::new(self.fd, self.stop.clone(), self.kernel_filter, self.max_header_bytes);
        Channel { rx: self.rx, tx, stop: self.stop }
    }
}

/// A descriptor with what is known of it, shared by the halves of a channel.
#[derive(Debug)]
pub(crate) struct Fd<F: AsFd> {
    fd: F,
    pub(crate) kind: FdKind,
    was_blocking: bool,
    pub(crate) has_vnet_header: bool,
    /// The virtio-net header of this packet socket is our doing.
    pub(crate) has_new_vnet_header: bool,
}

impl<F: AsFd> Fd<F> {
    fn new(fd: F, kind: FdKind) -> Result<Self, SetupError> {
        let flags = fcntl_getfl(&fd).map_err(SetupError::system("fcntl F_GETFL"))?;
        let was_blocking = !flags.contains(OFlags::NONBLOCK);
        if was_blocking {
            fcntl_setfl(&fd, flags | OFlags::NONBLOCK).map_err(SetupError::system("fcntl F_SETFL"))?;
        }
        Ok(Self { fd, kind, was_blocking, has_vnet_header: false, has_new_vnet_header: false })
    }
}

impl<F: AsFd> AsFd for Fd<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<F: AsFd> Drop for Fd<F> {
    /// Nobody could act on an error here: the descriptor is going, or it was closed behind our back.
    fn drop(&mut self) {
        if self.has_new_vnet_header {
            let _ = vnet::switch(&self.fd, 0);
        }
        if self.was_blocking
            && let Ok(flags) = fcntl_getfl(&self.fd)
        {
            let _ = fcntl_setfl(&self.fd, flags - OFlags::NONBLOCK);
        }
    }
}

/// Ends waits on a channel, from any thread: an eventfd(2) that every wait polls along with the descriptor.
#[derive(Debug, Clone)]
pub struct FdStop(Arc<StopFd>);

#[derive(Debug)]
struct StopFd {
    event: OwnedFd,
    stopped: AtomicBool,
}

impl StopFd {
    fn new() -> Result<Self, SetupError> {
        let event =
            eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(SetupError::system("eventfd"))?;
        Ok(Self { event, stopped: AtomicBool::new(false) })
    }
}

impl FdStop {
    pub(crate) fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }
}

impl AsFd for FdStop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.event.as_fd()
    }
}

impl Stop for FdStop {
    fn stop(&self) {
        if !self.0.stopped.swap(true, Ordering::AcqRel) {
            // Cannot fail: the counter was 0 and takes up to 2^64 - 2 (eventfd(2)).
            let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
        }
    }

    fn rearm(&self) {
        if self.0.stopped.swap(false, Ordering::AcqRel) {
            let _ = rustix::io::read(&self.0.event, &mut [0u8; 8]);
        }
    }
}
