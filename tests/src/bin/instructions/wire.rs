use core::hint::black_box;

use fdlink_core::EtherType;
use fdlink_core::wire::{Checksum, FlowHasher, FlowKey};
use fdlink_tests::support::Segments;

use crate::{Job, counted};

/// The flow of a packet found and hashed, as for each packet that goes to a processor.
pub(crate) fn flow_hash_ipv4() -> Job {
    hashing(EtherType::IPV4, |port| Segments { has_ethernet: false, ..Segments::tcp(port) })
}

pub(crate) fn flow_hash_ipv6() -> Job {
    hashing(EtherType::IPV6, |port| Segments { has_ethernet: false, is_v6: true, ..Segments::tcp(port) })
}

fn hashing(protocol: EtherType, flow: fn(u16) -> Segments) -> Job {
    let packets: Vec<_> = (0..HASHES as u16).map(|port| flow(port).next(&[0x5a; 100], 0)).collect();
    let hasher = FlowHasher::new(black_box([17, 4]));
    Box::new(move || {
        counted(|| {
            for packet in &packets {
                black_box(FlowKey::parse(protocol, packet).map(|flow| hasher.hash(&flow)));
            }
        });
    })
}

/// Bytes summed and the sum finished, a KiB at a time.
pub(crate) fn checksum() -> Job {
    let bytes = vec![0x5a; KIBIBYTES << 10];
    Box::new(move || {
        counted(|| {
            for bytes in bytes.chunks_exact(1 << 10) {
                let mut checksum = Checksum::new();
                checksum.add_bytes(black_box(bytes));
                black_box(checksum.finish());
            }
        });
    })
}

pub(crate) const HASHES: usize = 64;
pub(crate) const KIBIBYTES: usize = 64;
