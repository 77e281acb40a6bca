//! SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012): a keyed hash, one round for each word and three at the end.
//!
//! Who does not know the key cannot choose inputs that meet in one value. Linux (`hsiphash`) and the maps of the standard library use the same
//! variant for the same purpose.

/// The hash of `bytes` under `key`.
#[inline]
pub(super) fn siphash_1_3([k0, k1]: [u64; 2], bytes: &[u8]) -> u64 {
    let [c0, c1, c2, c3] = INITIAL;
    let mut v = [k0 ^ c0, k1 ^ c1, k0 ^ c2, k1 ^ c3];
    let (words, rest) = bytes.as_chunks();
    words.iter().for_each(|word| absorb(&mut v, u64::from_le_bytes(*word)));
    absorb(&mut v, last_word(rest, bytes.len()));
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline]
fn absorb(v: &mut [u64; 4], word: u64) {
    v[3] ^= word;
    round(v);
    v[0] ^= word;
}

/// The bytes that fill no word, and the length modulo 256 in the highest byte.
#[inline]
fn last_word(rest: &[u8], len: usize) -> u64 {
    rest.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)) | (len as u64) << 56
}

/// SipRound.
#[inline]
fn round([v0, v1, v2, v3]: &mut [u64; 4]) {
    half_round([v0, v1], [v2, v3], [13, 16]);
    half_round([v2, v1], [v0, v3], [17, 21]);
}

/// Each pair is added, rotated and mixed; the first sum is rotated by half.
#[inline]
fn half_round([a, b]: [&mut u64; 2], [c, d]: [&mut u64; 2], [s, t]: [u32; 2]) {
    *a = a.wrapping_add(*b);
    *c = c.wrapping_add(*d);
    *b = b.rotate_left(s) ^ *a;
    *d = d.rotate_left(t) ^ *c;
    *a = a.rotate_left(32);
}

/// "somepseudorandomlygeneratedbytes".
const INITIAL: [u64; 4] = [0x736f_6d65_7073_6575, 0x646f_7261_6e64_6f6d, 0x6c79_6765_6e65_7261, 0x7465_6462_7974_6573];

#[cfg(test)]
mod tests {
    use super::siphash_1_3;
    use core::hash::Hasher as _;
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;
    use std::vec::Vec;

    /// The key and the inputs of the reference implementation's `vectors.h` (key 00 to 0f; the input of `n` bytes is 00 to n-1), and the values
    /// by which the standard library tests its SipHash-1-3; 12 and 36 bytes are what a flow takes.
    #[test]
    fn reference_vectors() {
        let key = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];
        let input: Vec<u8> = (0..64).collect();
        for (len, expected) in [
            (0, 0xabac_0158_050f_c4dc),
            (1, 0xc9f4_9bf3_7d57_ca93),
            (7, 0xd392_7d98_9bb1_1140),
            (8, 0x3690_9511_8d29_9a8e),
            (12, 0x78a3_84b1_57b4_d9a2),
            (36, 0x2cf5_08d3_ada2_6206),
            (63, 0x9d19_9062_b7bb_b3a8),
        ] {
            assert_eq!(siphash_1_3(key, &input[..len]), expected, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn another_implementation_agrees(key: [u64; 2], bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut other = SipHasher13::new_with_keys(key[0], key[1]);
            other.write(&bytes);
            prop_assert_eq!(siphash_1_3(key, &bytes), other.finish());
        }
    }
}
