//! Counters: how they read, add up and subtract.

use fdlink_core::io::ErrorKind;
use fdlink_core::{Counters, DropCause, EtherType, LinkEndpoint as _, Options, Packet, Refusal, RefusalCause};

use crate::recorder::Recorder;
use crate::scripted::{Script, attached};

#[test]
fn nothing_counted_reads_as_zeros() {
    let words = "received 0 (0 bytes, 0 calls), split 0, delivered 0, merged 0, dropped 0; sent 0 (0 bytes, 0 calls), merged 0, refused 0";
    assert_eq!(Counters::default().to_string(), words);
}

#[test]
fn causes_that_occurred_are_named() {
    let script = Script::sending([Ok(1), Err(ErrorKind::FrameTooLong), Err(ErrorKind::LinkDown), Ok(9)]);
    script.polls.borrow_mut().push_back(Ok(vec![vec![0x45, 0], vec![], vec![0x10], vec![0x11]]));
    let endpoint = attached([&script], Options::default());
    endpoint.receiver(0).unwrap().poll(&mut Recorder::default()).unwrap();
    assert_eq!(
        endpoint
            .write_packets(&mut core::array::from_fn::<_, 4, _>(|_| Packet::new(EtherType::IPV4, &[b"xyz"])))
            .unwrap()
            .sent,
        2
    );
    let words = "received 4 (4 bytes, 1 calls), split 0, delivered 1, merged 0, dropped 3 (runt 1, unknown version 2); \
                 sent 2 (6 bytes, 4 calls), merged 0, refused 2 (link down 1, rejected 1)";
    assert_eq!(endpoint.counters().to_string(), words);
}

#[test]
fn endpoint_counts_what_its_queues_count() {
    let scripts = [Script::default(), Script::default()];
    let endpoint = attached(&scripts, Options::default());
    let mut packets: [_; 5] = core::array::from_fn(|n| Packet::new(EtherType::IPV4, &[b"x"]).with_hash(n as u32));
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 5);
    let each: Vec<_> = endpoint.queues().iter().map(|queue| queue.counters().tx.sent).collect();
    assert_eq!((each, endpoint.counters().tx.sent), (vec![3, 2], 5));
}

#[test]
fn difference_is_what_was_counted_since_also_across_the_wrap() {
    let mut earlier = Counters::default();
    earlier.rx.received = usize::MAX;
    earlier.rx.drops[DropCause::Runt as usize] = usize::MAX - 1;
    earlier.tx.refusals[RefusalCause::Closed as usize] = 7;
    let mut step = Counters::default();
    step.rx.received = 3;
    step.rx.drops[DropCause::Runt as usize] = 2;
    step.tx.refusals[RefusalCause::Closed as usize] = 1;
    step.tx.waits = 4;
    let later = earlier + step;
    assert_eq!(later.rx.received, 2);
    assert_eq!(later - earlier, step);
}

#[test]
fn every_refusal_has_a_cause() {
    for (refusal, cause) in [
        (Refusal::Empty, RefusalCause::Unfit),
        (Refusal::Runt, RefusalCause::Unfit),
        (Refusal::ExceedsMtu, RefusalCause::Unfit),
        (Refusal::Io(ErrorKind::WouldBlock), RefusalCause::WouldBlock),
        (Refusal::Io(ErrorKind::NoBuffers), RefusalCause::NoBuffers),
        (Refusal::Io(ErrorKind::LinkDown), RefusalCause::LinkDown),
        (Refusal::Io(ErrorKind::OffloadRejected), RefusalCause::Rejected),
        (Refusal::Io(ErrorKind::FrameTooLong), RefusalCause::Rejected),
        (Refusal::Io(ErrorKind::FrameRejected), RefusalCause::Rejected),
        (Refusal::Io(ErrorKind::Closed), RefusalCause::Closed),
        (Refusal::Io(ErrorKind::Fatal), RefusalCause::Closed),
    ] {
        assert_eq!(RefusalCause::from(refusal), cause, "{refusal}");
    }
}
