//! The files, read.

use std::io::Read as _;

use fdlink_core::wire::VirtioNetHdr;
use fdlink_core::wire::vnet::{ByteOrder, LEN};
use flate2::read::GzDecoder;
use serde_json::Value;

/// One write to a descriptor, and what became of it.
pub(crate) struct Case {
    pub(crate) name: String,
    /// Bytes of link header.
    pub(crate) network: usize,
    /// `None` where the write was too short to have one.
    pub(crate) vnet: Option<VirtioNetHdr>,
    pub(crate) frame: Vec<u8>,
    /// What came out of the kernel; `None` where nothing did.
    pub(crate) expected: Option<Expected>,
}

pub(crate) enum Expected {
    Frames(Vec<Vec<u8>>),
    Summary { count: usize, first: Vec<Vec<u8>>, last: Vec<Vec<u8>>, hash: u64 },
}

impl Expected {
    #[track_caller]
    pub(crate) fn assert_is(&self, frames: &[Vec<u8>], name: &str) {
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
fn assert_frames(frames: &[Vec<u8>], expected: &[Vec<u8>], name: &str) {
    assert_eq!(frames.len(), expected.len(), "{name}");
    for (index, (frame, expected)) in frames.iter().zip(expected).enumerate() {
        assert!(frame == expected, "{name}: frame {index}\n{frame:02x?}\nis not\n{expected:02x?}");
    }
}

fn fnv1a64(frames: &[Vec<u8>]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    frames.iter().flatten().fold(0xcbf2_9ce4_8422_2325, step)
}

/// The cases of a file as it lies in `tests/vectors`.
pub(crate) fn cases(packed: &[u8]) -> Vec<Case> {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let file: Value = serde_json::from_str(&text).unwrap();
    file["cases"].as_array().unwrap().iter().map(case).collect()
}

fn case(value: &Value) -> Case {
    let (vnet, frame) = match value["raw"].as_str() {
        Some(raw) => from_write(&unhex(raw)),
        None => (Some(header(&value["vnet"])), frame(&value["input"], &value["payload_rule"])),
    };
    Case {
        name: value["name"].as_str().unwrap().to_owned(),
        network: if value["link"] == "ethernet" { 14 } else { 0 },
        vnet,
        frame,
        expected: expected(value),
    }
}

fn from_write(bytes: &[u8]) -> (Option<VirtioNetHdr>, Vec<u8>) {
    (VirtioNetHdr::decode(bytes, ByteOrder::Little), bytes.get(LEN..).unwrap_or_default().to_vec())
}

fn header(fields: &Value) -> VirtioNetHdr {
    let field = |name: &str| u16::try_from(fields[name].as_u64().unwrap()).unwrap();
    VirtioNetHdr {
        flags: field("flags") as u8,
        gso_type: field("gso_type") as u8,
        hdr_len: field("hdr_len"),
        gso_size: field("gso_size"),
        csum_start: field("csum_start"),
        csum_offset: field("csum_offset"),
    }
}

fn expected(value: &Value) -> Option<Expected> {
    let frames =
        |list: &Value| list.as_array().into_iter().flatten().map(|item| frame(item, &value["payload_rule"])).collect();
    if !value["expect"].is_null() {
        return Some(Expected::Frames(frames(&value["expect"])));
    }
    let summary = value.get("expect_summary")?;
    Some(Expected::Summary {
        count: summary["count"].as_u64().unwrap() as usize,
        first: frames(&summary["first"]),
        last: frames(&summary["last"]),
        hash: u64::from_str_radix(summary["fnv1a64"].as_str().unwrap(), 16).unwrap(),
    })
}

fn frame(value: &Value, rule: &Value) -> Vec<u8> {
    if let Some(text) = value.as_str() {
        return unhex(text);
    }
    let start = value["payload_offset"].as_u64().unwrap_or(0);
    let end = start + value["payload_len"].as_u64().unwrap();
    let term = |name: &str| rule[name].as_u64().unwrap();
    let (mul, step, add) = (term("mul"), term("step"), term("add"));
    let mut bytes = unhex(value["header"].as_str().unwrap());
    bytes.extend((start..end).map(|i| (i * mul + (i >> 8) * step + add) as u8));
    bytes
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
