//! Every error at every position: a frame that fails takes no other with it.

use fdlink_core::io::ErrorKind;
use fdlink_core::{Endpoint, EtherType, LinkEndpoint as _, Options, Packet, Queue, Refusal, TxPolicy, TxStatus};

use crate::scripted::{Script, Scripted, attached};

const LEN: usize = 6;

const LOCAL: [ErrorKind; 4] =
    [ErrorKind::LinkDown, ErrorKind::OffloadRejected, ErrorKind::FrameTooLong, ErrorKind::FrameRejected];
const TRANSIENT: [ErrorKind; 2] = [ErrorKind::WouldBlock, ErrorKind::NoBuffers];
const FINAL: [ErrorKind; 2] = [ErrorKind::Closed, ErrorKind::Fatal];

const BYTES: [[u8; 1]; LEN] = [[0], [1], [2], [3], [4], [5]];

/// Fails the frame at `position` once with `kind`; the statuses, and what left.
fn fail(position: usize, kind: ErrorKind, policy: TxPolicy) -> (Vec<TxStatus>, Vec<Vec<u8>>) {
    let before = (position > 0).then_some(Ok(position));
    let script = Script::sending(before.into_iter().chain([Err(kind)]));
    let endpoint = attached([&script], Options { tx_policy: policy, ..Options::default() });
    let parts: Vec<[&[u8]; 1]> = BYTES.iter().map(|byte| [&byte[..]]).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(EtherType::IPV4, parts)).collect();
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!(written.sent + written.refused + written.pending, LEN);
    (packets.iter().map(Packet::status).collect(), script.sent())
}

fn all_but(position: usize) -> Vec<Vec<u8>> {
    BYTES.iter().enumerate().filter(|(at, _)| *at != position).map(|(_, byte)| byte.to_vec()).collect()
}

#[test]
fn error_of_one_frame_refuses_that_frame_only() {
    for kind in LOCAL {
        for position in 0..LEN {
            let (statuses, sent) = fail(position, kind, TxPolicy::Return);
            for (at, status) in statuses.into_iter().enumerate() {
                let expected = if at == position { TxStatus::Refused(Refusal::Io(kind)) } else { TxStatus::Sent };
                assert_eq!(status, expected, "{kind} at {position}, packet {at}");
            }
            assert_eq!(sent, all_but(position), "{kind} at {position}");
        }
    }
}

#[test]
fn passing_error_leaves_that_frame_and_those_behind_it_pending() {
    for kind in TRANSIENT {
        for position in 0..LEN {
            let (statuses, sent) = fail(position, kind, TxPolicy::Return);
            for (at, status) in statuses.into_iter().enumerate() {
                let expected = if at < position { TxStatus::Sent } else { TxStatus::Pending };
                assert_eq!(status, expected, "{kind} at {position}, packet {at}");
            }
            assert_eq!(sent.len(), position);
        }
    }
}

#[test]
fn passing_error_under_policy_drop_refuses_that_frame_only() {
    for kind in TRANSIENT {
        for position in 0..LEN {
            let (statuses, sent) = fail(position, kind, TxPolicy::Drop);
            assert_eq!(statuses[position], TxStatus::Refused(Refusal::Io(kind)));
            assert_eq!(sent, all_but(position), "{kind} at {position}");
        }
    }
}

#[test]
fn final_error_refuses_that_frame_and_tries_no_other() {
    for kind in FINAL {
        for position in 0..LEN {
            let (statuses, sent) = fail(position, kind, TxPolicy::Return);
            for (at, status) in statuses.into_iter().enumerate() {
                let expected = match at.cmp(&position) {
                    std::cmp::Ordering::Less => TxStatus::Sent,
                    std::cmp::Ordering::Equal => TxStatus::Refused(Refusal::Io(kind)),
                    std::cmp::Ordering::Greater => TxStatus::Pending,
                };
                assert_eq!(status, expected, "{kind} at {position}, packet {at}");
            }
            assert_eq!(sent.len(), position);
        }
    }
}

#[test]
fn every_frame_may_fail_and_none_is_counted_twice() {
    let kinds: Vec<_> = LOCAL.into_iter().cycle().take(100).map(Err).collect();
    let script = Script::sending(kinds);
    let endpoint = Endpoint::new([Queue::new(Scripted(&script))], Options::default()).unwrap();
    endpoint.attach().unwrap();
    let mut packets = core::array::from_fn::<_, 100, _>(|_| Packet::new(EtherType::IPV4, &[b"x"]));
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.refused, script.calls.get()), (100, 100));
    let tx = endpoint.counters().tx;
    assert_eq!((tx.refused_total(), tx.sent, tx.calls), (100, 0, 100));
}
