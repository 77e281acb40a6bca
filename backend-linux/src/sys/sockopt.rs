//! Socket options that rustix has no function for: those of `SOL_PACKET` (packet(7)).
#![expect(unsafe_code, reason = "rustix 1.1 has no generic setsockopt")]

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use libc::c_int;
use rustix::io::Errno;

/// What the kernel reads as the value of an option.
///
/// # Safety
///
/// The type has no padding, and every pattern of bytes is a value of it.
pub(crate) unsafe trait OptionValue: Copy {}

// SAFETY: an integer.
unsafe impl OptionValue for c_int {}

// SAFETY: `#[repr(C)]`, integers only (int, u16, u16, [u8; 8]), which leave no gap.
unsafe impl OptionValue for libc::packet_mreq {}

/// `setsockopt(2)`.
pub(crate) fn set<T: OptionValue>(fd: impl AsFd, level: c_int, option: c_int, value: &T) -> Result<(), Errno> {
    // SAFETY: the kernel reads `optlen` bytes at `optval` and writes none (setsockopt(2)). That many belong to `value`, which is
    // borrowed until the call returns, and `OptionValue` says that all of them are initialised. `fd` is open until this function ends.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            level,
            option,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    check(result)
}

/// The error of a libc call that returned `result`, to be asked for right behind the call.
pub(super) fn check(result: c_int) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}
