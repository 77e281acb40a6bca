//! Which dispatcher a packet goes to.

use fdlink_core::io::RxMeta;
use fdlink_core::{EtherType, FlowHasher, LinkEvent, NetworkDispatcher, RxPacket, Steering};
use proptest::prelude::*;

use crate::packets::{ICMP, Ip, Payload, any_ipv4, any_ipv6, ipv4};

/// Remembers packets and events; at the end of a batch it gives up what it was told to.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    pub(crate) packets: Vec<Vec<u8>>,
    pub(crate) events: Vec<LinkEvent>,
    pub(crate) batches: usize,
    pub(crate) gives_up: usize,
    pub(crate) reads: usize,
}

impl NetworkDispatcher for Recorder {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.packets.push(packet.payload().to_vec());
    }

    fn notify(&mut self, event: LinkEvent) {
        self.events.push(event);
    }

    fn end_of_batch(&mut self) -> usize {
        self.batches += 1;
        self.gives_up
    }

    fn prefetch_len(&mut self) -> usize {
        self.reads
    }
}

pub(crate) fn deliver(dispatcher: &mut impl NetworkDispatcher, (protocol, packet): &Ip) {
    let mut frame = packet.clone();
    dispatcher.deliver(*protocol, RxPacket::new(&mut frame, 0, RxMeta::new(packet.len())));
}

fn recorders(count: usize) -> Vec<Recorder> {
    (0..count).map(|_| Recorder::default()).collect()
}

/// The one of `count` that gets it.
fn home(count: usize, seed: [u64; 2], packet: &Ip) -> usize {
    let mut steering = Steering::new(recorders(count), FlowHasher::new(seed));
    deliver(&mut steering, packet);
    let mut homes = steering.into_inner().into_iter().enumerate().filter(|(_, one)| one.packets == [packet.1.clone()]);
    let (home, _) = homes.next().unwrap();
    assert!(homes.next().is_none());
    home
}

proptest! {
    #[test]
    fn every_packet_has_one_home(seed: [u64; 2], count in 1..9usize, packet in prop_oneof![any_ipv4(), any_ipv6()]) {
        prop_assert_eq!(home(count, seed, &packet), home(count, seed, &packet));
    }

    #[test]
    fn what_has_no_flow_goes_to_the_first(seed: [u64; 2], bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        prop_assert_eq!(home(4, seed, &(EtherType::ARP, bytes.clone())), 0);
        prop_assert_eq!(home(4, seed, &(EtherType::IPV4, bytes.into_iter().take(19).collect())), 0);
    }
}

#[test]
fn flows_are_spread_evenly_and_echoes_are_not() {
    let mut steering = Steering::new(recorders(4), FlowHasher::new([3, 4]));
    let addresses = [[10, 0, 0, 1], [10, 0, 0, 2]];
    (0..4000).for_each(|port| deliver(&mut steering, &ipv4(addresses, 0, 0, &Payload::udp([port, 53]))));
    let counts = steering.into_inner().into_iter().map(|one| one.packets.len()).collect::<Vec<_>>();
    // Nine standard deviations (27) around the mean.
    assert!(counts.iter().all(|count| (750..1250).contains(count)), "{counts:?}");

    let mut steering = Steering::new(recorders(4), FlowHasher::new([3, 4]));
    (0..4000).for_each(|number| deliver(&mut steering, &ipv4(addresses, 0, 0, &Payload::echo(ICMP, 8, number))));
    let homes = steering.into_inner().into_iter().filter(|one| !one.packets.is_empty()).count();
    assert_eq!(homes, 1);
}

#[test]
fn events_and_ends_of_batches_reach_all() {
    let mut steering = Steering::new(recorders(3), FlowHasher::new([0, 0]));
    steering.notify(LinkEvent::Down);
    assert_eq!(steering.end_of_batch(), 0);
    for one in steering.into_inner() {
        assert_eq!((one.events, one.batches), (vec![LinkEvent::Down], 1));
    }
}

#[test]
fn as_much_is_read_as_the_choice_and_any_of_them_needs() {
    let one = |reads| Recorder { reads, ..Recorder::default() };
    let prefetch_len = |those: Vec<_>| Steering::new(those, FlowHasher::new([0, 0])).prefetch_len();
    assert_eq!(prefetch_len(vec![one(0)]), 0);
    assert_eq!(prefetch_len(vec![one(9)]), 9);
    assert!(prefetch_len(vec![one(0), one(0)]) >= 14 + 20 + 4, "as far as the ports");
    assert_eq!(prefetch_len(vec![one(9), one(1500), one(7)]), 1500);
}

#[test]
fn what_any_gives_up_is_told() {
    let one = |gives_up| Recorder { gives_up, ..Recorder::default() };
    assert_eq!(Steering::new([one(1), one(0), one(5)], FlowHasher::new([0, 0])).end_of_batch(), 6);
    let mut nobody = Steering::new(recorders(0), FlowHasher::new([0, 0]));
    (0..3).for_each(|_| deliver(&mut nobody, &(EtherType::ARP, vec![1])));
    assert_eq!((nobody.end_of_batch(), nobody.end_of_batch()), (3, 0));
}
