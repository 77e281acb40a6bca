//! Memory that the kernel writes frames into.
#![expect(unsafe_code, reason = "mmap, munmap, and slices of the memory they manage")]

use core::ptr::{self, NonNull};
use core::slice;
use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};

/// Memory of our own (zeroed, page-aligned, without physical memory until it is touched) or shared with the kernel.
#[derive(Debug)]
pub(crate) struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone, and memory has no thread.
unsafe impl Send for Mapping {}

// SAFETY: `&Mapping` gives out nothing but the raw start address.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `len` bytes; `len` must not be zero (`EINVAL`, mmap(2)).
    pub(crate) fn anonymous(len: usize) -> Result<Self, Errno> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        // SAFETY: a null hint lets the kernel choose an unused range, so no existing memory is replaced (mmap(2), MAP_FIXED absent).
        let start = unsafe { mmap_anonymous(ptr::null_mut(), len, prot, flags) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// Maps the first `len` bytes of what `fd` offers for sharing, such as the rings of a packet socket; `len` must not be zero.
    pub(crate) fn shared(fd: impl AsFd, len: usize) -> Result<Self, Errno> {
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: as in `anonymous`. The pages stay as long as they are mapped, also when the descriptor is closed (packet_mmap.rst).
        let start = unsafe { mmap(ptr::null_mut(), len, prot, flags, fd, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { start, len })
    }

    /// Bytes of the mapping.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Where the mapping starts, for addresses handed to the kernel. Valid as long as the mapping lives.
    pub(crate) const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The bytes. The kernel writes to them only during a system call that was given their address, and such a call takes `&mut self` of the
    /// owner.
    pub(crate) const fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: `start` is mapped for `len` bytes, readable, writable and initialised, until `drop`; `&mut self` makes the slice the only access.
        unsafe { slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl AsMut<[u8]> for Mapping {
    fn as_mut(&mut self) -> &mut [u8] {
        self.bytes_mut()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly the range that `anonymous` mapped; every slice of it borrowed `self`, so none is left. Unmapping a range that was
        // mapped whole cannot fail (munmap(2)), so there is no error to report.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
