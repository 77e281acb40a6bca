use fdlink_core::{BATCH_SIZE, Endpoint, EtherType, LinkEndpoint as _, Options, Packet, Queue};
use fdlink_tests::support::{OWN, PEER};

use crate::idle::Idle;
use crate::{Job, counted};

/// Packets that get a link header.
pub(crate) fn batches() -> Job {
    writing(vec![Packet::new(EtherType::IPV4, PARTS).to(PEER); BATCH])
}

/// Packets that have theirs.
pub(crate) fn framed_batches() -> Job {
    writing(vec![Packet::framed(PARTS); BATCH])
}

/// One packet a call.
pub(crate) fn single_packets() -> Job {
    writing(vec![Packet::framed(PARTS); 1])
}

/// The packets are new each time.
fn writing(packets: Vec<Packet<'static>>) -> Job {
    let options = Options { address: OWN, ..Options::default() };
    let endpoint = Endpoint::new([Queue::new(Idle::<0>(Vec::new()))], options).expect("the options are good");
    endpoint.attach().expect("it is new");
    Box::new(move || {
        let mut packets = packets.clone();
        let written = counted(|| endpoint.write_packets(&mut packets)).expect("it is attached");
        assert_eq!(written.sent, packets.len());
    })
}

pub(crate) const BATCH: usize = BATCH_SIZE;

const PARTS: &[&[u8]] = &[&[0x45; 64]];
