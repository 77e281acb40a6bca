//! Memory asked for before it is needed.
#![cfg_attr(target_arch = "x86_64", expect(unsafe_code, reason = "no safe function asks for memory ahead"))]

/// Brings two cache lines near, the one at `at` and the one behind it, if the processor can be told to. `at` may be any address: nothing is accessed.
#[inline(always)]
pub(crate) fn prefetch_lines(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    for line in [at, at.wrapping_add(64)] {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: PREFETCHT0 belongs to SSE, and thus to x86_64. It is a hint, and faults for no address (Intel SDM, volume 2, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
