//! Receiving one frame a call into one contiguous slot, since each further I/O vector would cost more than it saves: `read(2)`, or `recv(2)` on
//! sockets, which goes a shorter way through the kernel (a tenth of the time of a small frame) and tells how long a frame was that it cut.

use std::os::fd::AsFd;

use rustix::io::{Errno, read};
use rustix::net::{RecvFlags, recv};

use crate::error::FdError;
use crate::slots::Filled;
use crate::source::Source;
use crate::sys::mapping::Mapping;

/// Slots with one byte more than the longest frame: that is how a cut frame shows where `read` does not tell.
pub(crate) struct ReadSlots {
    memory: Mapping,
    frame_len: usize,
}

impl ReadSlots {
    /// `slots` slots, at least 1, for frames of up to `frame_len` bytes.
    pub(crate) fn new(slots: usize, frame_len: usize) -> Result<Self, Errno> {
        Ok(Self { memory: Mapping::anonymous(slots * (frame_len + 1))?, frame_len })
    }

    /// The bytes of all slots, their distance, and the longest frame.
    #[inline]
    pub(crate) const fn memory(&mut self) -> (&mut [u8], usize, usize) {
        (self.memory.bytes_mut(), self.frame_len + 1, self.frame_len)
    }

    /// Receives until `budget` slots are filled or nothing is there. An error behind frames is kept for the next time.
    pub(crate) fn fill<F: AsFd>(
        &mut self,
        source: &mut Source<F>,
        lens: &mut [usize],
        budget: usize,
    ) -> Result<Filled, FdError> {
        let mut filled = Filled::default();
        let slots = self.memory.bytes_mut().chunks_exact_mut(self.frame_len + 1);
        for (slot, len) in slots.zip(lens).take(budget) {
            match read_frame(source, slot, &mut filled.calls) {
                Ok(Some(received)) => *len = received,
                Ok(None) => break,
                Err(error) if filled.frames == 0 => return Err(error),
                Err(error) => {
                    source.defer(error);
                    break;
                }
            }
            filled.frames += 1;
        }
        Ok(filled)
    }
}

/// Receives one frame and returns its length; `None` if nothing is there now, or no more will come.
#[inline]
fn read_frame<F: AsFd>(source: &mut Source<F>, slot: &mut [u8], calls: &mut usize) -> Result<Option<usize>, FdError> {
    loop {
        *calls += 1;
        let (call, received) = match source.kind().is_socket() {
            true => ("recv", recv(source.fd(), &mut *slot, FLAGS).map(|(_, len)| len)),
            false => ("read", read(source.fd(), &mut *slot)),
        };
        match received {
            Ok(0) if source.is_end_of_stream() => return Ok(None),
            Ok(len) => return Ok(Some(len)),
            Err(errno) if source.judge(call, errno)? => {}
            Err(_) => return Ok(None),
        }
    }
}

/// The length is that of the whole frame (recv(2)).
const FLAGS: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::TRUNC);
