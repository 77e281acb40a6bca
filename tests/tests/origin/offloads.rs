use fdlink_core::{Capabilities, ChecksumState, EtherType, LinkEndpoint as _, NetworkDispatcher, Options, RxPacket};
use fdlink_tests::support::{MODES, Offloaded, Segments, attach_in, coalesced, drain, plain, seqpacket};

/// The origin takes packets as verified when they come by `recvmmsg`, whatever is in them. Here they are verified, in every mode.
pub(crate) fn test_dispatch_packet_format_rx_checksum_offload() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, Options { rx_checksum_offload: true, ..plain() });
        assert!(endpoint.capabilities().contains(Capabilities::RX_CHECKSUM_OFFLOAD));
        let right = Segments::tcp(1).next(&[1; 100], 0);
        let mut wrong = right.clone();
        wrong[100] ^= 1;
        peer.send(&wrong);
        peer.send(&right);
        let mut checksums = Checksums(Vec::new());
        assert_eq!(drain(&endpoint, &mut checksums), 2);
        assert_eq!(checksums.0, [ChecksumState::Unnecessary], "{mode}");
    }
}

struct Checksums(Vec<ChecksumState>);

impl NetworkDispatcher for Checksums {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.0.push(packet.offload().checksum);
    }
}

/// The origin wants a power of two of buckets, into which it sorts flows. Here there are none: any eight flows are held at a time, and a
/// ninth closes the run that is the oldest.
pub(crate) fn test_n_buckets() {
    assert_eq!(delivered_of(8), 8, "each flow in one packet");
    assert_eq!(delivered_of(9), 18, "each flow closes another");
}

/// How many packets come of two frames of each of so many flows, which take turns.
fn delivered_of(count: u16) -> usize {
    let mut flows: Vec<_> = (0..count).map(|at| Segments::tcp(at * 8)).collect();
    let mut round = || flows.iter_mut().map(|flow| Offloaded::plain(&flow.next(&[1; 100], 0))).collect();
    let frames: [Vec<_>; 2] = [round(), round()];
    coalesced(&frames.concat(), 14).len()
}
