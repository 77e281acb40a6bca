//! The kernel's own frames: what Linux 6.18 segmented, checksummed and coalesced (`tests/vectors`).

use std::io::Read as _;
use std::path::Path;

use fdlink_core::wire::VirtioNetHdr;
use flate2::read::GzDecoder;
use serde_json::Value;

/// Input and output of the kernel in one case.
#[derive(Debug)]
pub struct Case {
    /// Unique within its file.
    pub name: String,
    /// Bytes of link header: 14, or 0.
    pub link_len: usize,
    /// Frames in order of arrival.
    pub input: Vec<Frame>,
    /// Frames in order of delivery.
    pub expect: Vec<Frame>,
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
    list(&file["cases"]).iter().map(case).collect()
}

fn case(value: &Value) -> Case {
    let payload = |at: usize, len: usize| {
        let rule = |name: &str| number(&value["payload_rule"][name]);
        let byte = |i: usize| (i * rule("mul") + (i >> 8) * rule("step") + rule("add")) as u8;
        (at..at + len).map(byte).collect::<Vec<_>>()
    };
    let frames = |name: &str| list(&value[name]).iter().map(|value| frame(value, &payload)).collect();
    Case {
        name: text(&value["name"]).to_owned(),
        link_len: if value["link"] == "ethernet" { 14 } else { 0 },
        input: frames("input"),
        expect: frames("expect"),
        is_per_flow: value["order"] == "per-flow",
        note: value["note"].as_str().map(str::to_owned),
    }
}

fn frame(value: &Value, payload: &impl Fn(usize, usize) -> Vec<u8>) -> Frame {
    let bytes = match (value, value.get("frame")) {
        (Value::String(bytes), _) => hex(bytes),
        (_, Some(bytes)) => hex(text(bytes)),
        _ => {
            let (at, len) = (value["payload_offset"].as_u64().unwrap_or(0) as usize, number(&value["payload_len"]));
            [hex(text(&value["header"])), payload(at, len)].concat()
        }
    };
    let vnet = value.get("vnet").map(vnet);
    Frame { vnet, bytes }
}

fn vnet(value: &Value) -> VirtioNetHdr {
    let field = |name: &str| u16::try_from(number(&value[name])).expect("16 bits");
    let octet = |name: &str| u8::try_from(number(&value[name])).expect("8 bits");
    VirtioNetHdr {
        flags: octet("flags"),
        gso_type: octet("gso_type"),
        hdr_len: field("hdr_len"),
        gso_size: field("gso_size"),
        csum_start: field("csum_start"),
        csum_offset: field("csum_offset"),
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}
