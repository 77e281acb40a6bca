//! Every frame is accounted for, whatever comes.

use fdlink_core::{DropCause, Endpoint, LinkAddress, LinkEndpoint as _, Options, Packet, Queue};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::OWN;
use crate::recorder::Recorder;
use crate::scripted::{Script, attached};

proptest! {
    #[test]
    fn received_is_delivered_and_dropped(
        frames in vec(frame(), 0..60),
        ethernet in any::<bool>(),
        promiscuous in any::<bool>(),
        rx_budget in 1usize..9,
    ) {
        let link = fdlink_mock::Link::<64, 200>::new().with_receive_len(100);
        let (near, far) = link.ends();
        let address = if ethernet { OWN } else { LinkAddress::ZERO };
        let options =
            Options { mtu: 80, ethernet_header: ethernet, promiscuous, address, rx_budget, ..Options::default() };
        let near = Endpoint::new([Queue::new(near)], options).unwrap();
        near.attach().unwrap();
        put_on_the_wire(far, &frames);

        let mut recorder = Recorder::default();
        let mut receiver = near.receiver(0).unwrap();
        while receiver.poll(&mut recorder).is_ok_and(|taken| taken > 0) {}

        let rx = near.counters().rx;
        prop_assert!(rx.is_balanced(), "{:?}", rx);
        prop_assert_eq!(rx.received, frames.len());
        prop_assert_eq!(rx.delivered, recorder.packets.len());
        prop_assert_eq!(rx.received_bytes, frames.iter().map(|frame| frame.len().min(100)).sum::<usize>());
        let long: Vec<_> = frames.iter().map(Vec::len).filter(|len| *len > 100).collect();
        prop_assert_eq!(rx.dropped(DropCause::Truncated), long.len());
        prop_assert_eq!(rx.truncated_bytes, long.iter().sum::<usize>());
        prop_assert!(rx.dropped(DropCause::ForeignAddress) == 0 || (ethernet && !promiscuous));
    }
}

/// The sending end has room for the longest frame, and stays open.
fn put_on_the_wire(far: fdlink_mock::End<'_, 64, 200>, frames: &[Vec<u8>]) {
    use fdlink_core::io::{RawIo as _, TxFrame, TxQueue as _};
    let far = far.split();
    for frame in frames {
        assert_eq!(far.tx.send(&[TxFrame { header: &[], parts: &[frame] }]).unwrap(), 1);
    }
}

/// Noise of any length, half of it addressed to the endpoint.
fn frame() -> impl Strategy<Value = Vec<u8>> {
    (vec(any::<u8>(), 0..200), any::<bool>()).prop_map(|(mut bytes, ours)| {
        if let Some(destination) = bytes.first_chunk_mut().filter(|_| ours) {
            *destination = OWN.0;
        }
        bytes
    })
}

/// The last call in front of each wait is one too.
#[test]
fn call_that_found_nothing_is_counted() {
    let script = Script::receiving([Ok(vec![]), Ok(vec![vec![0x45; 20]]), Ok(vec![])]);
    let endpoint = attached([&script], Options::default());
    let mut receiver = endpoint.receiver(0).unwrap();
    let taken = [(); 3].map(|()| receiver.poll(&mut Recorder::default()).unwrap());
    let rx = endpoint.counters().rx;
    assert_eq!((taken, rx.calls, rx.received), ([0, 1, 0], 3, 1));
}

#[test]
fn transmit_counters_count_frames_bytes_and_calls() {
    let script = Script::default();
    let endpoint = Endpoint::new([Queue::new(crate::scripted::Scripted(&script))], Options::default()).unwrap();
    endpoint.attach().unwrap();
    let mut packets = core::array::from_fn::<_, 3, _>(|_| Packet::new(fdlink_core::EtherType::IPV4, &[b"123", b"45"]));
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 3);
    let tx = endpoint.counters().tx;
    assert_eq!((tx.sent, tx.sent_bytes, tx.calls), (3, 3 * 19, 1));
}
