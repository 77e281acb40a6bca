use core::time::Duration;

use rustix::param::page_size;

use crate::error::SetupError;
use crate::sys::tpacket::Geometry;

/// How the receive ring of [`DispatchMode::PacketMmap`](crate::DispatchMode::PacketMmap) is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingOptions {
    /// Which ring. Default [`RingVersion::V2`], which hands each frame over at once.
    pub version: RingVersion,
    /// Frames of the longest length that the ring holds at least. Default 4096.
    pub frames: usize,
    /// Bytes of a slot, headers of the kernel included (a multiple of 16). Default `None`: what the longest frame takes, rounded up to a power of two.
    pub frame_size: Option<usize>,
    /// Bytes of a block; rounded up to whole pages. Default `None`: 64 KiB, or 256 KiB for [`RingVersion::V3`], or one slot if that is larger.
    pub block_size: Option<usize>,
}

/// Which ring of packet(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingVersion {
    /// One frame a slot, handed over at once, without VLAN tag (`TPACKET_V1`).
    V1,
    /// One frame a slot, handed over at once (`TPACKET_V2`).
    V2,
    /// Many frames a block, handed over when the block is full or `retire` has passed (`TPACKET_V3`). Far fewer wake-ups at moderate load, at the
    /// price of up to that delay, in whole milliseconds, at least one.
    V3 {
        /// After which time a block with frames in it is handed over.
        retire: Duration,
    },
}

impl RingOptions {
    /// The origin's ring: `TPACKET_V1`, 32 slots of 65,664 bytes in one block.
    pub const ORIGIN: Self = Self {
        version: RingVersion::V1,
        frames: 32,
        frame_size: Some(ORIGIN_FRAME_SIZE),
        block_size: Some(32 * ORIGIN_FRAME_SIZE),
    };

    /// Blocks with a timer of 1 ms.
    pub const V3: Self = Self { version: RingVersion::V3 { retire: Duration::from_millis(1) }, ..Self::V2 };

    /// Slots.
    pub const V2: Self = Self { version: RingVersion::V2, frames: 4096, frame_size: None, block_size: None };

    /// Checks the options for frames of up to `frame_len` bytes.
    pub(crate) fn geometry(&self, frame_len: usize) -> Result<Geometry, SetupError> {
        let least = (HEADROOM + frame_len).next_multiple_of(ALIGNMENT);
        let frame_size = self.frame_size.unwrap_or(least.next_power_of_two());
        if frame_size < least || !frame_size.is_multiple_of(ALIGNMENT) {
            return Err(bad(
                "ring.frame_size",
                "must be a multiple of 16 and hold the longest frame and 128 bytes more",
            ));
        }
        let usual = if matches!(self.version, RingVersion::V3 { .. }) { 256 << 10 } else { 64 << 10 };
        let block_size = self.block_size.unwrap_or(usual).max(frame_size).next_multiple_of(page_size());
        let blocks = self.frames.div_ceil(block_size / frame_size);
        if blocks == 0 {
            return Err(bad("ring.frames", "must not be zero"));
        }
        if block_size.checked_mul(blocks).is_none_or(|len| len > MAX_LEN) {
            return Err(bad("ring.frames", "the ring would be larger than 1 GiB"));
        }
        Ok(Geometry { block_size, blocks, frame_size })
    }
}

impl Default for RingOptions {
    fn default() -> Self {
        Self::V2
    }
}

const fn bad(option: &'static str, reason: &'static str) -> SetupError {
    SetupError::BadOption { option, reason }
}

const ORIGIN_FRAME_SIZE: usize = 65_664;
/// Room in front of a frame: the largest header (68 bytes with its address, `TPACKET3_HDRLEN`), aligned, and 16 bytes for a link header.
const HEADROOM: usize = 128;
/// `TPACKET_ALIGNMENT`.
const ALIGNMENT: usize = 16;
/// Far below what the kernel counts in 32 bits.
const MAX_LEN: usize = 1 << 30;
