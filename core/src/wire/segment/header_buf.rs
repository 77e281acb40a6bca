use core::ops::{Deref, DerefMut};

use super::MAX_HEADERS_LEN;

/// All headers of a frame, link, network and transport, in a buffer of fixed size.
#[derive(Debug, Clone, Copy)]
pub struct HeaderBuf {
    bytes: [u8; MAX_HEADERS_LEN],
    len: u8,
}

impl HeaderBuf {
    /// The first bytes of `slices`, up to [`MAX_HEADERS_LEN`].
    #[inline]
    pub(crate) fn gather<'s>(slices: impl Iterator<Item = &'s [u8]>) -> Self {
        let mut headers = Self::new();
        for slice in slices {
            headers.extend(slice);
            if headers.is_full() {
                break;
            }
        }
        headers
    }

    /// No header yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: [0; MAX_HEADERS_LEN], len: 0 }
    }

    /// Adds `bytes` behind what is there, as far as there is room.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        let (_, room) = self.bytes.split_at_mut(usize::from(self.len).min(MAX_HEADERS_LEN));
        let len = bytes.len().min(room.len());
        room.split_at_mut(len).0.copy_from_slice(bytes.split_at(len).0);
        self.len += len as u8;
    }

    /// Becomes the same as `other`.
    #[inline]
    pub(crate) fn copy_from(&mut self, other: &Self) {
        let (start, rest) = self.bytes.split_at_mut(MOST_LEN);
        let (other_start, other_rest) = other.bytes.split_at(MOST_LEN);
        start.copy_from_slice(other_start);
        if usize::from(other.len) > MOST_LEN {
            rest.copy_from_slice(other_rest);
        }
        self.len = other.len;
    }

    /// The first `len` bytes, to be written.
    #[inline]
    pub(crate) fn set_len(&mut self, len: usize) -> &mut [u8] {
        let len = len.min(MAX_HEADERS_LEN);
        self.len = len as u8;
        self.bytes.split_at_mut(len).0
    }

    const fn is_full(&self) -> bool {
        self.len as usize == MAX_HEADERS_LEN
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = len.min(usize::from(self.len)) as u8;
    }

    pub(crate) fn put(&mut self, at: usize, field: u16) {
        if let Some(place) = self.bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = field.to_be_bytes();
        }
    }
}

impl Default for HeaderBuf {
    fn default() -> Self {
        Self::new()
    }
}

impl DerefMut for HeaderBuf {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.bytes.split_at_mut(usize::from(self.len).min(MAX_HEADERS_LEN)).0
    }
}

impl Deref for HeaderBuf {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.split_at(usize::from(self.len).min(MAX_HEADERS_LEN)).0
    }
}

/// Most headers are no longer: Ethernet, IPv4, TCP with timestamps have 66 bytes. A copy of fixed length takes a few instructions and no call.
const MOST_LEN: usize = 80;
