use core::ops::Deref;

use heapless::Vec;

use super::gro::MAX_SEGMENTS;

/// The pieces of a received packet in order; a slice of them.
#[derive(Debug, Clone)]
pub struct Parts<'p>(Vec<&'p [u8], MAX_SEGMENTS>);

impl<'p> Parts<'p> {
    /// A tail is never longer than there is room for.
    #[inline]
    pub(crate) fn new(first: &'p [u8], tail: &'p [&'p [u8]]) -> Self {
        Self([first].into_iter().chain(tail.iter().copied()).take(MAX_SEGMENTS).collect())
    }
}

impl<'p> Deref for Parts<'p> {
    type Target = [&'p [u8]];

    #[inline]
    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
