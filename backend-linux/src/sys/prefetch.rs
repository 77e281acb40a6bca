//! Memory asked for before it is needed.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "no safe function asks for memory ahead"))]

/// Brings the `len` bytes at `start` near, if the processor can be told to: a cache line for each 64 of them, so that of bytes which begin in the middle of a
/// line the last may be missing. `start` may be any address: nothing is accessed.
#[inline(always)]
pub(crate) fn prefetch(start: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in 0..len.div_ceil(LINE) {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 belongs to SSE, and thus to x86_64. It is a hint, and faults for no address (Intel SDM, volume 2, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(line * LINE).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}

/// Bytes of a cache line.
#[cfg(target_arch = "x86_64")]
const LINE: usize = 64;
