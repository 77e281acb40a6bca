use super::Frame;

/// What came out of the kernel.
#[derive(Debug)]
pub enum Expected {
    /// These frames.
    Frames(Vec<Frame>),
    /// Many.
    Summary {
        /// How many there were.
        count: usize,
        /// How they begin.
        first: Vec<Frame>,
        /// How they end.
        last: Vec<Frame>,
        /// FNV-1a over all of them, one after the other.
        hash: u64,
    },
}

impl Expected {
    /// The frames, where all of them were recorded.
    ///
    /// # Panics
    ///
    /// Where they were not.
    #[must_use]
    pub fn frames(&self) -> &[Frame] {
        match self {
            Self::Frames(frames) => frames,
            Self::Summary { count, .. } => panic!("{count} frames were not recorded"),
        }
    }

    /// Compares the bytes of frames.
    ///
    /// # Panics
    ///
    /// If they are others than those that came out of the kernel in the case `name`.
    #[track_caller]
    pub fn assert_is(&self, frames: &[Vec<u8>], name: &str) {
        match self {
            Self::Frames(expected) => assert_frames(frames, expected, name),
            Self::Summary { count, first, last, hash } => {
                assert_eq!(frames.len(), *count, "{name}");
                assert_frames(&frames[..first.len()], first, name);
                assert_frames(&frames[count - last.len()..], last, name);
                assert_eq!(fnv1a64(frames), *hash, "{name}");
            }
        }
    }
}

#[track_caller]
fn assert_frames(frames: &[Vec<u8>], expected: &[Frame], name: &str) {
    assert_eq!(frames.len(), expected.len(), "{name}");
    for (index, (frame, expected)) in frames.iter().zip(expected).enumerate() {
        assert!(*frame == expected.bytes, "{name}: frame {index}\n{frame:02x?}\nis not\n{:02x?}", expected.bytes);
    }
}

fn fnv1a64(frames: &[Vec<u8>]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    frames.iter().flatten().fold(0xcbf2_9ce4_8422_2325, step)
}
