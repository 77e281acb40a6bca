//! Receiving many frames a call: `recvmmsg(2)`.

use std::os::fd::AsFd;

use fdlink_core::io::VlanTag;

use crate::error::FdError;
use crate::slots::Filled;
use crate::source::Source;
use crate::sys::mmsg::MessageSlots;
use crate::vlan::tag_in_control;

impl MessageSlots {
    /// Fills as many slots as there are `lens` with what is there, and tells the lengths, and the VLAN tags as far as there is room for them.
    pub(crate) fn fill<F: AsFd>(
        &mut self,
        source: &mut Source<F>,
        lens: &mut [usize],
        tags: &mut [Option<VlanTag>],
    ) -> Result<Filled, FdError> {
        let mut calls = 0;
        loop {
            calls += 1;
            match self.recvmmsg(source.fd(), lens.len()) {
                Ok(received) => {
                    lens.iter_mut().zip(self.lens()).take(received).for_each(|(to, len)| *to = len);
                    tags.iter_mut().zip(self.controls()).take(received).for_each(|(to, c)| *to = tag_in_control(c));
                    let lens = lens.get(..received).unwrap_or_default();
                    return Ok(Filled { frames: without_end_of_stream(source, lens), calls });
                }
                Err(errno) if source.judge("recvmmsg", errno)? => {}
                Err(_) => return Ok(Filled { frames: 0, calls }),
            }
        }
    }
}

/// The end of a stream fills every slot behind the last frame with a message of length 0 (tested on Linux 6.18).
fn without_end_of_stream<F: AsFd>(source: &mut Source<F>, lens: &[usize]) -> usize {
    let empty = lens.iter().rev().take_while(|len| **len == 0).count();
    if empty > 0 && source.is_end_of_stream() { lens.len() - empty } else { lens.len() }
}
