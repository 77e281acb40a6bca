//! Through an endpoint, on a socket: what is delivered, what is counted, what can be sent on.

use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::{EtherType, LinkEndpoint as _, NetworkDispatcher, Offload, Options, Packet, RxPacket};
use fdlink_linux::DispatchMode;
use fdlink_tests::support::{Offloaded, Segments, Trials, attach_in, drain, on_the_wire, plain, seqpacket};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(frames_of_one_batch_are_merged);
    trials.anywhere(without_the_option_nothing_is_merged);
    trials.anywhere(what_was_merged_comes_whole_through_a_hand_off);
}

/// Three flows in a batch, one frame that is for somebody else.
fn frames_of_one_batch_are_merged() {
    let (kept, rx) = received(Options { gro: true, ..plain() });
    assert_eq!(kept.0.len(), 3);
    assert_eq!((rx.received, rx.delivered, rx.merged, rx.dropped_total()), (31, 3, 27, 1));
    assert_eq!(rx.received_bytes, sent().iter().map(Vec::len).sum::<usize>());
    assert!(rx.is_balanced());
    let frames: Vec<_> = kept.0.iter().flat_map(|packet| on_the_wire(packet, 14)).collect();
    let expected: Vec<_> =
        (0..3).flat_map(|flow| sent().into_iter().skip(1 + flow).step_by(3).collect::<Vec<_>>()).collect();
    assert!(frames == expected, "each flow in order, byte for byte");
}

fn without_the_option_nothing_is_merged() {
    let (kept, rx) = received(plain());
    assert_eq!((kept.0.len(), rx.delivered, rx.merged), (30, 30, 0));
    assert!(kept.0.iter().all(|packet| packet.offload == Offload::NONE));
}

/// In one piece there, since a processor has memory of its own.
fn what_was_merged_comes_whole_through_a_hand_off() {
    let (kept, _) = received(Options { gro: true, ..plain() });
    let block = || Block::new(vec![0; 1 << 16], vec![Record::default(); 40]);
    let handoff = Handoff::new(block());
    let (fd, peer) = seqpacket();
    let endpoint = attach_in(DispatchMode::RecvMmsg, fd, Options { gro: true, ..plain() });
    sent().iter().for_each(|frame| peer.send(frame));
    assert_eq!(drain(&endpoint, &mut handoff.feed(|| {})), 31);
    let mut handed = Kept(Vec::new());
    assert_eq!(Processor::new(&handoff, block()).poll(&mut handed), Ok(3));
    assert!(handed.0 == kept.0, "{} bytes of {}", handed.0[0].frame.len(), kept.0[0].frame.len());
}

fn received(options: Options) -> (Kept, fdlink_core::counters::RxCounters) {
    let (fd, peer) = seqpacket();
    let endpoint = attach_in(DispatchMode::RecvMmsg, fd, options);
    sent().iter().for_each(|frame| peer.send(frame));
    let mut kept = Kept(Vec::new());
    assert_eq!(drain(&endpoint, &mut kept), 31);
    (kept, endpoint.counters().rx)
}

fn sent() -> Vec<Vec<u8>> {
    let mut flows = [1, 2, 3].map(Segments::tcp);
    let stranger = [[2, 0, 0, 0, 0, 9], [2; 6], [0; 6]].concat();
    let rounds = (0..10u8).flat_map(|round| flows.each_mut().map(|flow| flow.next(&[round; 300], 0)));
    [stranger].into_iter().chain(rounds).collect()
}

struct Kept(Vec<Offloaded>);

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        assert_eq!(protocol, EtherType::IPV4);
        let parts = packet.parts();
        let forwarded = Packet::framed(&parts).with_offload(packet.offload());
        assert_eq!(forwarded.parts().len(), 1 + packet.tail().len());
        self.0.push(Offloaded { frame: parts.concat(), offload: packet.offload() });
    }
}
