//! What is said of super-frames, on which descriptors, and how long they may be.

use fdlink_core::io::Offloads;
use fdlink_core::wire::vnet::{self, ByteOrder, VirtioNetHdr};
use fdlink_core::{
    ChecksumState, EtherType, Gso, GsoSupport, GsoType, LinkEndpoint as _, Offload, Options, Packet, TxStatus,
};
use fdlink_linux::{FdOptions, endpoint};
use fdlink_tests::support::{Collector, OWN, PEER, Segments, Trials, plain, seqpacket, to_own, until};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_14_checksum_starts_behind_the_link_header_that_there_is);
    trials.anywhere(defect_15_every_descriptor_has_the_same_header_both_ways);
    trials.anywhere(defect_27_lengths_do_not_wrap_at_65_536);
}

fn defect_14_checksum_starts_behind_the_link_header_that_there_is() {
    for (has_ethernet, start) in [(true, 34), (false, 20)] {
        let (headers, frames) = written(has_ethernet, 3000, GsoSupport::Host);
        assert_eq!((headers[0].csum_start, headers[0].csum_offset), (start, 16), "ethernet {has_ethernet}");
        assert_eq!((headers.len(), frames[0].len()), (1, usize::from(start) + 20 + 3000));
    }
}

/// Descriptors of several kinds are refused (`tests/queues/kinds.rs`); those of one kind have a header each, or none has.
fn defect_15_every_descriptor_has_the_same_header_both_ways() {
    for (offloads, len) in [(Offloads::empty(), 0), (Offloads::CSUM, 10), (Offloads::CSUM, 12)] {
        let (fds, peers): (Vec<_>, Vec<_>) = (0..3).map(|_| seqpacket()).unzip();
        let fd_options = FdOptions { offloads, vnet_header_len: len.max(vnet::LEN), ..FdOptions::default() };
        let endpoint = endpoint(fds, plain(), &fd_options).unwrap();
        endpoint.attach().unwrap();
        assert!(endpoint.queues().iter().all(|queue| queue.limits().vnet_header_len == len));
        let mut packets = [0, 1, 2].map(|hash| Packet::new(EtherType::IPV4, &[b"\x45"]).to(PEER).with_hash(hash));
        assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 3);
        assert!(peers.iter().all(|peer| peer.receive().len() == len + 15), "{len} bytes of header");

        peers.iter().for_each(|peer| peer.send(&[vec![0; len], to_own(b"came")].concat()));
        for index in 0..3 {
            let mut collector = Collector::new();
            assert_eq!(endpoint.receiver(index).unwrap().poll(&mut collector).unwrap(), 1);
            assert_eq!(collector.wait_for(1), [b"came"]);
        }
    }
}

fn defect_27_lengths_do_not_wrap_at_65_536() {
    for payload_len in [65_495, 65_496, 65_535, 65_536, 65_537, 66_000, 66_001, 100_000] {
        let (headers, frames) = written(false, payload_len, GsoSupport::Host);
        assert_eq!((headers[0].gso_type, headers[0].gso_size), (vnet::GSO_TCPV4, 1000), "{payload_len}");
        assert_eq!((frames.len(), frames[0].len()), (1, 40 + payload_len));

        let (headers, frames) = written(false, payload_len, GsoSupport::Software);
        let partial =
            VirtioNetHdr { flags: vnet::NEEDS_CSUM, csum_start: 20, csum_offset: 16, ..VirtioNetHdr::default() };
        assert!(headers.iter().all(|header| *header == partial));
        assert_eq!(frames.len(), payload_len.div_ceil(1000));
        assert_eq!(frames.iter().map(|frame| frame.len() - 40).sum::<usize>(), payload_len);
    }
}

/// What leaves of a TCP packet with so many bytes of payload and a segment size of 1,000.
fn written(has_ethernet: bool, payload_len: usize, gso: GsoSupport) -> (Vec<VirtioNetHdr>, Vec<Vec<u8>>) {
    let (fd, peer) = seqpacket();
    let address = if has_ethernet { OWN } else { Options::default().address };
    let options = Options { ethernet_header: has_ethernet, address, gso, gso_max_size: 200_000, ..Options::default() };
    let endpoint = endpoint([fd], options, &FdOptions { offloads: Offloads::all(), ..FdOptions::default() }).unwrap();
    endpoint.attach().unwrap();

    let headers = Segments { has_ethernet: false, ..Segments::tcp(1) }.next(&[], 0);
    let payload = vec![7; payload_len];
    let parts = [headers.as_slice(), &payload];
    let offload = Offload {
        checksum: ChecksumState::Partial { start: 20, offset: 16 },
        gso: Some(Gso { gso_type: GsoType::TcpV4, size: 1000, ecn: false }),
    };
    let mut packets = [Packet::new(EtherType::IPV4, &parts).to(PEER).with_offload(offload)];
    let mut frames = Vec::new();
    until("all to be written", || {
        let _ = endpoint.write_packets(&mut packets).unwrap();
        frames.extend(std::iter::from_fn(|| peer.try_receive()));
        packets[0].status() == TxStatus::Sent
    });
    frames
        .iter()
        .map(|frame| {
            let (header, frame) = frame.split_at(vnet::LEN);
            (VirtioNetHdr::decode(header, ByteOrder::Native).unwrap(), frame.to_vec())
        })
        .unzip()
}
