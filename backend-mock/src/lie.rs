use fdlink_core::wire::vnet::VirtioNetHdr;

/// One thing that a virtio-net header says falsely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VnetLie {
    /// `flags` is this.
    Flags(u8),
    /// `gso_type` is this.
    GsoType(u8),
    /// `hdr_len` is this.
    HdrLen(u16),
    /// `gso_size` is this.
    GsoSize(u16),
    /// `csum_start` is this.
    CsumStart(u16),
    /// `csum_offset` is this.
    CsumOffset(u16),
    /// Only so many bytes arrive of the header, and nothing behind it.
    Short(u8),
}

impl VnetLie {
    /// The header with the lie in it. A short one says nothing else.
    pub(crate) const fn told(self, mut header: VirtioNetHdr) -> VirtioNetHdr {
        match self {
            Self::Flags(flags) => header.flags = flags,
            Self::GsoType(gso_type) => header.gso_type = gso_type,
            Self::HdrLen(len) => header.hdr_len = len,
            Self::GsoSize(size) => header.gso_size = size,
            Self::CsumStart(start) => header.csum_start = start,
            Self::CsumOffset(offset) => header.csum_offset = offset,
            Self::Short(_) => {}
        }
        header
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Flags(_) => "lie: flags",
            Self::GsoType(_) => "lie: gso_type",
            Self::HdrLen(_) => "lie: hdr_len",
            Self::GsoSize(_) => "lie: gso_size",
            Self::CsumStart(_) => "lie: csum_start",
            Self::CsumOffset(_) => "lie: csum_offset",
            Self::Short(_) => "lie: short header",
        }
    }
}
