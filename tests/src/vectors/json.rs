//! The format of the files: `tests/vectors/README.md`.

use fdlink_core::wire::VirtioNetHdr;
use fdlink_core::wire::vnet::{ByteOrder, LEN};
use serde_json::Value;

use super::{Case, Expected, Frame};

pub(super) fn case(value: &Value) -> Case {
    Case {
        name: text(&value["name"]).to_owned(),
        link_len: if value["link"] == "ethernet" { 14 } else { 0 },
        input: input(value),
        expect: expected(value),
        is_per_flow: value["order"] == "per-flow",
        note: value["note"].as_str().map(str::to_owned),
    }
}

/// A list of frames, one frame whose header stands beside it, or the bytes of a whole write.
fn input(value: &Value) -> Vec<Frame> {
    let rule = &value["payload_rule"];
    match (value["raw"].as_str(), &value["input"]) {
        (Some(raw), _) => vec![written(&hex(raw))],
        (_, Value::Array(list)) => list.iter().map(|item| frame(item, rule)).collect(),
        (_, item) => vec![Frame { vnet: value.get("vnet").map(vnet), ..frame(item, rule) }],
    }
}

/// A write that is too short for a header has none.
fn written(bytes: &[u8]) -> Frame {
    let vnet = VirtioNetHdr::decode(bytes, ByteOrder::Little);
    Frame { vnet, bytes: bytes.get(LEN..).unwrap_or_default().to_vec() }
}

fn expected(value: &Value) -> Option<Expected> {
    let frames = |value: &Value, rule: &Value| list(value).iter().map(|item| frame(item, rule)).collect();
    let rule = &value["payload_rule"];
    if !value["expect"].is_null() {
        return Some(Expected::Frames(frames(&value["expect"], rule)));
    }
    let summary = value.get("expect_summary")?;
    let part = |name: &str| summary.get(name).map_or_else(Vec::new, |value| frames(value, rule));
    Some(Expected::Summary {
        count: number(&summary["count"]),
        first: part("first"),
        last: part("last"),
        hash: u64::from_str_radix(text(&summary["fnv1a64"]), 16).expect("a hexadecimal number"),
    })
}

fn frame(value: &Value, rule: &Value) -> Frame {
    let bytes = match (value, value.get("frame")) {
        (Value::String(bytes), _) => hex(bytes),
        (_, Some(bytes)) => hex(text(bytes)),
        _ => {
            let (at, len) = (value["payload_offset"].as_u64().unwrap_or(0) as usize, number(&value["payload_len"]));
            [hex(text(&value["header"])), payload(at, len, rule)].concat()
        }
    };
    Frame { vnet: value.get("vnet").map(vnet), bytes }
}

fn payload(at: usize, len: usize, rule: &Value) -> Vec<u8> {
    let term = |name: &str| number(&rule[name]);
    let (mul, step, add) = (term("mul"), term("step"), term("add"));
    (at..at + len).map(|i| (i * mul + (i >> 8) * step + add) as u8).collect()
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

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("text")
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}
