//! The programs, run by an interpreter of the instructions that they are made of, against the filter of the endpoint.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

use fdlink_core::io::{EtherTypes, VlanTag};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

/// What the kernel would do: the return value of the program.
fn run(program: &[sock_filter], frame: &[u8], taken_out: Option<VlanTag>) -> u32 {
    let (mut at, mut a, mut x, mut memory) = (0, 0, 0, [0; 16]);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let skip = |condition| usize::from(if condition { jt } else { jf });
        match u32::from(code) {
            LD_LEN => a = frame.len() as u32,
            LD_IMM => a = k,
            LD_MEM => a = memory[k as usize],
            ST => memory[k as usize] = a,
            LD_W if k == ancillary(libc::SKF_AD_VLAN_TAG_PRESENT) => a = taken_out.is_some().into(),
            LD_W if k == ancillary(libc::SKF_AD_VLAN_TAG) => a = taken_out.map_or(0, |tag| tag.tci.into()),
            code @ (LD_W | LD_H | LD_B) => {
                let len = [4, 2, 1][[LD_W, LD_H, LD_B].iter().position(|load| *load == code).unwrap()];
                let Some(bytes) = frame.get(k as usize..k as usize + len) else { return 0 };
                a = bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
            }
            AND => a &= k,
            RSH => a >>= k,
            TAX => x = a,
            TXA => a = x,
            JA => at += k as usize,
            JEQ => at += skip(a == k),
            JGE => at += skip(a >= k),
            JSET => at += skip(a & k != 0),
            RET => return k,
            other => panic!("no such instruction: {other:#x}"),
        }
    }
}

const OWN: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);

fn filter() -> impl Strategy<Value = RxFilter> {
    let types = [
        EtherTypes::ALL,
        EtherTypes::only([EtherType::IPV4]),
        EtherTypes::only([EtherType::IPV6, EtherType::ARP]),
        EtherTypes::only([EtherType::VLAN, EtherType(0x88b5)]),
    ];
    let vlans = [VlanFilter::Any, VlanFilter::Untagged, VlanFilter::Id(5), VlanFilter::Id(4094)];
    let addresses = [OWN, LinkAddress::ZERO, LinkAddress([0xfe, 0xff, 0xff, 0xff, 0xff, 0xfe])];
    (any::<bool>(), any::<bool>(), select(addresses.to_vec()), select(types.to_vec()), select(vlans.to_vec())).prop_map(
        |(ethernet_header, promiscuous, address, ether_types, vlan)| RxFilter {
            ethernet_header,
            promiscuous,
            address,
            ether_types,
            vlan,
        },
    )
}

/// Near to what the filters ask for, so that each step is passed and failed.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    let destinations: [[u8; 6]; 8] = [
        OWN.0,
        OWN.0,
        [0; 6],
        [0xff; 6],
        [1, 0, 0x5e, 0, 0, 7],
        [2, 0, 0, 0, 0, 9],
        [2, 0, 0, 9, 0, 1],
        [0xfe, 0xff, 0xff, 0xff, 0xff, 0xfe],
    ];
    let types = [0x0800u16, 0x0806, 0x86dd, 0x8100, 0x88a8, 0x88b5, 0x45];
    let tcis = [0u16, 0xe000, 5, 0x7005, 4094, 4095, 6];
    let header = (select(destinations.to_vec()), select(types.to_vec()), select(tcis.to_vec()), select(types.to_vec()));
    let ethernet = (header, vec(any::<u8>(), 0..40), 0..60usize).prop_map(|((to, outer, tci, inner), rest, len)| {
        let [outer, tci, inner] = [outer, tci, inner].map(u16::to_be_bytes);
        let mut frame = [&to[..], &[2, 0, 0, 0, 0, 2], &outer, &tci, &inner, &rest].concat();
        frame.truncate(if len < 20 { len } else { usize::MAX });
        frame
    });
    prop_oneof![9 => ethernet, 1 => vec(any::<u8>(), 0..70)]
}

fn tag() -> impl Strategy<Value = Option<VlanTag>> {
    let tag = select(&[0u16, 0xe000, 5, 0xe005, 4094, 6][..]).prop_map(|tci| VlanTag { tpid: 0x8100, tci });
    proptest::option::of(tag)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn kernel_and_endpoint_take_the_same_frames(filter in filter(), frame in frame(), tag in tag()) {
        let verdict = run(&program(&filter), &frame, tag);
        let expected = if filter.parse(&frame, tag).is_ok() { u32::MAX } else { 0 };
        prop_assert_eq!(verdict, expected);
    }
}

/// No step jumps over the end or backwards, so that the kernel accepts it (`bpf_check_classic`).
#[test]
fn every_jump_lands_inside_the_program() {
    let filter = RxFilter {
        ethernet_header: true,
        promiscuous: false,
        address: OWN,
        ether_types: EtherTypes::only([EtherType::IPV4, EtherType::IPV6, EtherType::ARP]),
        vlan: VlanFilter::Id(5),
    };
    let program = program(&filter);
    for (at, step) in program.iter().enumerate() {
        let furthest = match u32::from(step.code) {
            JA => step.k as usize,
            _ => usize::from(step.jt.max(step.jf)),
        };
        assert!(at + 1 + furthest <= program.len() && (at + 1 < program.len() || u32::from(step.code) == RET));
    }
}

const LD_LEN: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_LEN;
const LD_IMM: u32 = libc::BPF_LD | libc::BPF_IMM;
const LD_MEM: u32 = libc::BPF_LD | libc::BPF_MEM;
const LD_W: u32 = libc::BPF_LD | libc::BPF_ABS | libc::BPF_W;
const LD_H: u32 = libc::BPF_LD | libc::BPF_ABS | libc::BPF_H;
const LD_B: u32 = libc::BPF_LD | libc::BPF_ABS | libc::BPF_B;
const ST: u32 = libc::BPF_ST;
const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
const RSH: u32 = libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K;
const TAX: u32 = libc::BPF_MISC | libc::BPF_TAX;
const TXA: u32 = libc::BPF_MISC | libc::BPF_TXA;
const JA: u32 = libc::BPF_JMP | libc::BPF_JA;
const JEQ: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const JGE: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
const JSET: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
const RET: u32 = libc::BPF_RET | libc::BPF_K;
