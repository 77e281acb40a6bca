//! `recvmmsg(2)`, which rustix does not have, into slots that are set up once.
#![expect(unsafe_code, reason = "recvmmsg, and the message headers that point into the slots")]

use core::ptr;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::mapping::Mapping;

/// Most messages that the kernel takes in one call (`UIO_MAXIOV`, recvmmsg(2)).
pub(crate) const MAX_MESSAGES: usize = 1024;

/// Receive slots of equal size, with one message header and one I/O vector each.
///
/// ```text
///  headers[i] ──► iovecs[i] ──► memory[i * stride ..][.. slot_len]
/// ```
pub(crate) struct MessageSlots {
    memory: Mapping,
    headers: Box<[libc::mmsghdr]>,
    /// Boxed, so that the addresses in `headers` stay right when the value moves. Read by the kernel only.
    _iovecs: Box<[libc::iovec]>,
    stride: usize,
    slot_len: usize,
}

// SAFETY: the raw pointers lead only to memory that this value owns, so that they may move to another thread with it.
unsafe impl Send for MessageSlots {}

// SAFETY: `&MessageSlots` gives no access to what the pointers lead to.
unsafe impl Sync for MessageSlots {}

impl MessageSlots {
    /// `slots` slots, at least 1, for messages of up to `slot_len` bytes, at least 1.
    pub(crate) fn new(slots: usize, slot_len: usize) -> Result<Self, Errno> {
        let stride = slot_len.checked_next_multiple_of(64).ok_or(Errno::NOMEM)?;
        let memory = Mapping::anonymous(stride.checked_mul(slots).ok_or(Errno::NOMEM)?)?;
        let mut iovecs: Box<[libc::iovec]> = (0..slots).map(|slot| iovec(&memory, slot * stride, slot_len)).collect();
        let headers = iovecs.iter_mut().map(message_header).collect();
        Ok(Self { memory, headers, _iovecs: iovecs, stride, slot_len })
    }

    /// The bytes of all slots, their distance, and the longest message.
    #[inline]
    pub(crate) const fn memory(&mut self) -> (&mut [u8], usize, usize) {
        (self.memory.bytes_mut(), self.stride, self.slot_len)
    }

    /// Receives what is there now, at most one message a slot, and returns how many slots were filled, from the first on. Never blocks.
    pub(crate) fn recvmmsg(&mut self, fd: BorrowedFd<'_>) -> Result<usize, Errno> {
        // MSG_TRUNC as input makes `msg_len` the real length of a message that was cut (recv(2)).
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        let vlen = self.headers.len() as libc::c_uint;
        // The type of the flags differs between C libraries; the values are the same and small.
        #[allow(clippy::useless_conversion, trivial_numeric_casts, reason = "c_int with glibc, c_uint with musl")]
        let flags = flags as _;
        // SAFETY: `headers` is an array of `vlen` message headers; each points to one iovec of its own, which describes a slot inside `memory`.
        // All three belong to `self`, are borrowed exclusively, and the kernel keeps no pointer beyond the call. Names and control buffers
        // are null with length 0, and a null timeout is allowed (recvmmsg(2)).
        let received =
            unsafe { libc::recvmmsg(fd.as_raw_fd(), self.headers.as_mut_ptr(), vlen, flags, ptr::null_mut()) };
        usize::try_from(received).map_err(|_| last_errno())
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
