use core::hint::black_box;

use fdlink_core::wire::ethernet::EthernetHeader;
use fdlink_core::{Endpoint, EtherType, LinkEndpoint as _, NetworkDispatcher, Options, Queue, RxPacket};
use fdlink_tests::support::{OWN, PEER};

use crate::idle::Idle;
use crate::{Job, counted};

/// A dispatcher that does nothing. Not inlined: a stack is not, either.
pub(crate) struct Ignore;

impl NetworkDispatcher for Ignore {
    #[inline(never)]
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        black_box((protocol, packet.payload()));
    }
}

/// Batches as `recvmmsg` receives them.
pub(crate) fn batches() -> Job {
    polling(BATCH)
}

/// One frame a poll.
pub(crate) fn single_frames() -> Job {
    polling(1)
}

fn polling(frames: usize) -> Job {
    let header = EthernetHeader { destination: OWN, source: PEER, ether_type: EtherType::IPV4 };
    let frame = [&header.to_bytes()[..], &[0x45; 50]].concat();
    let options = Options { address: OWN, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(Idle::<0>(vec![frame; frames]))], options);
    let endpoint = Box::leak(Box::new(endpoint.expect("the options are good")));
    endpoint.attach().expect("it is new");
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    Box::new(move || {
        let taken = counted(|| receiver.poll(&mut Ignore)).expect("nothing goes wrong");
        assert_eq!(taken, frames);
    })
}

pub(crate) const BATCH: usize = 64;
