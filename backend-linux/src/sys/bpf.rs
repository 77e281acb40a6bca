//! Socket filters of classic BPF (`SO_ATTACH_FILTER`, socket(7)).
#![expect(unsafe_code, reason = "rustix 1.1 has no socket filters")]

use std::os::fd::{AsFd, AsRawFd};

use libc::{c_int, sock_filter, sock_fprog};
use rustix::io::Errno;

use super::sockopt::{check, set};

/// Puts a program in the place of the one before: each frame is judged by one of them. `EINVAL` if it has none or more than 4096 instructions,
/// `ENOMEM` above `net.core.optmem_max`, `EPERM` if the filter was locked.
pub(crate) fn attach(fd: impl AsFd, program: &[sock_filter]) -> Result<(), Errno> {
    let len = u16::try_from(program.len()).map_err(|_| Errno::INVAL)?;
    let argument = sock_fprog { len, filter: program.as_ptr().cast_mut() };
    // SAFETY: the kernel reads `optlen` bytes at `optval`, which belong to `argument`, and `len` instructions at `filter`, which belong to
    // `program`; it copies both and writes to neither (`sk_attach_filter`). Both live until the call returns. `fd` is open until this
    // function ends.
    let result = unsafe {
        libc::setsockopt(
            fd.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const argument).cast(),
            size_of::<sock_fprog>() as libc::socklen_t,
        )
    };
    check(result)
}

/// Takes the filter off. `ENOENT` if there is none, `EPERM` if it was locked.
pub(crate) fn detach(fd: impl AsFd) -> Result<(), Errno> {
    set::<c_int>(fd, libc::SOL_SOCKET, libc::SO_DETACH_FILTER, &0)
}
