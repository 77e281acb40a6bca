use core::ops::Range;

use crate::io::VlanTag;
use crate::offload::Offload;
use crate::packet::RxPacket;
use crate::wire::Checksum;

/// How a frame begins, as those who merge look at it.
pub(crate) trait Headers {
    /// The headers in one piece, link header first: all of them at least, if it is a frame to be merged.
    fn headers(&self) -> &[u8];

    /// Bytes of link header.
    fn link_len(&self) -> usize;

    /// The tag that was taken out of it; of frames to send none is.
    fn vlan(&self) -> Option<VlanTag> {
        None
    }
}

/// A whole frame, its payload wherever it is.
pub(crate) trait Frame: Headers {
    /// Bytes of the whole frame.
    fn len(&self) -> usize;

    /// What is left to do to it.
    fn offload(&self) -> Offload;

    /// Adds these bytes of it to a sum, as far as there are any; none of the link header.
    fn add_to(&self, sum: &mut Checksum, range: Range<usize>);
}

impl Headers for RxPacket<'_> {
    #[inline]
    fn headers(&self) -> &[u8] {
        self.frame()
    }

    #[inline]
    fn link_len(&self) -> usize {
        self.link_header_len()
    }

    #[inline]
    fn vlan(&self) -> Option<VlanTag> {
        self.meta().vlan
    }
}

impl Frame for RxPacket<'_> {
    #[inline]
    fn len(&self) -> usize {
        self.frame().len()
    }

    #[inline]
    fn offload(&self) -> Offload {
        RxPacket::offload(self)
    }

    #[inline]
    fn add_to(&self, sum: &mut Checksum, range: Range<usize>) {
        sum.add_bytes(self.frame().get(range).unwrap_or_default());
    }
}
