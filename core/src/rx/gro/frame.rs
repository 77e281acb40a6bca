use core::ops::Range;

use crate::io::VlanTag;
use crate::offload::Offload;
use crate::packet::RxPacket;
use crate::wire::Checksum;

/// A frame as those who merge look at it: all of its headers in one piece, its payload wherever it is.
pub(crate) trait Frame {
    /// How the frame begins, link header first: all headers at least, if it is one to be merged.
    fn headers(&self) -> &[u8];

    /// Bytes of the whole frame.
    fn len(&self) -> usize;

    /// Bytes of link header.
    fn link_len(&self) -> usize;

    /// What is left to do to it.
    fn offload(&self) -> Offload;

    /// The tag that was taken out of it.
    fn vlan(&self) -> Option<VlanTag>;

    /// Adds these bytes of it to a sum, as far as there are any; none of the link header.
    fn add_to(&self, sum: &mut Checksum, range: Range<usize>);
}

impl Frame for RxPacket<'_> {
    #[inline]
    fn headers(&self) -> &[u8] {
        self.frame()
    }

    #[inline]
    fn len(&self) -> usize {
        self.frame().len()
    }

    #[inline]
    fn link_len(&self) -> usize {
        self.link_header_len()
    }

    #[inline]
    fn offload(&self) -> Offload {
        RxPacket::offload(self)
    }

    #[inline]
    fn vlan(&self) -> Option<VlanTag> {
        self.meta().vlan
    }

    #[inline]
    fn add_to(&self, sum: &mut Checksum, range: Range<usize>) {
        sum.add_bytes(self.frame().get(range).unwrap_or_default());
    }
}
