//! What an endpoint takes, as a program of classic BPF for the kernel (`Documentation/networking/filter.rst`, `linux/filter.h`).
//!
//! ```text
//! whole header? ─► own address or group? ─► outermost tag, type behind it ─► VLAN? ─► type? ─► accept
//!       no ▼                   no ▼                                       no ▼     no ▼
//!                                          refuse
//! ```
//!
//! A load beyond the end of the frame refuses it.

use fdlink_core::EtherType;
use fdlink_core::LinkAddress;
use fdlink_core::io::{RxFilter, VlanFilter};
use fdlink_core::wire::ethernet::HEADER_LEN;
use libc::sock_filter;

/// Accepts every frame that `filter` takes, and no other.
pub(crate) fn program(filter: &RxFilter) -> Vec<sock_filter> {
    let mut program = Vec::new();
    if !filter.ethernet_header {
        packet_without_header(&mut program, filter);
        return program;
    }
    program.extend(WHOLE_HEADER);
    if !filter.promiscuous {
        program.extend(own_or_group(filter.address));
    }
    if !filter.ether_types.is_all() || filter.vlan != VlanFilter::Any {
        program.extend(LOAD_TAG_AND_TYPE);
        vlan(&mut program, filter.vlan);
        program.push(plain(libc::BPF_MISC | libc::BPF_TXA, 0));
    }
    types(&mut program, filter.ether_types.as_slice());
    program
}

/// Accepts every frame.
pub(crate) const ACCEPT_ALL: [sock_filter; 1] = [ACCEPT];

fn own_or_group(LinkAddress([a0, a1, a2, a3, a4, a5]): LinkAddress) -> [sock_filter; 7] {
    [
        load(libc::BPF_B, 0),
        jump(libc::BPF_JSET, 1, 5, 0),
        load(libc::BPF_W, 0),
        jump(libc::BPF_JEQ, u32::from_be_bytes([a0, a1, a2, a3]), 0, 2),
        load(libc::BPF_H, 4),
        jump(libc::BPF_JEQ, u32::from_be_bytes([0, 0, a4, a5]), 1, 0),
        REFUSE,
    ]
}

/// With the tag control information in the accumulator.
fn vlan(program: &mut Vec<sock_filter>, vlan: VlanFilter) {
    let id = match vlan {
        VlanFilter::Untagged => 0,
        VlanFilter::Id(id) => id,
        _ => return,
    };
    program.push(plain(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0x0fff));
    program.extend([jump(libc::BPF_JEQ, id.into(), 1, 0), REFUSE]);
}

/// The last step, with the type in the accumulator.
fn types(program: &mut Vec<sock_filter>, ether_types: &[EtherType]) {
    if ether_types.is_empty() {
        return program.push(ACCEPT);
    }
    for ether_type in ether_types {
        program.extend([jump(libc::BPF_JEQ, ether_type.0.into(), 0, 1), ACCEPT]);
    }
    program.push(REFUSE);
}

fn packet_without_header(program: &mut Vec<sock_filter>, filter: &RxFilter) {
    program.extend([load(libc::BPF_B, 0), plain(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K, 4)]);
    for (version, ether_type) in [(4, EtherType::IPV4), (6, EtherType::IPV6)] {
        if filter.ether_types.takes(ether_type) {
            program.extend([jump(libc::BPF_JEQ, version, 0, 1), ACCEPT]);
        }
    }
    program.push(REFUSE);
}

/// Loads `size` bytes at `offset`, in network order.
const fn load(size: u32, offset: u32) -> sock_filter {
    plain(libc::BPF_LD | libc::BPF_ABS | size, offset)
}

/// Compares the accumulator with `value` and skips as many instructions.
const fn jump(comparison: u32, value: u32, if_true: u8, if_false: u8) -> sock_filter {
    sock_filter { jt: if_true, jf: if_false, ..plain(libc::BPF_JMP | libc::BPF_K | comparison, value) }
}

const fn plain(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

/// How much of the frame is kept: all.
const ACCEPT: sock_filter = plain(libc::BPF_RET | libc::BPF_K, u32::MAX);
const REFUSE: sock_filter = plain(libc::BPF_RET | libc::BPF_K, 0);

const WHOLE_HEADER: [sock_filter; 3] =
    [plain(libc::BPF_LD | libc::BPF_W | libc::BPF_LEN, 0), jump(libc::BPF_JGE, HEADER_LEN as u32, 1, 0), REFUSE];

/// Leaves the control information of the outermost tag in the accumulator, 0 if there is none, and the type behind it in the index register.
/// The kernel has taken the tag out of what comes by an interface; it stays where somebody wrote it behind another one.
const LOAD_TAG_AND_TYPE: [sock_filter; 17] = [
    load(libc::BPF_W, ancillary(libc::SKF_AD_VLAN_TAG_PRESENT)),
    jump(libc::BPF_JEQ, 0, 3, 0),
    // Taken out.
    load(libc::BPF_W, ancillary(libc::SKF_AD_VLAN_TAG)),
    plain(libc::BPF_ST, 0),
    plain(libc::BPF_JMP | libc::BPF_JA, 9),
    load(libc::BPF_H, 12),
    jump(libc::BPF_JEQ, EtherType::VLAN.0 as u32, 1, 0),
    jump(libc::BPF_JEQ, EtherType::SERVICE_VLAN.0 as u32, 0, 4),
    // In the frame.
    load(libc::BPF_H, 14),
    plain(libc::BPF_ST, 0),
    load(libc::BPF_H, 16),
    plain(libc::BPF_JMP | libc::BPF_JA, 3),
    // None.
    plain(libc::BPF_LD | libc::BPF_IMM, 0),
    plain(libc::BPF_ST, 0),
    load(libc::BPF_H, 12),
    plain(libc::BPF_MISC | libc::BPF_TAX, 0),
    plain(libc::BPF_LD | libc::BPF_MEM, 0),
];

/// Where the kernel answers what is not in the frame.
const fn ancillary(what: libc::c_int) -> u32 {
    (libc::SKF_AD_OFF + what).cast_unsigned()
}

#[cfg(test)]
#[path = "filter_tests.rs"]
mod tests;
