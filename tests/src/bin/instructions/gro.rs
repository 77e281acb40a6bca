use std::hint::black_box;

use fdlink_core::io::RxMeta;
use fdlink_core::rx::gro::Coalescer;
use fdlink_core::wire::vnet::{ByteOrder, DATA_VALID, LEN, VirtioNetHdr};
use fdlink_core::{
    ChecksumState, Endpoint, EtherType, LinkEndpoint as _, NetworkDispatcher, Offload, Options, Queue, RxPacket,
};
use fdlink_tests::support::{OWN, Segments};

use crate::idle::Idle;
use crate::{Job, counted};

/// Merging alone.
pub(crate) fn merging() -> Job {
    let frames = frames();
    Box::new(move || {
        let mut lent = frames.clone();
        let mut merged = Merged(0);
        counted(|| merge(&mut lent, &mut merged));
        assert_eq!(merged.0, BATCH);
    })
}

fn merge(frames: &mut [Vec<u8>], dispatcher: &mut Merged) {
    let verified = Offload { checksum: ChecksumState::Unnecessary, gso: None };
    let mut coalescer = Coalescer::new();
    for frame in frames {
        let meta = RxMeta::new(frame.len());
        coalescer.take(EtherType::IPV4, RxPacket::new(frame, LINK_LEN, meta).with_offload(verified), dispatcher);
    }
    coalescer.flush(dispatcher);
}

/// The whole way, through an endpoint with virtio-net headers.
pub(crate) fn receiving() -> Job {
    let vnet = VirtioNetHdr { flags: DATA_VALID, ..VirtioNetHdr::default() }.encode::<LEN>(ByteOrder::Native);
    let frames = frames().iter().map(|frame| [&vnet[..], frame].concat()).collect();
    let options = Options { address: OWN, gro: true, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(Idle::<LEN>(frames))], options);
    let endpoint = Box::leak(Box::new(endpoint.expect("the options are good")));
    endpoint.attach().expect("it is new");
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    Box::new(move || {
        let mut merged = Merged(0);
        let taken = counted(|| receiver.poll(&mut merged)).expect("nothing goes wrong");
        assert_eq!((taken, merged.0), (BATCH, BATCH));
        receiver.wait(None, &mut merged).expect("nothing goes wrong");
    })
}

/// One flow of TCP, whose checksums somebody has verified: all of a batch become one packet.
fn frames() -> Vec<Vec<u8>> {
    let mut flow = Segments::tcp(1);
    (0..BATCH).map(|_| flow.next(&[0x45; 1000], 0)).collect()
}

/// Of how many frames the last packet was made.
struct Merged(usize);

impl NetworkDispatcher for Merged {
    #[inline(never)]
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        self.0 = 1 + black_box(packet.tail()).len();
    }
}

pub(crate) const BATCH: usize = 64;
const LINK_LEN: usize = 14;
