//! Segments that smoltcp writes one by one become one super-frame, in the buffer that they are written to.
//!
//! ```text
//!             │ headers │ payload 1 │ payload 2 │                        a run, `len` bytes
//!                              │ headers │ payload 3 │                   the next segment is written here: its headers over the
//!                                                                        end of the run, which is kept aside
//!             │ headers │ payload 1 │ payload 2 │ payload 3 │            it goes on where the run ends: the end is put back
//!             │ headers │ payload 1 │ payload 2 │ headers │ payload 3 │  it does not: it is moved behind the run
//! ```

use core::ops::Range;

use crate::io::Offloads;
use crate::offload::Offload;
use crate::rx::gro::{Frame, Head, Headers, MAX_SEGMENTS, Prediction, Segment};
use crate::wire::Checksum;
use crate::wire::segment::{HeaderBuf, MAX_HEADERS_LEN};

/// A frame in one piece.
pub(super) struct Whole<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) link_len: usize,
    pub(super) offload: Offload,
}

impl Headers for Whole<'_> {
    fn headers(&self) -> &[u8] {
        self.bytes
    }

    fn link_len(&self) -> usize {
        self.link_len
    }
}

impl Frame for Whole<'_> {
    fn len(&self) -> usize {
        self.bytes.len()
    }

    fn offload(&self) -> Offload {
        self.offload
    }

    fn add_to(&self, sum: &mut Checksum, range: Range<usize>) {
        sum.add_bytes(self.bytes.get(range).unwrap_or_default());
    }
}

/// How the first frame of a run began, whose bytes are in the buffer.
struct First {
    headers: HeaderBuf,
    link_len: usize,
    offload: Offload,
}

impl Headers for First {
    fn headers(&self) -> &[u8] {
        &self.headers
    }

    fn link_len(&self) -> usize {
        self.link_len
    }
}

/// What stands at the start of the buffer and may go on: one segment, or several.
pub(super) struct Run {
    head: Head<First>,
    /// From the second segment on: most frames that go on nowhere are alone.
    prediction: Option<Prediction>,
    /// Bytes of the frame.
    pub(super) len: usize,
    /// Most bytes that it may have.
    room: usize,
    count: usize,
    /// Nothing can follow.
    pub(super) is_closed: bool,
    /// The end of the run, while the headers of another frame lie over it.
    covered: HeaderBuf,
}

impl Run {
    /// A run of up to `room` bytes that begins with `frame`; `None` if nothing can follow it, or the system that can do `granted` does not cut
    /// such packets.
    pub(super) fn begin(frame: &Whole<'_>, granted: Offloads, room: usize) -> Option<Self> {
        let segment = Segment::first(frame, granted)?;
        let headers_len = segment.layers.payload;
        if headers_len > MAX_HEADERS_LEN || segment.end != frame.len() {
            return None;
        }
        let headers = HeaderBuf::gather(core::iter::once(frame.bytes.split_at(headers_len).0));
        let first = First { headers, link_len: frame.link_len, offload: frame.offload };
        let (head, covered) = (Head::new(first, segment), HeaderBuf::new());
        Some(Self { head, prediction: None, len: frame.len(), room, count: 1, is_closed: false, covered })
    }

    /// Where in `buffer` the next frame is to be written. What lies there is kept.
    pub(super) fn cover(&mut self, buffer: &[u8]) -> usize {
        let headers_len = self.head.segment.layers.payload;
        let start = self.len - headers_len;
        let end = buffer.get(start..self.len).unwrap_or_default();
        self.covered.set_len(headers_len).copy_from_slice(end);
        start
    }

    /// Puts back to `start` what was there.
    pub(super) fn uncover(&self, buffer: &mut [u8], start: usize) {
        if let Some(place) = buffer.get_mut(start..start + self.covered.len()) {
            place.copy_from_slice(&self.covered);
        }
    }

    /// Takes a frame in if it is the segment that is expected, with as much left to do to it as to the first.
    #[inline]
    pub(super) fn join_predicted(&mut self, bytes: &[u8]) -> bool {
        let Self { head, prediction: Some(prediction), .. } = self else { return false };
        let frame = Whole { bytes, link_len: head.packet.link_len, offload: head.packet.offload };
        let payload_len = head.segment.payload_len();
        let has_room = self.count < MAX_SEGMENTS && self.len + payload_len <= self.room;
        if !has_room || !prediction.has_room(self.count - 1) || !head.expects(&frame, prediction) {
            return false;
        }
        head.extend_by(payload_len);
        prediction.advance(head);
        self.add(payload_len);
        true
    }

    /// Takes a frame in that goes on where the run ends.
    pub(super) fn join(&mut self, frame: &Whole<'_>) -> bool {
        let next = self.head.next(frame).filter(|_| !self.is_closed && self.count < MAX_SEGMENTS);
        let Some(next) = next.filter(|next| self.len + next.payload.len() <= self.room) else { return false };
        self.is_closed = self.head.extend(&next);
        if self.prediction.is_none() {
            self.prediction = self.head.predict();
        }
        if let Some(prediction) = &mut self.prediction {
            prediction.advance(&self.head);
        }
        self.add(next.payload.len());
        true
    }

    const fn add(&mut self, payload_len: usize) {
        self.len += payload_len;
        self.count += 1;
    }

    /// Makes `frame`, in which the run stands, a super-frame; says what is left to do to it.
    pub(super) fn finish(&self, frame: &mut [u8]) -> Offload {
        if self.count == 1 {
            return self.head.packet.offload;
        }
        self.head.write_headers(frame);
        self.head.offload()
    }
}
