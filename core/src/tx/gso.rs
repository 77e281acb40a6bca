//! Software segmentation: what the system does not do for a packet is done here.

use core::ops::Range;

use crate::offload::{ChecksumState, Offload};
use crate::wire::checksum::never_zero;
use crate::wire::segment::{HeaderBuf, Template, Unsplittable, field_end};
use crate::wire::{Checksum, Layers};

/// Cuts a super-frame into segments, or completes the checksum of a packet, without copying payload and without touching the caller's
/// bytes: a segment is a header of its own and a range of the payload.
///
/// ```text
/// header   parts
/// ┌──────┬──────────────┬──────────────────────────────────────────────┐
/// │ link │ IP, TCP, UDP │ payload                                      │
/// └──────┴──────────────┴──────────────────────────────────────────────┘
///        ┌──────────────────┐╌╌╌╌╌╌╌╌╌╌╌┐
///        │ Segment::headers │ ::payload ┆   segment(0), gso.size bytes of payload
///        └──────────────────┘╌╌╌╌╌╌╌╌╌╌╌┘
///        ┌──────────────────┐            ╌╌╌╌╌╌╌╌╌╌╌┐
///        │ Segment::headers │            ┆::payload ┆   segment(1)
///        └──────────────────┘            ╌╌╌╌╌╌╌╌╌╌╌┘
/// ```
#[derive(Debug, Clone)]
pub struct Splitter<'p> {
    parts: &'p [&'p [u8]],
    /// Where in the parts the bytes begin that are not copied.
    payload: usize,
    /// Bytes of all parts.
    len: usize,
    work: Work,
}

#[derive(Debug, Clone)]
enum Work {
    Cut(Template),
    /// Nothing, or to complete the checksum: the bytes in front of the payload, and the checksum's start and place in them.
    Whole(HeaderBuf, Option<(usize, usize)>),
}

/// One of the packets that go out instead of a super-frame.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Everything in front of the payload: link, network and transport header.
    pub headers: HeaderBuf,
    /// Which bytes of the parts follow; see [`payload_slices`].
    pub payload: Range<usize>,
}

impl Work {
    /// How many bytes of the frame are copied for it.
    #[inline]
    fn headers_len(&self) -> usize {
        match self {
            Self::Cut(template) => template.headers_len(),
            Self::Whole(headers, _) => headers.len(),
        }
    }
}

impl<'p> Splitter<'p> {
    /// Prepares to do what `offload` says is left to do to a frame: `header`, then `parts`. Its first `network` bytes are link header, from
    /// whose end `offload` counts; they may be in either.
    ///
    /// # Errors
    ///
    /// It cannot be done, see [`Unsplittable`].
    pub fn new(header: &[u8], parts: &'p [&'p [u8]], network: usize, offload: Offload) -> Result<Self, Unsplittable> {
        let prefix = gather(header, parts);
        let len = parts.iter().fold(0, |sum: usize, part| sum.saturating_add(part.len()));
        let frame_len = header.len().saturating_add(len);
        let work = match Template::new(&prefix, frame_len, network, offload)? {
            Some(template) => Work::Cut(template),
            None => whole(prefix, header.len(), frame_len, network, offload.checksum)?,
        };
        let payload = work.headers_len().checked_sub(header.len()).ok_or(Unsplittable::Headers)?;
        Ok(Self { parts, payload, len, work })
    }

    /// How many packets go out.
    #[must_use]
    pub const fn segments(&self) -> usize {
        match &self.work {
            Work::Cut(template) => template.segments(),
            Work::Whole(..) => 1,
        }
    }

    /// Packet number `index`, its checksum complete; `None` from [`segments`](Splitter::segments) on.
    #[must_use]
    #[inline]
    pub fn segment(&self, index: usize) -> Option<Segment> {
        let mut headers = HeaderBuf::new();
        let payload = self.write_segment(index, &mut headers)?;
        Some(Segment { headers, payload })
    }

    /// The same, its headers written where they are to be.
    #[inline]
    pub fn write_segment(&self, index: usize, headers: &mut HeaderBuf) -> Option<Range<usize>> {
        let payload = self.payload(index)?;
        match &self.work {
            Work::Cut(template) => {
                let sum = self.sum(&payload)?;
                template.complete(index, sum, template.start(headers))?;
            }
            Work::Whole(given, None) => *headers = *given,
            Work::Whole(given, Some((start, field))) => {
                *headers = complete(*given, *start, *field, payload_slices(self.parts, payload.clone()));
            }
        }
        Some(payload)
    }

    /// The same, its checksum left partial if that of the super-frame was: for a system that completes checksums but does not cut. What is
    /// left to do to the packet is the super-frame's offload without segmentation.
    #[inline]
    pub fn write_partial_segment(&self, index: usize, headers: &mut HeaderBuf) -> Option<Range<usize>> {
        let payload = self.payload(index)?;
        match &self.work {
            Work::Cut(template) if template.is_partial() => {
                template.partial(index, template.start(headers))?;
            }
            Work::Cut(_) => return self.write_segment(index, headers),
            Work::Whole(given, _) => *headers = *given,
        }
        Some(payload)
    }

    /// The sum of these bytes of the parts.
    #[inline]
    fn sum(&self, payload: &Range<usize>) -> Option<Checksum> {
        let mut sum = Checksum::new();
        match self.parts {
            [only] => sum.add_bytes(only.get(payload.clone())?),
            parts => payload_slices(parts, payload.clone()).for_each(|slice| sum.add_bytes(slice)),
        }
        Some(sum)
    }

    #[inline]
    fn payload(&self, index: usize) -> Option<Range<usize>> {
        if index >= self.segments() {
            return None;
        }
        Some(match &self.work {
            Work::Cut(template) => {
                let payload = template.payload(index);
                self.payload + payload.start..self.payload + payload.end
            }
            Work::Whole(..) => self.payload..self.len,
        })
    }
}

/// The slices of `parts` that make up the bytes `range` of all of them, none of them empty.
#[inline]
pub fn payload_slices<'s, 'p>(
    parts: &'s [&'p [u8]],
    range: Range<usize>,
) -> impl Iterator<Item = &'p [u8]> + use<'s, 'p> {
    let mut before = 0usize;
    parts.iter().filter_map(move |part| {
        let start = range.start.saturating_sub(before).min(part.len());
        let end = range.end.saturating_sub(before).min(part.len());
        before = before.saturating_add(part.len());
        part.get(start..end).filter(|slice| !slice.is_empty())
    })
}

/// Where the headers lie in a frame: `header`, then `parts`, with `network` bytes of link header. `None` if they are not those of TCP or UDP,
/// or have more than [`MAX_HEADERS_LEN`](crate::wire::segment::MAX_HEADERS_LEN) bytes.
#[must_use]
pub fn layers(header: &[u8], parts: &[&[u8]], network: usize) -> Option<Layers> {
    Layers::behind(&gather(header, parts), network)
}

fn gather(header: &[u8], parts: &[&[u8]]) -> HeaderBuf {
    HeaderBuf::gather(core::iter::once(header).chain(parts.iter().copied()))
}

/// The work on a frame that is not cut.
fn whole(
    mut prefix: HeaderBuf,
    header_len: usize,
    frame_len: usize,
    network: usize,
    checksum: ChecksumState,
) -> Result<Work, Unsplittable> {
    let place = match checksum {
        ChecksumState::Partial { start, .. } => Some(network.saturating_add(start.into())),
        _ => None,
    };
    let headers_len = field_end(network, checksum).map_or(header_len, |end| end.max(header_len));
    if headers_len > frame_len {
        return Err(Unsplittable::Checksum);
    }
    if headers_len > prefix.len() {
        return Err(Unsplittable::Headers);
    }
    prefix.truncate(headers_len);
    let place = place.zip(field_end(network, checksum)).map(|(start, end)| (start, end - 2));
    Ok(Work::Whole(prefix, place))
}

/// The same bytes with the checksum over them, from `start` on, and over `payload`.
fn complete<'s>(
    mut headers: HeaderBuf,
    start: usize,
    field: usize,
    payload: impl Iterator<Item = &'s [u8]>,
) -> HeaderBuf {
    let mut sum = Checksum::new();
    sum.add_bytes(headers.get(start..).unwrap_or_default());
    payload.for_each(|slice| sum.add_bytes(slice));
    headers.put(field, never_zero(sum.finish()));
    headers
}
