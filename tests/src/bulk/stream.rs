use std::hash::Hasher as _;

use twox_hash::XxHash64;

/// A stream of bytes that both ends know, and how far it has come.
#[derive(Debug)]
pub struct Stream {
    pattern: Vec<u8>,
    hash: Option<XxHash64>,
    /// Bytes so far.
    pub position: u64,
}

impl Stream {
    /// From its start.
    #[must_use]
    pub fn new(is_hashed: bool) -> Self {
        let pattern = (0..PERIOD + CHUNK).map(|at| at % PERIOD).map(|at| (at * 31 + (at >> 8)) as u8).collect();
        Self { pattern, hash: is_hashed.then(|| XxHash64::with_seed(0)), position: 0 }
    }

    /// The bytes that come next, 256 KiB at most.
    #[must_use]
    pub fn next(&self, most: u64) -> &[u8] {
        let start = (self.position % PERIOD as u64) as usize;
        &self.pattern[start..][..CHUNK.min(usize::try_from(most).unwrap_or(CHUNK))]
    }

    /// The next `len` bytes have passed as they are known.
    pub fn advance(&mut self, len: usize) {
        let start = (self.position % PERIOD as u64) as usize;
        if let Some(hash) = &mut self.hash {
            hash.write(&self.pattern[start..start + len]);
        }
        self.position += len as u64;
    }

    /// These bytes have come, whether they are the right ones or not.
    pub fn take(&mut self, bytes: &[u8]) {
        if let Some(hash) = &mut self.hash {
            hash.write(bytes);
        }
        self.position += bytes.len() as u64;
    }

    /// The hash of what has passed; 0 if it is not hashed.
    #[must_use]
    pub fn hash(&self) -> u64 {
        self.hash.as_ref().map_or(0, XxHash64::finish)
    }
}

/// Most bytes of one read or write: what the kernel end is to use for each (64 KiB make pairs of frames of 64 KB and 1.3 KB).
pub(super) const CHUNK: usize = 256 << 10;
/// A prime, so that no segment size divides it.
const PERIOD: usize = 65_521;
