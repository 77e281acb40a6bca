//! `recvmmsg(2)`, which rustix does not have, into slots that are set up once.
#![expect(unsafe_code, reason = "recvmmsg, and the message headers that point into the slots")]

use core::ptr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::mapping::Mapping;

/// Most messages that the kernel takes in one call (`UIO_MAXIOV`, recvmmsg(2)).
pub(crate) const MAX_MESSAGES: usize = 1024;

/// How slots are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SlotLayout {
    /// Longest message in bytes, at least 1.
    pub(crate) slot_len: usize,
    /// Bytes in front of each message that stay free.
    pub(crate) headroom: usize,
    /// The socket sends control messages along.
    pub(crate) control: bool,
}

/// Receive slots of equal size, with one message header and one I/O vector each.
///
/// ```text
///  headers[i] ─┬► iovecs[i] ──► memory[i * stride + headroom ..][.. slot_len]
///              └► controls[i]
/// ```
pub(crate) struct MessageSlots {
    memory: Mapping,
    headers: Box<[libc::mmsghdr]>,
    /// Boxed, so that the addresses in `headers` stay right when the value moves. Read by the kernel only.
    _iovecs: Box<[libc::iovec]>,
    /// Empty where there are no control messages.
    controls: Box<[Control]>,
    /// Slots whose headers the kernel has written to since they were prepared.
    used: usize,
    stride: usize,
    layout: SlotLayout,
}

/// Room for control messages; more than `PACKET_AUXDATA` with all that other options add to it.
#[repr(align(8))]
struct Control([u8; CONTROL_LEN]);

const CONTROL_LEN: usize = 256;

// SAFETY: the raw pointers lead only to memory that this value owns, so that they may move to another thread with it.
unsafe impl Send for MessageSlots {}

// SAFETY: `&MessageSlots` gives no access to what the pointers lead to.
unsafe impl Sync for MessageSlots {}

impl MessageSlots {
    /// `slots` slots, at least 1.
    pub(crate) fn new(slots: usize, layout: SlotLayout) -> Result<Self, Errno> {
        let SlotLayout { slot_len, headroom, control } = layout;
        let stride = (headroom + slot_len).checked_next_multiple_of(64).ok_or(Errno::NOMEM)?;
        let memory = Mapping::anonymous(stride.checked_mul(slots).ok_or(Errno::NOMEM)?)?;
        let mut iovecs: Box<[libc::iovec]> =
            (0..slots).map(|slot| iovec(&memory, slot * stride + headroom, slot_len)).collect();
        let headers = iovecs.iter_mut().map(message_header).collect();
        let controls = (0..if control { slots } else { 0 }).map(|_| Control([0; CONTROL_LEN])).collect();
        Ok(Self { memory, headers, _iovecs: iovecs, controls, used: slots, stride, layout })
    }

    /// The bytes of all slots, their distance, and the longest message.
    #[inline]
    pub(crate) const fn memory(&mut self) -> (&mut [u8], usize, usize) {
        (self.memory.bytes_mut(), self.stride, self.layout.slot_len)
    }

    /// Receives what is there now, one message a slot and `most` at most, and returns how many slots were filled, from the first on. Never
    /// blocks.
    pub(crate) fn recvmmsg(&mut self, fd: BorrowedFd<'_>, most: usize) -> Result<usize, Errno> {
        self.prepare();
        // MSG_TRUNC as input makes `msg_len` the real length of a message that was cut (recv(2)).
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        let vlen = self.headers.len().min(most) as libc::c_uint;
        // The type of the flags differs between C libraries; the values are the same and small.
        #[allow(clippy::useless_conversion, trivial_numeric_casts, reason = "c_int with glibc, c_uint with musl")]
        let flags = flags as _;
        // SAFETY: `headers` is an array of `vlen` message headers or more; each points to one iovec of its own, which describes a slot inside `memory`.
        // All three belong to `self`, are borrowed exclusively, and the kernel keeps no pointer beyond the call. Names are
        // null with length 0; control buffers are, too, or belong to `controls` (`prepare`). A null timeout is allowed (recvmmsg(2)).
        let received =
            unsafe { libc::recvmmsg(fd.as_raw_fd(), self.headers.as_mut_ptr(), vlen, flags, ptr::null_mut()) };
        self.used = usize::try_from(received).map_err(|_| last_errno())?;
        Ok(self.used)
    }

    /// The kernel puts the length of what it wrote in the place of the length that there is.
    fn prepare(&mut self) {
        for (header, control) in self.headers.iter_mut().zip(&mut self.controls).take(self.used) {
            header.msg_hdr.msg_control = ptr::from_mut(control).cast();
            header.msg_hdr.msg_controllen = CONTROL_LEN as _;
        }
        self.used = 0;
    }

    /// The control messages of each slot.
    #[inline]
    #[allow(clippy::unnecessary_cast, reason = "size_t with glibc, socklen_t with musl")]
    pub(crate) fn controls(&self) -> impl Iterator<Item = &[u8]> {
        let lens = self.headers.iter().map(|header| header.msg_hdr.msg_controllen as usize);
        self.controls.iter().zip(lens).map(|(Control(control), len)| control.split_at(len.min(CONTROL_LEN)).0)
    }

    /// The real length of the message in each slot.
    #[inline]
    pub(crate) fn lens(&self) -> impl Iterator<Item = usize> {
        self.headers.iter().map(|header| header.msg_len as usize)
    }
}

/// An I/O vector for `len` bytes at `offset`; the caller keeps both inside the mapping.
fn iovec(memory: &Mapping, offset: usize, len: usize) -> libc::iovec {
    libc::iovec { iov_base: memory.start().as_ptr().wrapping_add(offset).cast(), iov_len: len }
}

fn message_header(iovec: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all zero bits are a valid mmsghdr: null pointers and zero lengths. (Some C libraries have private padding fields, so that it cannot
    // be written as a literal.)
    let mut header: libc::mmsghdr = unsafe { core::mem::zeroed() };
    header.msg_hdr.msg_iov = ptr::from_mut(iovec);
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn last_errno() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
