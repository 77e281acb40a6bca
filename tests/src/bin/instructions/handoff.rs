use fdlink_core::io::RxMeta;
use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::{EtherType, NetworkDispatcher as _, RxPacket};
use fdlink_tests::support::to_own;

use crate::receive::Ignore;
use crate::{Job, counted};

/// Packets copied to a processor, and delivered by it.
pub(crate) fn batches() -> Job {
    let block = || Block::new(vec![0; BATCH * 64], vec![Record::default(); BATCH]);
    let handoff: &'static Handoff<_, _> = Box::leak(Box::new(Handoff::new(block())));
    let (mut feed, mut processor) = (handoff.feed(|| ()), Processor::new(handoff, block()));
    let mut frame = to_own(&[0x45; 50]);
    Box::new(move || {
        let delivered = counted(|| {
            for _ in 0..BATCH {
                feed.deliver(EtherType::IPV4, RxPacket::new(&mut frame, 14, RxMeta::new(64)));
            }
            assert_eq!(feed.end_of_batch(), 0);
            processor.poll(&mut Ignore)
        });
        assert_eq!(delivered, Ok(BATCH));
    })
}

pub(crate) const BATCH: usize = 64;
