//! Socket options that rustix has no function for: those of `SOL_PACKET` (packet(7)).
#![expect(unsafe_code, reason = "rustix 1.1 has no generic getsockopt and setsockopt")]

use std::io;
use std::mem::MaybeUninit;
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

// SAFETY: an integer.
unsafe impl OptionValue for u64 {}

// SAFETY: `#[repr(C)]`, integers only (int, u16, u16, [u8; 8]), which leave no gap.
unsafe impl OptionValue for libc::packet_mreq {}

// SAFETY: `#[repr(C)]`, two u32.
unsafe impl OptionValue for libc::tpacket_stats {}

// SAFETY: `#[repr(C)]`, four u32.
unsafe impl OptionValue for libc::tpacket_req {}

// SAFETY: `#[repr(C)]`, seven u32.
unsafe impl OptionValue for libc::tpacket_req3 {}

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

/// `getsockopt(2)`. Where the kernel's value is shorter than `T`, as in an older kernel, the rest is zero.
pub(crate) fn get<T: OptionValue>(fd: impl AsFd, level: c_int, option: c_int) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::zeroed();
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes at most the `*optlen` bytes at `optval` that it finds there, and cuts longer values (getsockopt(2)). That
    // many belong to `value`; it and `len` are borrowed mutably, so nobody else sees them change. `fd` is open as long as it is borrowed.
    let result =
        unsafe { libc::getsockopt(fd.as_fd().as_raw_fd(), level, option, value.as_mut_ptr().cast(), &raw mut len) };
    check(result)?;
    // SAFETY: every byte is initialised, by the kernel or to zero above, and `OptionValue` says that any bytes are a value.
    Ok(unsafe { value.assume_init() })
}

/// The length that the kernel tells for an option of which no byte is asked: of `SO_GET_FILTER`, instructions.
pub(crate) fn len(fd: impl AsFd, level: c_int, option: c_int) -> Result<usize, Errno> {
    let mut len: libc::socklen_t = 0;
    // SAFETY: the kernel writes at most the 0 bytes at `optval` that it finds in `*optlen`, so that a null pointer is as good as any
    // (getsockopt(2)); `len` is borrowed mutably. `fd` is open as long as it is borrowed.
    let result = unsafe { libc::getsockopt(fd.as_fd().as_raw_fd(), level, option, std::ptr::null_mut(), &raw mut len) };
    check(result).map(|()| len as usize)
}

/// The error of a libc call that returned `result`, to be asked for right behind the call.
pub(super) fn check(result: c_int) -> Result<(), Errno> {
    if result == 0 {
        return Ok(());
    }
    Err(Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO))
}
