use core::fmt;

use fdlink_core::ConfigError;
use fdlink_core::io::{ErrorKind, IoError};
use rustix::io::Errno;

use crate::probe::FdKind;

/// A system call on a channel that failed while frames were moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FdError {
    call: &'static str,
    errno: Errno,
    kind: ErrorKind,
}

impl FdError {
    pub(crate) const fn new(call: &'static str, errno: Errno, kind: ErrorKind) -> Self {
        Self { call, errno, kind }
    }

    /// The error number (`errno(3)`).
    #[must_use]
    pub const fn errno(&self) -> Errno {
        self.errno
    }

    /// The system call that failed.
    #[must_use]
    pub const fn call(&self) -> &'static str {
        self.call
    }
}

impl fmt::Display for FdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.call, self.errno, self.kind)
    }
}

impl core::error::Error for FdError {}

impl IoError for FdError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Why a descriptor, an interface or an endpoint could not be set up. Nothing is left behind: what was opened is closed, what was changed
/// on a borrowed descriptor is changed back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// The descriptor does not keep frame boundaries (a regular file, a pipe, a stream socket), so it cannot be a link.
    NotALink(FdKind),
    /// The descriptor cannot do what an option asks for.
    Unavailable {
        /// The option.
        option: &'static str,
        /// Why not, and what to use instead.
        reason: &'static str,
    },
    /// An option has a value that cannot work.
    BadOption {
        /// The option.
        option: &'static str,
        /// What is wrong with the value.
        reason: &'static str,
    },
    /// An option of the endpoint cannot work.
    Config(ConfigError),
    /// A system call failed.
    System {
        /// The call, with the request or option where it takes one: `ioctl TUNSETIFF`.
        call: &'static str,
        /// What it answered.
        errno: Errno,
    },
}

impl SetupError {
    /// For `map_err` behind a system call.
    pub(crate) fn system(call: &'static str) -> impl Fn(Errno) -> Self {
        move |errno| Self::System { call, errno }
    }
}

impl From<ConfigError> for SetupError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALink(kind) => {
                write!(f, "{kind}: use a TUN/TAP, AF_PACKET, or unix seqpacket or datagram descriptor")
            }
            Self::Unavailable { option, reason } | Self::BadOption { option, reason } => {
                write!(f, "{option}: {reason}")
            }
            Self::Config(error) => error.fmt(f),
            Self::System { call, errno } => {
                write!(f, "{call}: {errno}")?;
                f.write_str(advice(*errno))
            }
        }
    }
}

impl core::error::Error for SetupError {}

fn advice(errno: Errno) -> &'static str {
    match errno {
        Errno::PERM => {
            " (needs CAP_NET_ADMIN or CAP_NET_RAW; a user namespace with a network namespace of its own gives both)"
        }
        Errno::ACCESS => " (the permissions of the file forbid it: ask its owner for read and write access)",
        Errno::BADF => " (the descriptor is closed)",
        Errno::NODEV | Errno::NXIO => " (no such interface in this network namespace)",
        Errno::BUSY => " (somebody else holds it)",
        _ => "",
    }
}
