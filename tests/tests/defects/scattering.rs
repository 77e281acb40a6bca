//! Many flows, many parts, few header bytes.

use allocation_counter::measure;
use fdlink_core::{LinkEndpoint as _, Options, Packet, TxStatus};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{PEER, Peer, TEST_PROTOCOL, Tap, Trials, attach_in, marked, plain, seqpacket};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_23_interleaved_flows_cost_one_call_for_each_descriptor);
    trials.anywhere(defect_24_every_cap_on_header_bytes_works);
    trials.anywhere(defect_25_packet_of_many_parts_leaves_whole);
    trials.with_tap(defect_25_packet_of_many_parts_leaves_whole_through_a_tap);
    trials.anywhere(defect_25_many_parts_are_copied_at_most_once);
}

fn defect_23_interleaved_flows_cost_one_call_for_each_descriptor() {
    for count in [2, 3] {
        let (fds, peers): (Vec<_>, Vec<_>) = (0..count).map(|_| seqpacket()).unzip();
        let endpoint = endpoint(fds, plain(), &FdOptions::default()).unwrap();
        endpoint.attach().unwrap();
        let payloads: Vec<_> = (0..60).map(|number| marked(number, 60)).collect();
        let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [payload.as_slice()]).collect();
        let packets = parts.iter().zip(0..).map(|(parts, hash)| Packet::new(TEST_PROTOCOL, parts).with_hash(hash));
        let mut packets: Vec<_> = packets.collect();
        assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, payloads.len());

        for (index, (queue, peer)) in endpoint.queues().iter().zip(&peers).enumerate() {
            let tx = queue.counters().tx;
            assert_eq!((tx.sent, tx.calls), (payloads.len() / count, 1), "descriptor {index} of {count}");
            for payload in payloads.iter().skip(index).step_by(count) {
                assert_eq!(&peer.receive()[14..], payload, "in order");
            }
        }
    }
}

fn defect_24_every_cap_on_header_bytes_works() {
    for cap in 1..=200 {
        let (fd, peer) = seqpacket();
        let fd_options = FdOptions { max_syscall_header_bytes: cap, ..FdOptions::default() };
        let endpoint = endpoint([fd], plain(), &fd_options).unwrap();
        endpoint.attach().unwrap();
        let payload = marked(cap as u32, 120);
        let layouts: Vec<Vec<&[u8]>> = [120, 60, 13, 1].map(|len| payload.chunks(len).collect()).into();
        let mut packets: Vec<_> = layouts.iter().map(|parts| Packet::new(TEST_PROTOCOL, parts).to(PEER)).collect();
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert_eq!(written.sent, packets.len(), "{cap} bytes");
        for layout in &layouts {
            assert_eq!(peer.receive()[14..], payload, "{cap} bytes, {} parts", layout.len());
        }
        assert_eq!(peer.try_receive(), None);
    }
}

fn defect_25_packet_of_many_parts_leaves_whole() {
    for count in MANY {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(DispatchMode::Readv, fd, Options { mtu: 65_000, ..plain() });
        leaves_whole(&endpoint, &peer, count, 7);
    }
}

fn defect_25_packet_of_many_parts_leaves_whole_through_a_tap() {
    for count in MANY.into_iter().filter(|count| *count <= 1500) {
        let Tap { fd, peer, .. } = Tap::new();
        let endpoint = attach_in(DispatchMode::Readv, fd, plain());
        leaves_whole(&endpoint, &peer, count, 1);
    }
}

/// Around what the kernel takes (1,024), and far above.
const MANY: [usize; 7] = [1022, 1023, 1024, 1025, 1500, 1501, 5000];

fn leaves_whole(endpoint: &FdEndpoint, peer: &Peer, count: usize, part_len: usize) {
    let payload = marked(count as u32, count * part_len);
    let parts: Vec<&[u8]> = payload.chunks(part_len).collect();
    let mut packets = [Packet::new(TEST_PROTOCOL, &parts).to(PEER)];
    let written = endpoint.write_packets(&mut packets).unwrap();
    let mtu = endpoint.mtu() as usize;
    if payload.len() > mtu {
        assert_eq!((written.sent, written.refused), (0, 1));
        return;
    }
    assert_eq!(packets[0].status(), TxStatus::Sent, "{count} parts");
    assert_eq!(peer.receive()[14..], payload, "{count} parts");
}

/// The origin copies the tail again for each part that is too many. What is copied is allocated here, so bytes allocated tell.
fn defect_25_many_parts_are_copied_at_most_once() {
    let (once, four_times) = (bytes_allocated(5_000), bytes_allocated(20_000));
    assert!(four_times < 6 * once, "{once} bytes for 5,000 parts, {four_times} for 20,000");
    assert!(four_times < 20 * 20_000, "{four_times} bytes for 20,000 parts of one byte");
}

fn bytes_allocated(count: usize) -> u64 {
    let (fd, peer) = seqpacket();
    let endpoint = attach_in(DispatchMode::Readv, fd, Options { mtu: 65_000, ..plain() });
    let payload = marked(1, count);
    let parts: Vec<&[u8]> = payload.chunks(1).collect();
    let mut packets = [Packet::new(TEST_PROTOCOL, &parts).to(PEER)];
    let info = measure(|| assert_eq!(endpoint.write_packets(&mut packets).map(|written| written.sent), Ok(1)));
    assert_eq!(peer.receive()[14..], payload);
    info.bytes_total
}
