use std::error::Error;
use std::io::IoSliceMut;
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, MultiHeaders, recvmmsg};

/// `recvmmsg(2)` without waiting, by nix, which is the leanest safe way there is.
pub(crate) struct Messages {
    memory: Vec<u8>,
    headers: MultiHeaders<()>,
    slot: usize,
}

impl Messages {
    /// For up to `batch` messages a call, of `slot` bytes at most.
    pub(crate) fn new(batch: usize, slot: usize) -> Self {
        Self { memory: vec![0; slot * batch], headers: MultiHeaders::preallocate(batch, None), slot }
    }

    /// Hands over what is there, and returns how many messages that were.
    #[inline(always)]
    pub(crate) fn receive(&mut self, fd: &impl AsRawFd, mut each: impl FnMut(&[u8])) -> Result<usize, Box<dyn Error>> {
        let mut vectors: Vec<_> = self.memory.chunks_exact_mut(self.slot).map(|slot| [IoSliceMut::new(slot)]).collect();
        match recvmmsg(fd.as_raw_fd(), &mut self.headers, vectors.iter_mut(), MsgFlags::MSG_DONTWAIT, None) {
            Ok(messages) => Ok(messages.map(|message| message.iovs().for_each(&mut each)).count()),
            Err(Errno::EAGAIN) => Ok(0),
            Err(errno) => Err(errno.into()),
        }
    }
}
