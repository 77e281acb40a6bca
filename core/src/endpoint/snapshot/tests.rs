#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use core::time::Duration;
use std::vec::Vec as List;

use proptest::array::uniform;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::counters::{RxCounters, TxCounters};
use crate::endpoint::{GsoSupport, TxPolicy};
use crate::io::{EtherTypes, VlanFilter};
use crate::rx::WakePolicy;
use crate::wire::EtherType;

type Three = Snapshot<3>;

fn counters() -> impl Strategy<Value = Counters> {
    let rx = (uniform::<_, 8>(any::<usize>()), uniform(any::<usize>())).prop_map(|(n, drops)| RxCounters {
        received: n[0],
        received_bytes: n[1],
        delivered: n[2],
        merged: n[3],
        split: n[4],
        drops,
        truncated_bytes: n[5],
        calls: n[6],
        errors: n[7],
    });
    let tx = (uniform::<_, 5>(any::<usize>()), uniform(any::<usize>())).prop_map(|(n, refusals)| TxCounters {
        sent: n[0],
        sent_bytes: n[1],
        merged: n[2],
        refusals,
        calls: n[3],
        waits: n[4],
    });
    (rx, tx).prop_map(|(rx, tx)| Counters { rx, tx })
}

fn options() -> impl Strategy<Value = Options> {
    let vlans = prop_oneof![Just(VlanFilter::Any), Just(VlanFilter::Untagged), any::<u16>().prop_map(VlanFilter::Id)];
    let wakes = prop_oneof![
        Just(WakePolicy::Prompt),
        any::<Duration>().prop_map(|max_delay| WakePolicy::Coalesce { max_delay }),
        any::<u32>().prop_map(|budget| WakePolicy::BusyPoll { budget }),
    ];
    let policies = prop_oneof![
        Just(TxPolicy::Return),
        Just(TxPolicy::Drop),
        any::<(u32, Duration)>().prop_map(|(attempts, timeout)| TxPolicy::Wait { attempts, timeout }),
    ];
    let gso = select(&[GsoSupport::None, GsoSupport::Host, GsoSupport::Software][..]);
    let types = vec(any::<u16>().prop_map(EtherType), 0..=EtherTypes::MOST);
    let numbers = any::<(u32, u32, [u8; 6], usize, usize, usize, Option<[u64; 2]>)>();
    (any::<[bool; 11]>(), numbers, (types, vlans, wakes, policies, gso)).prop_map(|(flags, numbers, kinds)| {
        let (mtu, gso_max_size, address, rx_budget, processors_per_channel, processor_backlog, flow_seed) = numbers;
        let (types, vlan, wake, tx_policy, gso) = kinds;
        Options {
            mtu,
            ethernet_header: flags[0],
            address: address.into(),
            promiscuous: flags[1],
            ether_types: EtherTypes::from_slice(&types).unwrap(),
            vlan,
            rx_budget,
            wake,
            tx_policy,
            gso,
            gso_max_size,
            gro: flags[2],
            tx_checksum_offload: flags[3],
            rx_checksum_offload: flags[4],
            rx_split: flags[5],
            complete_checksums: flags[6],
            processors_per_channel,
            processor_backlog,
            flow_seed,
            symmetric_flow_hash: flags[7],
            save_restore: flags[8],
            disconnect_ok: flags[9],
            tx_coalesce: flags[10],
        }
    })
}

fn queue() -> impl Strategy<Value = QueueSnapshot> {
    let lost = any::<u32>().prop_map(Offloads::from_bits_truncate);
    (counters(), lost, any::<bool>()).prop_map(|(counters, offloads_lost, link_down)| QueueSnapshot {
        counters,
        offloads_lost,
        link_down,
    })
}

fn snapshot() -> impl Strategy<Value = Three> {
    let set = any::<(u32, [u8; 6], bool)>();
    (options(), set, select(&State::ALL[..]), counters(), vec(queue(), 0..=3)).prop_map(
        |(options, (mtu, address, has_on_close_action), state, injected, queues)| Snapshot {
            options,
            mtu,
            link_address: address.into(),
            state,
            has_on_close_action,
            injected,
            queues: queues.into_iter().collect(),
        },
    )
}

fn encoded(snapshot: &Three) -> List<u8> {
    let mut buffer = std::vec![0xaa; Three::MAX_LEN];
    snapshot.encode(&mut buffer).unwrap().to_vec()
}

/// Bytes are refused, or they are those of the snapshot that they give.
fn check_hostile(bytes: &[u8]) {
    if let Ok(snapshot) = Three::decode(bytes) {
        assert_eq!(encoded(&snapshot), bytes);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(snapshot in snapshot()) {
        let bytes = encoded(&snapshot);
        prop_assert_eq!(bytes.len(), snapshot.encoded_len());
        prop_assert_eq!(Three::decode(&bytes), Ok(snapshot));
    }

    #[test]
    fn each_byte_counts(one in snapshot(), other in snapshot()) {
        prop_assert_eq!(encoded(&one) == encoded(&other), one == other);
    }

    #[test]
    fn any_bytes_are_refused_or_read_whole(bytes in vec(any::<u8>(), 0..Three::MAX_LEN + 9), snapshot in snapshot()) {
        check_hostile(&bytes);
        let good = encoded(&snapshot);
        let behind_header = [&good[..20], bytes.get(20..).unwrap_or_default()].concat();
        check_hostile(&behind_header);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn every_byte_may_be_damaged(snapshot in snapshot()) {
        let good = encoded(&snapshot);
        for (at, bit) in (0..good.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            check_hostile(&bytes);
            prop_assert!(Three::decode(&bytes) != Ok(snapshot.clone()), "byte {at} does not count");
        }
    }

    #[test]
    fn any_end_may_be_missing(snapshot in snapshot()) {
        let bytes = encoded(&snapshot);
        for cut in 0..bytes.len() {
            let refused = Three::decode(&bytes[..cut]).unwrap_err();
            let expected = if cut < 8 { refused == SnapshotError::Foreign } else { matches!(refused, SnapshotError::Length { given, .. } if given == cut) };
            prop_assert!(expected, "{cut} bytes: {refused}");
        }
        let more = [bytes.as_slice(), &[0]].concat();
        prop_assert_eq!(Three::decode(&more), Err(SnapshotError::Length { expected: bytes.len(), given: more.len() }));
    }
}

/// One queue, every value another. Where this fails, the layout has changed: raise the version.
#[test]
fn layout_is_that_of_version_1() {
    let bytes = encoded(&sample());
    let field = |range: core::ops::Range<usize>| &bytes[range];
    assert_eq!(field(0..8), b"fdlsnap\0");
    assert_eq!(field(8..20), [1, 0, 0, 0, 0x88, 2, 0, 0, 1, 0, 0, 0]);
    assert_eq!(field(20..28), [2, 0, 0, 0, 0b1010_0101, 0b1_1010, 0, 0]);
    assert_eq!(field(28..48), [0x28, 0x23, 0, 0, 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0xdc, 5, 0, 0]);
    assert_eq!(field(48..64), [2, 0, 0, 0, 0, 0, 1, 0, 2, 0, 5, 0, 2, 0, 0, 0]);
    assert_eq!(field(64..70), [0, 8, 0xdd, 0x86, 0, 0]);
    assert_eq!(field(96..120), [7, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(field(120..136), [8, 7, 6, 5, 4, 3, 2, 1, 3, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(field(136..156), [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0]);
    assert_eq!(field(156..176), [2, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0]);
    let numbers: List<_> =
        bytes[176..408].chunks(8).map(|number| u64::from_le_bytes(number.try_into().unwrap())).collect();
    assert!(numbers.iter().copied().eq(100..129), "{numbers:?}");
    assert_eq!(field(408..416), [0b110, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(field(416..424), [200, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 648);
}

fn sample() -> Three {
    let options = Options {
        mtu: 9000,
        address: LinkAddress([2, 0, 0, 0, 0, 1]),
        ether_types: EtherTypes::only([EtherType::IPV4, EtherType::IPV6]),
        vlan: VlanFilter::Id(5),
        rx_budget: 7,
        wake: WakePolicy::Coalesce { max_delay: Duration::new(1, 6) },
        tx_policy: TxPolicy::Wait { attempts: 5, timeout: Duration::from_nanos(11) },
        gso: GsoSupport::Software,
        gso_max_size: 65_536,
        gro: true,
        rx_checksum_offload: true,
        complete_checksums: true,
        processors_per_channel: 4,
        processor_backlog: 9,
        flow_seed: Some([0x0102_0304_0506_0708, 3]),
        save_restore: true,
        ..Options::default()
    };
    let queue =
        QueueSnapshot { counters: numbered(200), offloads_lost: Offloads::TSO4 | Offloads::TSO6, link_down: true };
    Snapshot {
        options,
        mtu: 1500,
        link_address: LinkAddress([2, 0, 0, 0, 0, 2]),
        state: State::Down,
        has_on_close_action: true,
        injected: numbered(100),
        queues: [queue].into_iter().collect(),
    }
}

/// In the order of the layout.
fn numbered(first: usize) -> Counters {
    let rx = RxCounters {
        received: first,
        received_bytes: first + 1,
        delivered: first + 2,
        merged: first + 3,
        split: first + 4,
        drops: core::array::from_fn(|n| first + 5 + n),
        truncated_bytes: first + 15,
        calls: first + 16,
        errors: first + 17,
    };
    let tx = TxCounters {
        sent: first + 18,
        sent_bytes: first + 19,
        merged: first + 20,
        refusals: core::array::from_fn(|n| first + 21 + n),
        calls: first + 27,
        waits: first + 28,
    };
    Counters { rx, tx }
}

#[test]
fn other_versions_are_told() {
    for version in [0, 2, u32::MAX] {
        let mut bytes = encoded(&sample());
        bytes[8..12].copy_from_slice(&version.to_le_bytes());
        let error = Three::decode(&bytes).unwrap_err();
        assert_eq!(error, SnapshotError::Version { found: version });
        // Also where it is longer or shorter than any of this version.
        assert_eq!(Three::decode(&bytes[..12]), Err(error));
    }
}

#[test]
fn what_there_is_no_room_for_is_told() {
    let bytes = encoded(&Snapshot { queues: [QueueSnapshot::default(); 3].into_iter().collect(), ..sample() });
    assert_eq!(Snapshot::<2>::decode(&bytes), Err(SnapshotError::TooManyQueues { queues: 3, room: 2 }));
    assert!(Snapshot::<7>::decode(&bytes).is_ok_and(|snapshot| snapshot.queues().len() == 3));
    let error = SnapshotError::BufferTooShort { needed: 648 };
    assert_eq!(sample().encode(&mut [0; 647]), Err(error));
}

/// A count of queues that does not go with the length is damage, however large.
#[test]
fn count_of_queues_agrees_with_the_length() {
    for count in [0, 2, u32::MAX] {
        let mut bytes = encoded(&sample());
        bytes[16..20].copy_from_slice(&count.to_le_bytes());
        assert_eq!(Three::decode(&bytes), Err(SnapshotError::Malformed { end: 20 }));
    }
}
