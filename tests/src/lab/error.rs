use nix::errno::Errno;
use std::{fmt, io, time::Duration};

/// Why the laboratory could not do what was asked, and what to do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum LabError {
    /// The system does not let this process make a network namespace.
    Refused {
        /// The answer of the system call.
        source: io::Error,
        /// What is missing and how to provide it.
        advice: &'static str,
    },
    /// [`enter`](super::enter) was called in a process which has threads.
    Threads(usize),
    /// The kernel refused one request.
    Kernel {
        /// What was asked for, for example "set veth0 up".
        doing: String,
        /// The answer of the kernel.
        source: io::Error,
    },
    /// An interface had no carrier when its time was over.
    NoCarrier {
        /// The name of the interface.
        name: String,
        /// How long it was given.
        waited: Duration,
    },
}

impl LabError {
    pub(super) fn kernel(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::Kernel { doing: doing.into(), source: source.into() }
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { source, advice } => {
                write!(f, "cannot make a network namespace: {source}; {advice}")
            }
            Self::Threads(count) => {
                write!(f, "lab::enter found {count} threads; call it first in main, before any thread starts")
            }
            Self::Kernel { doing, source } => {
                write!(f, "cannot {doing}: {source}{}", advice(source))
            }
            Self::NoCarrier { name, waited } => write!(
                f,
                "{name} has no carrier after {waited:?}; set it and its peer up, \
                 or open the descriptor of a TAP interface"
            ),
        }
    }
}

fn advice(source: &io::Error) -> &'static str {
    match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM) => "; call lab::enter first",
        Some(Errno::EACCES) => "; IPv6 may be off here, see Namespace::with_ipv6",
        Some(Errno::ENODEV) => "; no interface of that name is in this namespace",
        Some(Errno::EEXIST) => "; it is there already, take another one",
        Some(Errno::ERANGE) => "; a name has at most 15 bytes",
        Some(Errno::ENOENT) => "; /proc must be mounted, or the kernel lacks this feature",
        Some(Errno::ENOSPC) => "; raise the sysctl user.max_net_namespaces",
        _ => "",
    }
}

impl std::error::Error for LabError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { source, .. } | Self::Kernel { source, .. } => Some(source),
            Self::Threads(_) | Self::NoCarrier { .. } => None,
        }
    }
}
