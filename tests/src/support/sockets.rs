use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, fcntl_dupfd_cloexec};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::until;

/// A descriptor for an endpoint, and the other end of it.
pub type Pair = (OwnedFd, Peer);

/// A pair of seqpacket sockets. The first blocks, as descriptors that nobody touched do.
#[must_use]
pub fn seqpacket() -> Pair {
    pair(SocketType::SEQPACKET)
}

/// A pair of datagram sockets, as [`seqpacket`].
#[must_use]
pub fn datagram() -> Pair {
    pair(SocketType::DGRAM)
}

fn pair(kind: SocketType) -> Pair {
    let (ours, theirs) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("socketpair");
    (ours, Peer::new(theirs))
}

/// The other end of a link, driven by the test. Dropping it closes it.
#[derive(Debug)]
pub struct Peer(OwnedFd);

impl Peer {
    /// Takes a socket.
    #[must_use]
    pub const fn new(socket: OwnedFd) -> Self {
        Self(socket)
    }

    /// Sends one frame; waits while the queue is full.
    ///
    /// # Panics
    ///
    /// If the frame is refused, or the queue stays full.
    pub fn send(&self, frame: &[u8]) {
        until("room for a frame", || match self.try_send(frame) {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::NOBUFS) => false,
            Err(errno) => panic!("send: {errno}"),
        });
    }

    /// Sends one frame if the system takes it now.
    ///
    /// # Errors
    ///
    /// What send(2) says.
    pub fn try_send(&self, frame: &[u8]) -> Result<(), Errno> {
        send(&self.0, frame, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).map(drop)
    }

    /// The next frame, if there is one now.
    ///
    /// # Panics
    ///
    /// If receiving fails, or the frame has 128 KiB or more.
    #[must_use]
    pub fn try_receive(&self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 128 << 10];
        match recv(&self.0, &mut buffer, RecvFlags::DONTWAIT) {
            Ok((_, len)) => {
                assert!(len < buffer.len(), "the frame may be cut");
                buffer.truncate(len);
                Some(buffer)
            }
            Err(Errno::AGAIN) => None,
            Err(errno) => panic!("recv: {errno}"),
        }
    }

    /// The next frame.
    ///
    /// # Panics
    ///
    /// If none comes in time.
    #[must_use]
    pub fn receive(&self) -> Vec<u8> {
        let mut frame = None;
        until("a frame at the other end", || {
            frame = self.try_receive();
            frame.is_some()
        });
        frame.expect("it is there")
    }

    /// The next frame into `buffer`, if there is one now; returns its length. Does not allocate.
    ///
    /// # Panics
    ///
    /// If receiving fails.
    pub fn receive_into(&self, buffer: &mut [u8]) -> Option<usize> {
        match recv(&self.0, buffer, RecvFlags::DONTWAIT) {
            Ok((_, len)) => Some(len),
            Err(Errno::AGAIN) => None,
            Err(errno) => panic!("recv: {errno}"),
        }
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// A descriptor that can be closed behind the back of whoever borrows it.
///
/// Its number is high, where the system gives none out by itself, so that it stays the number of nothing.
#[derive(Debug)]
pub struct ClosedFd(ManuallyDrop<OwnedFd>);

impl ClosedFd {
    /// A duplicate of `fd` that is still open.
    ///
    /// # Panics
    ///
    /// If the system has no such number left.
    #[must_use]
    pub fn open(fd: impl AsFd) -> Self {
        Self(ManuallyDrop::new(fcntl_dupfd_cloexec(fd, HIGH).expect("fcntl F_DUPFD_CLOEXEC")))
    }

    /// A duplicate of `fd` that was closed.
    ///
    /// # Panics
    ///
    /// As for [`open`](ClosedFd::open).
    #[must_use]
    pub fn closed(fd: impl AsFd) -> Self {
        let closed = Self::open(fd);
        closed.close();
        closed
    }

    /// Closes it; to be called once.
    ///
    /// # Panics
    ///
    /// If it was closed.
    pub fn close(&self) {
        nix::unistd::close(self.0.as_raw_fd()).expect("it was open");
    }
}

impl AsFd for ClosedFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

const HIGH: i32 = 900;
