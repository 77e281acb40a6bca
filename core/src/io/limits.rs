use bitflags::bitflags;

/// What a channel carries at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Longest frame in bytes that is received whole: link header and virtio-net header included. A longer one arrives cut (rule R6).
    pub max_frame_len: usize,
    /// Bytes of virtio-net header in front of every frame, in both directions; 0 where the channel has none.
    pub vnet_header_len: usize,
    /// What the channel does for frames that carry a virtio-net header (rule L1).
    pub offloads: Offloads,
    /// Most frames that one call to the system sends: 1 for `writev`, more for `sendmmsg`.
    pub frames_per_send: usize,
}

impl Limits {
    /// A channel for frames of up to `max_frame_len` bytes, without virtio-net header, one frame for each call.
    #[must_use]
    pub const fn new(max_frame_len: usize) -> Self {
        Self { max_frame_len, vnet_header_len: 0, offloads: Offloads::empty(), frames_per_send: 1 }
    }

    /// The same with `n` frames for each sending call.
    #[must_use]
    pub const fn with_frames_per_send(mut self, n: usize) -> Self {
        self.frames_per_send = n;
        self
    }

    /// The same with a virtio-net header of `len` bytes in front of each frame, and what the channel does for frames that have one.
    #[must_use]
    pub const fn with_vnet_header(mut self, len: usize, offloads: Offloads) -> Self {
        self.vnet_header_len = len;
        self.offloads = offloads;
        self
    }
}

bitflags! {
    /// Work that the channel does on a frame instead of the caller; the `TUN_F_*` bits of `linux/if_tun.h`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Offloads: u32 {
        /// Completes transport checksums (`TUN_F_CSUM`).
        const CSUM = 1 << 0;
        /// Segments TCP over IPv4 (`TUN_F_TSO4`).
        const TSO4 = 1 << 1;
        /// Segments TCP over IPv6 (`TUN_F_TSO6`).
        const TSO6 = 1 << 2;
        /// Segments UDP over IPv4 (`TUN_F_USO4`).
        const USO4 = 1 << 3;
        /// Segments UDP over IPv6 (`TUN_F_USO6`).
        const USO6 = 1 << 4;
    }
}
