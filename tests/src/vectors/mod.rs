//! The kernel's own frames: what Linux 6.18 segmented, checksummed, refused and coalesced (`tests/vectors`).

mod expected;
mod json;

use std::io::Read as _;
use std::path::Path;

use fdlink_core::wire::VirtioNetHdr;
use flate2::read::GzDecoder;
use serde_json::Value;

pub use expected::Expected;

/// What the kernel was given in one case, and what it made of it.
#[derive(Debug)]
pub struct Case {
    /// Unique within its file.
    pub name: String,
    /// Bytes of link header: 14, or 0.
    pub link_len: usize,
    /// Frames in order of arrival: one in the files of segmentation, checksums and refusals.
    pub input: Vec<Frame>,
    /// What came out; `None` where nothing did.
    pub expect: Option<Expected>,
    /// Several flows: the order between them does not count.
    pub is_per_flow: bool,
    /// What was different when the case was recorded.
    pub note: Option<String>,
}

/// A frame with its virtio-net header, if it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The header.
    pub vnet: Option<VirtioNetHdr>,
    /// The frame.
    pub bytes: Vec<u8>,
}

impl Case {
    /// The frame of a case that has one.
    ///
    /// # Panics
    ///
    /// If it has several.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        let [frame] = self.input.as_slice() else { panic!("{}: {} frames", self.name, self.input.len()) };
        frame
    }
}

/// The cases of a file.
///
/// # Panics
///
/// If it is not there, or not as it should be.
#[must_use]
pub fn cases(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(file).with_extension("json.gz");
    let compressed = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    GzDecoder::new(compressed.as_slice()).read_to_string(&mut text).expect("text");
    let file: Value = serde_json::from_str(&text).expect("JSON");
    json::list(&file["cases"]).iter().map(json::case).collect()
}
