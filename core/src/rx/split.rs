//! Receive-side segmentation: a super-frame becomes packets that fit the MTU, within its own memory.

use crate::offload::{ChecksumState, Offload};
use crate::wire::segment::{HeaderBuf, Template, Unsplittable, field_end};
use crate::wire::{Checksum, checksum};

/// A received super-frame, handed out packet by packet without copying payload.
///
/// ```text
/// frame            ┌─────────┬─────────────┬─────────────┬────────────┐
///                  │ headers │ payload 0   │ payload 1   │ payload 2  │
///                  └─────────┴─────────────┴─────────────┴────────────┘
/// next_segment()   └─────────────────────┘ ╷             ╷            ╷
/// next_segment()                 ┌─────────┬─────────────┐            ╷
/// next_segment()                               ┌─────────┬────────────┐
/// ```
///
/// The headers of a packet are written directly in front of its payload, over the end of the packet before, which has been handed out
/// already. So each packet is on loan until the next one is asked for, and may be written to.
#[derive(Debug)]
pub struct Split<'f> {
    frame: &'f mut [u8],
    cuts: Cuts,
}

impl<'f> Split<'f> {
    /// Prepares to do what `offload` says is left to do to `frame`, whose first `network` bytes are link header.
    ///
    /// # Errors
    ///
    /// It cannot be done, see [`Unsplittable`]. The frame is as it was.
    pub fn new(frame: &'f mut [u8], network: usize, offload: Offload) -> Result<Self, Unsplittable> {
        let cuts = Cuts::new(frame, network, offload)?;
        Ok(Self { frame, cuts })
    }

    /// Leaves checksums partial where that of the super-frame is: for a receiver that does not verify them. What is left to do to each
    /// packet is then the super-frame's offload without segmentation.
    #[must_use]
    pub const fn leave_partial(mut self) -> Self {
        self.cuts.leave_partial = true;
        self
    }

    /// How many packets there are in all.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.cuts.segments()
    }

    /// The next packet, from its link header on; `None` behind the last one.
    pub fn next_segment(&mut self) -> Option<&mut [u8]> {
        self.cuts.next_segment(self.frame)
    }
}

/// How a super-frame is cut and how far that has come, apart from the frame.
#[derive(Debug)]
pub(crate) struct Cuts {
    network: usize,
    offload: Offload,
    /// `None`: the frame goes out whole.
    template: Option<Template>,
    pub(crate) leave_partial: bool,
    /// Of the segment that comes next.
    pub(crate) index: usize,
}

impl Cuts {
    pub(crate) fn new(frame: &[u8], network: usize, offload: Offload) -> Result<Self, Unsplittable> {
        let prefix = HeaderBuf::gather(core::iter::once(frame));
        let template = Template::new(&prefix, frame.len(), network, offload)?;
        if field_end(network, offload.checksum).is_some_and(|end| end > frame.len()) {
            return Err(Unsplittable::Checksum);
        }
        Ok(Self { network, offload, template, leave_partial: false, index: 0 })
    }

    pub(crate) fn segments(&self) -> usize {
        self.template.as_ref().map_or(1, Template::segments)
    }

    /// The next packet in the frame that this was made for; `None` behind the last one.
    pub(crate) fn next_segment<'f>(&mut self, frame: &'f mut [u8]) -> Option<&'f mut [u8]> {
        let index = self.index;
        if index >= self.segments() {
            return None;
        }
        self.index += 1;
        match &self.template {
            Some(template) => cut(frame, template, index, self.leave_partial),
            None if self.leave_partial => Some(frame),
            None => complete_checksum(frame, self.network, self.offload).ok().map(|()| frame),
        }
    }
}

/// Completes the checksum of a received frame in place if it is partial, so that the frame is fit for a wire. Segmentation is not looked at.
///
/// # Errors
///
/// [`Unsplittable::Checksum`]: the field is not within the frame, which is as it was.
pub fn complete_checksum(frame: &mut [u8], network: usize, offload: Offload) -> Result<(), Unsplittable> {
    let ChecksumState::Partial { start, offset } = offload.checksum else { return Ok(()) };
    let packet = frame.get_mut(network..).ok_or(Unsplittable::Checksum)?;
    checksum::complete(packet, start.into(), offset.into()).ok_or(Unsplittable::Checksum)
}

/// Writes the headers of segment `index` in front of its payload.
fn cut<'f>(frame: &'f mut [u8], template: &Template, index: usize, leave_partial: bool) -> Option<&'f mut [u8]> {
    let payload = template.payload(index);
    let headers_len = template.headers_len();
    let segment = frame.get_mut(payload.start..payload.end + headers_len)?;
    let (place, payload) = segment.split_at_mut_checked(headers_len)?;
    template.copy_to(place)?;
    if leave_partial && template.is_partial() {
        template.partial(index, place)?;
    } else {
        let mut sum = Checksum::new();
        sum.add_bytes(payload);
        template.complete(index, sum, place)?;
    }
    Some(segment)
}
