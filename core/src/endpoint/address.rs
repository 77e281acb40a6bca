use core::hint::spin_loop;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU16, AtomicU32, fence};

use spin::Mutex;

use crate::wire::LinkAddress;

/// A link address that every queue reads for each batch, and that hardly ever changes: a sequence lock. Who reads it writes nothing, so that threads on
/// several cores do not take its cache line from each other.
#[derive(Debug)]
pub(crate) struct SharedAddress {
    /// Odd while the address changes.
    generation: AtomicU32,
    /// The first four bytes, and the last two: as an address is compared, which is done for each frame.
    first: AtomicU32,
    last: AtomicU16,
    writing: Mutex<()>,
}

impl SharedAddress {
    pub(crate) const fn new(address: LinkAddress) -> Self {
        let (first, last) = parts(address);
        let (first, last) = (AtomicU32::new(first), AtomicU16::new(last));
        Self { generation: AtomicU32::new(0), first, last, writing: Mutex::new(()) }
    }

    pub(crate) fn load(&self) -> LinkAddress {
        loop {
            let generation = self.generation.load(Acquire);
            let address = joined(self.first.load(Relaxed), self.last.load(Relaxed));
            fence(Acquire);
            if generation.is_multiple_of(2) && self.generation.load(Relaxed) == generation {
                return address;
            }
            spin_loop();
        }
    }

    pub(crate) fn store(&self, address: LinkAddress) {
        let _one_at_a_time = self.writing.lock();
        let (generation, (first, last)) = (self.generation.load(Relaxed), parts(address));
        self.generation.store(generation.wrapping_add(1), Relaxed);
        fence(Release);
        self.first.store(first, Relaxed);
        self.last.store(last, Relaxed);
        self.generation.store(generation.wrapping_add(2), Release);
    }
}

const fn parts(LinkAddress([a, b, c, d, e, f]): LinkAddress) -> (u32, u16) {
    (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f]))
}

const fn joined(first: u32, last: u16) -> LinkAddress {
    let ([a, b, c, d], [e, f]) = (first.to_ne_bytes(), last.to_ne_bytes());
    LinkAddress([a, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use std::thread::scope;

    use super::*;

    #[test]
    fn address_is_that_which_was_stored_last() {
        let shared = SharedAddress::new(LinkAddress([1, 2, 3, 4, 5, 6]));
        assert_eq!(shared.load(), LinkAddress([1, 2, 3, 4, 5, 6]));
        shared.store(LinkAddress([0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa]));
        assert_eq!(shared.load(), LinkAddress([0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa]));
    }

    #[test]
    fn address_is_never_half_of_one_and_half_of_another() {
        let shared = SharedAddress::new(LinkAddress([0; 6]));
        scope(|scope| {
            scope.spawn(|| (0..=u8::MAX).cycle().take(20_000).for_each(|byte| shared.store(LinkAddress([byte; 6]))));
            for _ in 0..20_000 {
                let LinkAddress(bytes) = shared.load();
                assert_eq!(bytes, [bytes[0]; 6]);
            }
        });
    }
}
