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
use crate::rx::gro::{Frame, Head, Headers, MAX_SEGMENTS, Segment};
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
    /// Bytes of the frame.
    pub(super) len: usize,
    count: usize,
    /// Nothing can follow.
    pub(super) is_closed: bool,
}

impl Run {
    /// A run that begins with `frame`; `None` if nothing can follow it, or the system that can do `granted` does not cut such packets.
    pub(super) fn begin(frame: &Whole<'_>, granted: Offloads) -> Option<Self> {
        let segment = Segment::first(frame, granted)?;
        let headers_len = segment.layers.payload;
        if headers_len > MAX_HEADERS_LEN || segment.end != frame.len() {
            return None;
        }
        let headers = HeaderBuf::gather(core::iter::once(frame.bytes.split_at(headers_len).0));
        let first = First { headers, link_len: frame.link_len, offload: frame.offload };
        Some(Self { head: Head::new(first, segment), len: frame.len(), count: 1, is_closed: false })
    }

    /// Bytes of all headers.
    pub(super) const fn headers_len(&self) -> usize {
        self.head.segment.layers.payload
    }

    /// Takes a frame in that goes on where the run ends, if the whole then has at most `room` bytes.
    pub(super) fn join(&mut self, frame: &Whole<'_>, room: usize) -> bool {
        let next = self.head.next(frame).filter(|_| !self.is_closed && self.count < MAX_SEGMENTS);
        let Some(next) = next.filter(|next| self.len + next.payload.len() <= room) else { return false };
        self.is_closed = self.head.extend(&next);
        self.len += next.payload.len();
        self.count += 1;
        true
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
