//! Two endpoints over an in-memory link, in a static binary that links neither std, nor an allocator, nor libc.
//!
//! That it links is the proof; that it runs shows that the proof is not about dead code. The exit code is 0, or the number of the
//! check that failed ([`proof::Failed`]). Built and run by `cargo xtask no-std`.

#![no_std]
#![no_main]

mod freestanding;
mod proof;

use core::panic::PanicInfo;

/// What `_start` calls; the return value is the exit code.
extern "C" fn run() -> i32 {
    control();
    match proof::prove() {
        Ok(()) => 0,
        Err(failed) => failed as i32,
    }
}

/// Loops: whoever runs the program has a time limit.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}

#[cfg(not(any(feature = "with-alloc", feature = "with-std")))]
const fn control() {}

#[cfg(feature = "with-std")]
extern crate std;

#[cfg(feature = "with-std")]
fn control() {
    std::println!("std is here");
}

#[cfg(feature = "with-alloc")]
extern crate alloc;

#[cfg(all(feature = "with-alloc", not(feature = "with-std")))]
fn control() {
    core::hint::black_box(alloc::vec![0_u8; 16]);
}
