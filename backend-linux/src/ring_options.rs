use core::time::Duration;

use rustix::param::page_size;

use crate::error::SetupError;
use crate::sys::tpacket::Geometry;

/// How the receive ring of [`DispatchMode::PacketMmap`](crate::DispatchMode::PacketMmap) is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingOptions {
    /// Which ring. Default [`RingVersion::V2`], which hands each frame over at once.
    pub version: RingVersion,
    /// Frames of the longest length that the ring holds at least. Default `None`: 4096, or as many as fit 32 MiB: 510 super-frames of 64 KiB, where
    /// segmentation was granted.
    pub frames: Option<usize>,
    /// Bytes of a slot, headers of the kernel included (a multiple of 16). Default `None`: what the longest frame takes, rounded up to an odd number of
    /// cache lines: slots a power of two apart would share few sets of a cache.
    pub frame_size: Option<usize>,
    /// Bytes of a block; rounded up to whole pages. Default `None`: what slots fill without a rest, if that is no more than
    /// 256 KiB, or four slots; an eighth of the ring and at most 256 KiB for [`RingVersion::V3`], or one slot if that is larger.
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
    /// price of up to that delay, in whole milliseconds, at least one. Measured as in [`WakePolicy`](fdlink_core::WakePolicy), a frame alone took
    /// 0.92 to 0.99 ms at the median with a timer of 1 ms, 99 of 100 within 0.95 to 4 ms; with 8 ms, 7.9 ms and 11 to 12 ms.
    V3 {
        /// After which time a block with frames in it is handed over.
        retire: Duration,
    },
}

impl RingOptions {
    /// The origin's ring: `TPACKET_V1`, 32 slots of 65,664 bytes in one block.
    pub const ORIGIN: Self = Self {
        version: RingVersion::V1,
        frames: Some(32),
        frame_size: Some(ORIGIN_FRAME_SIZE),
        block_size: Some(32 * ORIGIN_FRAME_SIZE),
    };

    /// Blocks with a timer of 1 ms.
    pub const V3: Self = Self { version: RingVersion::V3 { retire: Duration::from_millis(1) }, ..Self::V2 };

    /// Slots.
    pub const V2: Self = Self { version: RingVersion::V2, frames: None, frame_size: None, block_size: None };

    /// Checks the options for frames of up to `frame_len` bytes on this machine.
    pub(crate) fn geometry(&self, frame_len: usize) -> Result<Geometry, SetupError> {
        self.geometry_of_pages(frame_len, page_size())
    }

    /// As [`geometry`](Self::geometry), for blocks of whole pages of `page_size` bytes.
    fn geometry_of_pages(&self, frame_len: usize, page_size: usize) -> Result<Geometry, SetupError> {
        let least = (HEADROOM + frame_len).next_multiple_of(ALIGNMENT);
        let frame_size = self.frame_size.unwrap_or(least.next_multiple_of(CACHE_LINE) | CACHE_LINE);
        if frame_size < least || !frame_size.is_multiple_of(ALIGNMENT) {
            return Err(bad(
                "ring.frame_size",
                "must be a multiple of 16 and hold the longest frame and 128 bytes more",
            ));
        }
        let frames = self.frames.unwrap_or_else(|| usual_frames(frame_size));
        if frames == 0 {
            return Err(bad("ring.frames", "must not be zero"));
        }
        let block_size = self.block_size.unwrap_or_else(|| self.usual_block_size(frames, frame_size, page_size));
        let too_large = || bad("ring.frames", "the ring would be larger than 1 GiB");
        let block_size = block_size.max(frame_size).checked_next_multiple_of(page_size).ok_or_else(too_large)?;
        let blocks = frames.div_ceil(block_size / frame_size).max(self.least_blocks());
        if block_size.checked_mul(blocks).is_none_or(|len| len > MAX_LEN) {
            return Err(too_large());
        }
        Ok(Geometry { block_size, blocks, frame_size })
    }

    /// A block that is handed over receives nothing until it comes back, so that there must be others meanwhile.
    const fn least_blocks(&self) -> usize {
        match self.version {
            RingVersion::V1 | RingVersion::V2 => 1,
            RingVersion::V3 { .. } => 4,
        }
    }

    fn usual_block_size(&self, frames: usize, frame_size: usize, page_size: usize) -> usize {
        match self.version {
            // The least common multiple of both, for a `frame_size` that is an odd number of cache lines.
            RingVersion::V1 | RingVersion::V2 => {
                let without_rest = (page_size / CACHE_LINE).saturating_mul(frame_size);
                if without_rest <= USUAL_BLOCK {
                    without_rest
                } else {
                    frame_size.saturating_mul(LARGE_SLOTS_PER_BLOCK)
                }
            }
            RingVersion::V3 { .. } => (frames.saturating_mul(frame_size) / 8).min(USUAL_BLOCK),
        }
    }
}

impl Default for RingOptions {
    fn default() -> Self {
        Self::V2
    }
}

fn usual_frames(frame_size: usize) -> usize {
    USUAL_FRAMES.min(USUAL_LEN / frame_size).max(1)
}

const fn bad(option: &'static str, reason: &'static str) -> SetupError {
    SetupError::BadOption { option, reason }
}

const ORIGIN_FRAME_SIZE: usize = 65_664;
/// Room in front of a frame: the largest header (68 bytes with its address, `TPACKET3_HDRLEN`), aligned, and 16 bytes for a link header.
const HEADROOM: usize = 128;
/// `TPACKET_ALIGNMENT`.
const ALIGNMENT: usize = 16;
/// Bytes. Where lines are longer, slots share sets of a cache, but fewer than they would a power of two apart.
const CACHE_LINE: usize = 64;
const USUAL_BLOCK: usize = 256 << 10;
/// So that pages of 64 KiB are not left half empty.
const LARGE_SLOTS_PER_BLOCK: usize = 4;
/// Frames of a ring, and its bytes at most, where nothing else is asked.
const USUAL_FRAMES: usize = 4096;
const USUAL_LEN: usize = 32 << 20;
/// Far below what the kernel counts in 32 bits.
const MAX_LEN: usize = 1 << 30;

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    /// Of the architectures of Linux.
    const PAGE_SIZES: [usize; 3] = [4096, 16 << 10, 64 << 10];

    const V1: RingOptions = RingOptions { version: RingVersion::V1, ..RingOptions::V2 };

    #[test]
    fn default_holds_four_thousand_frames_of_the_usual_length() {
        for (options, page_size) in
            [V1, RingOptions::V2, RingOptions::V3].iter().flat_map(|o| PAGE_SIZES.map(|p| (o, p)))
        {
            let geometry = options.geometry_of_pages(1518, page_size).unwrap();
            assert_eq!(geometry.frame_size, 1728, "27 cache lines");
            assert!((4096..4096 + 1024).contains(&geometry.slots()), "{} slots", geometry.slots());
            assert!(geometry.len() <= 9 << 20, "{} bytes", geometry.len());
        }
    }

    #[test]
    fn default_of_super_frames_takes_32_mib() {
        for (options, page_size) in
            [V1, RingOptions::V2, RingOptions::V3].iter().flat_map(|o| PAGE_SIZES.map(|p| (o, p)))
        {
            let geometry = options.geometry_of_pages(65_554, page_size).unwrap();
            assert_eq!(geometry.frame_size, 65_728);
            assert!((480..=512).contains(&geometry.slots()), "{} slots", geometry.slots());
            assert!(geometry.len() <= 43 << 20, "{} bytes", geometry.len());
        }
    }

    #[test]
    fn geometry_is_one_that_the_kernel_takes() {
        for page_size in PAGE_SIZES {
            for frame_len in [60, 1514, 1518, 9014, 65_535, 65_554] {
                for frames in [1, 7, 32, 2048] {
                    for block_size in [None, Some(1), Some(65_537), Some(1 << 20)] {
                        for version in [RingVersion::V1, RingVersion::V2, RingOptions::V3.version] {
                            let options = RingOptions { version, frames: Some(frames), block_size, ..RingOptions::V2 };
                            check(options.geometry_of_pages(frame_len, page_size).unwrap(), page_size);
                            assert!(options.geometry_of_pages(frame_len, page_size).unwrap().slots() >= frames);
                        }
                    }
                }
            }
        }
    }

    /// `packet_set_ring` of net/packet/af_packet.c.
    fn check(geometry: Geometry, page_size: usize) {
        assert!(geometry.block_size.is_multiple_of(page_size));
        assert!(geometry.frame_size.is_multiple_of(ALIGNMENT) && geometry.frame_size <= geometry.block_size);
        assert_eq!(geometry.slots(), geometry.slots_per_block() * geometry.blocks);
        assert!(u32::try_from(geometry.len()).is_ok() && geometry.slots_per_block() > 0);
    }

    #[test]
    fn this_machine_has_pages_of_a_size_that_is_tested() {
        assert!(PAGE_SIZES.contains(&page_size()));
    }

    #[test]
    fn ring_of_blocks_never_has_one_block_only() {
        for page_size in PAGE_SIZES {
            let one_block = RingOptions { frames: Some(1), block_size: Some(1 << 20), ..RingOptions::V3 };
            assert_eq!(one_block.geometry_of_pages(1514, page_size).unwrap().blocks, 4);
        }
    }

    /// The origin's block of 2,101,248 bytes is no multiple of 64 KiB, and cannot be had there; ours is rounded up.
    #[test]
    fn ring_of_the_origin_has_32_slots_on_any_page_size() {
        for page_size in PAGE_SIZES {
            let geometry = RingOptions::ORIGIN.geometry_of_pages(65_535, page_size).unwrap();
            assert_eq!((geometry.frame_size, geometry.slots()), (65_664, 32));
            check(geometry, page_size);
        }
    }

    #[test]
    fn what_cannot_work_is_refused_by_name() {
        let refused = |options: RingOptions| match options.geometry(1514).unwrap_err() {
            SetupError::BadOption { option, .. } => option,
            other => panic!("{other}"),
        };
        assert_eq!(refused(RingOptions { frames: Some(0), ..RingOptions::V2 }), "ring.frames");
        assert_eq!(refused(RingOptions { frames: Some(usize::MAX), ..RingOptions::V2 }), "ring.frames");
        assert_eq!(refused(RingOptions { frame_size: Some(usize::MAX & !15), ..RingOptions::V2 }), "ring.frames");
        assert_eq!(refused(RingOptions { block_size: Some(usize::MAX), ..RingOptions::V2 }), "ring.frames");
        assert_eq!(refused(RingOptions { frame_size: Some(1514), ..RingOptions::V2 }), "ring.frame_size");
        assert_eq!(refused(RingOptions { frame_size: Some(4100), ..RingOptions::V2 }), "ring.frame_size");
    }
}
