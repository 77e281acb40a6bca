//! Fanout groups: several `AF_PACKET` sockets on one interface, each frame to one of them (`PACKET_FANOUT`, packet(7)).

use core::sync::atomic::{AtomicU16, Ordering};
use std::os::fd::{AsFd, BorrowedFd};

use libc::{c_int, c_uint};
use rustix::io::Errno;

use crate::SetupError;
use crate::sys::sockopt;

/// How frames are spread over the sockets of a group (`PACKET_FANOUT_` and the name, packet(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FanoutMode {
    /// By flow: both directions of one go to the same socket, and all fragments of a datagram too (`HASH`).
    #[default]
    Hash,
    /// To each socket in turn, whatever the flow (`LB`).
    LoadBalance,
    /// By the CPU on which the frame arrived (`CPU`).
    Cpu,
    /// To one socket, and to the next when it is full (`ROLLOVER`).
    Rollover,
    /// At random, whatever the flow (`RND`).
    Random,
    /// By the hardware queue that the frame came in by (`QM`).
    QueueMapping,
}

impl FanoutMode {
    const fn number(self) -> c_uint {
        match self {
            Self::Hash => libc::PACKET_FANOUT_HASH,
            Self::LoadBalance => libc::PACKET_FANOUT_LB,
            Self::Cpu => libc::PACKET_FANOUT_CPU,
            Self::Rollover => libc::PACKET_FANOUT_ROLLOVER,
            Self::Random => libc::PACKET_FANOUT_RND,
            Self::QueueMapping => libc::PACKET_FANOUT_QM,
        }
    }
}

/// What the sockets of a group have in common. Whoever joins has to say the same as who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanoutOptions {
    /// How frames are spread. Default [`FanoutMode::Hash`].
    pub mode: FanoutMode,
    /// Put IPv4 fragments together before they are spread (`PACKET_FANOUT_FLAG_DEFRAG`). Default false, as in the origin: fragments reach
    /// the stack, and [`FanoutMode::Hash`] keeps those of a datagram together.
    pub defrag: bool,
    /// Leave out frames that this host sends through the interface (`PACKET_FANOUT_FLAG_IGNORE_OUTGOING`; before Linux 6.2 without effect).
    /// In a group this counts, and [`PacketSocket::ignore_outgoing`](crate::packet::PacketSocket::ignore_outgoing) no longer does. Default
    /// true, as there; a group of the origin has false.
    pub ignore_outgoing: bool,
}

impl FanoutOptions {
    /// The mode in the low byte, the flags above.
    const fn type_flags(self) -> c_uint {
        let defrag = if self.defrag { libc::PACKET_FANOUT_FLAG_DEFRAG } else { 0 };
        let ignore_outgoing = if self.ignore_outgoing { libc::PACKET_FANOUT_FLAG_IGNORE_OUTGOING } else { 0 };
        self.mode.number() | defrag | ignore_outgoing
    }
}

impl Default for FanoutOptions {
    fn default() -> Self {
        Self::from(FanoutMode::default())
    }
}

impl From<FanoutMode> for FanoutOptions {
    fn from(mode: FanoutMode) -> Self {
        Self { mode, defrag: false, ignore_outgoing: true }
    }
}

/// A fanout group of `AF_PACKET` sockets (packet(7); origin: `CreatePacketFanoutGroup`, `JoinPacketFanoutGroup`).
///
/// It is known by its number in the network namespace, lives as long as one of its sockets, and a socket stays in it until it is closed.
/// A socket has to be bound before it joins, to the same interface and protocol as the others
/// ([`PacketSocket::open`](crate::packet::PacketSocket::open) does), and before Linux 6.13 the interface has to be up. What it receives
/// between the two comes to the group too: a group that is complete before its interface is up delivers nothing twice.
///
/// ```no_run
/// use fdlink_core::Options;
/// use fdlink_linux::fanout::{FanoutGroup, FanoutMode};
/// use fdlink_linux::packet::PacketSocket;
/// use fdlink_linux::{FdOptions, endpoint};
///
/// let socket = PacketSocket::on("eth0");
/// let (first, second) = (socket.open()?, socket.open()?);
/// let group = FanoutGroup::create(&first, FanoutMode::Hash)?;
/// group.join(&second)?;
/// let endpoint = endpoint([first, second], Options::default(), &FdOptions::default())?;
/// # Ok::<(), fdlink_linux::SetupError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FanoutGroup {
    id: u16,
    options: FanoutOptions,
}

impl FanoutGroup {
    /// Makes a group with `socket` as its first member. `options` may be a [`FanoutMode`] alone.
    ///
    /// The kernel chooses the number (`PACKET_FANOUT_FLAG_UNIQUEID`, Linux 4.13). Where it does not, numbers are tried, counted up from the
    /// process id; as in the origin, a group of another process that has such a number and everything else in common is joined then.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`]: the socket is in a group (`EALREADY`), is not bound, or no number is free (`EINVAL`), or is not an
    /// `AF_PACKET` socket (`EOPNOTSUPP`, `ENOPROTOOPT`).
    pub fn create(socket: impl AsFd, options: impl Into<FanoutOptions>) -> Result<Self, SetupError> {
        let (socket, options) = (socket.as_fd(), options.into());
        let of_the_kernel = join(socket, 0, options.type_flags() | libc::PACKET_FANOUT_FLAG_UNIQUEID);
        let id = match of_the_kernel.and_then(|()| id_of(socket)) {
            Ok(id) => Ok(id),
            Err(_) => first_free(next_id, |id| join(socket, id, options.type_flags())),
        };
        id.map(|id| Self { id, options }).map_err(SetupError::system("setsockopt PACKET_FANOUT"))
    }

    /// The group with this number, which another process may have made with the same options. Nothing is asked of the kernel before
    /// [`join`](FanoutGroup::join).
    #[must_use]
    pub fn from_id(id: u16, options: impl Into<FanoutOptions>) -> Self {
        Self { id, options: options.into() }
    }

    /// The number of the group in its network namespace. 0 is as good as any; the kernel gives it out first.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// What the sockets of the group have in common.
    #[must_use]
    pub const fn options(&self) -> FanoutOptions {
        self.options
    }

    /// Makes `socket` a member; where nobody is in the group, its first.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`]: the socket is in a group (`EALREADY`), is not bound to the interface and protocol of the others, or they have
    /// other options (`EINVAL`), there are 256 of them (`ENOSPC`), or it is not an `AF_PACKET` socket (`EOPNOTSUPP`, `ENOPROTOOPT`).
    pub fn join(&self, socket: impl AsFd) -> Result<(), SetupError> {
        join(socket.as_fd(), self.id, self.options.type_flags()).map_err(SetupError::system("setsockopt PACKET_FANOUT"))
    }
}

fn join(socket: BorrowedFd<'_>, id: u16, type_flags: c_uint) -> Result<(), Errno> {
    let argument = (c_uint::from(id) | type_flags << 16).cast_signed();
    sockopt::set::<c_int>(socket, libc::SOL_PACKET, libc::PACKET_FANOUT, &argument)
}

/// The low half is the number of the group.
fn id_of(socket: BorrowedFd<'_>) -> Result<u16, Errno> {
    sockopt::get::<c_int>(socket, libc::SOL_PACKET, libc::PACKET_FANOUT).map(|group| group as u16)
}

/// The first number with which `join` does not say `EINVAL`: it says so for the number of a group that does not fit.
fn first_free(mut next: impl FnMut() -> u16, mut join: impl FnMut(u16) -> Result<(), Errno>) -> Result<u16, Errno> {
    for _ in 0..TRIES {
        let id = next();
        match join(id) {
            Err(Errno::INVAL) => {}
            joined => return joined.map(|()| id),
        }
    }
    Err(Errno::INVAL)
}

/// No number twice in one process, which would join two groups into one.
fn next_id() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    (std::process::id() as u16).wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed))
}

const TRIES: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Tries the numbers from 65,534 on; those in `taken` do not fit.
    fn search(taken: impl Fn(u16) -> bool) -> (Result<u16, Errno>, usize) {
        let (mut id, mut tries) = (65_533u16, 0);
        let next = || {
            id = id.wrapping_add(1);
            id
        };
        let found = first_free(next, |id| {
            tries += 1;
            if taken(id) { Err(Errno::INVAL) } else { Ok(()) }
        });
        (found, tries)
    }

    #[test]
    fn numbers_that_do_not_fit_are_passed_over() {
        assert_eq!(search(|_| false), (Ok(65_534), 1));
        assert_eq!(search(|id| id != 1), (Ok(1), 4));
    }

    #[test]
    fn search_ends() {
        assert_eq!(search(|_| true), (Err(Errno::INVAL), TRIES));
    }

    #[test]
    fn other_errors_end_the_search() {
        assert_eq!(first_free(|| 7, |_| Err(Errno::ALREADY)), Err(Errno::ALREADY));
    }

    #[test]
    fn numbers_are_given_once_from_that_of_the_process_on() {
        let first = next_id();
        assert_eq!(first.wrapping_add(1), next_id());
        assert!(first.wrapping_sub(std::process::id() as u16) < 2, "seeded by the process");
    }

    #[test]
    fn bits_are_where_the_kernel_wants_them() {
        let all = FanoutOptions { mode: FanoutMode::QueueMapping, defrag: true, ignore_outgoing: true };
        let none = FanoutOptions { mode: FanoutMode::Hash, defrag: false, ignore_outgoing: false };
        assert_eq!((all.type_flags(), none.type_flags()), (0xc005, 0));
    }
}
