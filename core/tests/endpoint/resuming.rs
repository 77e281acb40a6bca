//! A slice that was not sent whole is handed in again: nothing is lost, nothing goes twice.

use fdlink_core::io::ErrorKind;
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet, RefusalCause, TxPolicy, TxStatus, Written};

use crate::scripted::{Script, attached};

#[test]
fn packets_behind_a_blocked_one_stay_pending_and_go_next_time() {
    let script = Script::sending([Ok(2), Err(ErrorKind::WouldBlock)]);
    let endpoint = attached([&script], Options::default());
    let parts: Vec<[&[u8]; 1]> = [b"a", b"b", b"c", b"d"].map(|p| [&p[..]]).to_vec();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(EtherType::IPV4, parts)).collect();

    let written = endpoint.write_packets(&mut packets).unwrap();
    let expected = Written { sent: 2, pending: 2, blocked: Some(ErrorKind::WouldBlock), ..Written::default() };
    assert_eq!(written, expected);
    let statuses: Vec<_> = packets.iter().map(Packet::status).collect();
    assert_eq!(statuses, [TxStatus::Sent, TxStatus::Sent, TxStatus::Pending, TxStatus::Pending]);

    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!(written, Written { sent: 2, ..Written::default() });
    assert_eq!(script.sent(), [b"a", b"b", b"c", b"d"]);
    assert_eq!(endpoint.write_packets(&mut packets), Ok(Written::default()), "nothing is left");
    assert_eq!(script.sent().len(), 4);
}

#[test]
fn full_link_gives_its_packets_room_by_room() {
    let link = fdlink_mock::Link::<3, 64>::new();
    let (near, far) = link.ends();
    let options = Options { mtu: 50, ethernet_header: false, ..Options::default() };
    let [near, far] =
        [near, far].map(|end| fdlink_core::Endpoint::new([fdlink_core::Queue::new(end)], options).unwrap());
    near.attach().unwrap();
    far.attach().unwrap();
    let bytes: Vec<[u8; 2]> = (0..10).map(|n| [0x45, n]).collect();
    let parts: Vec<[&[u8]; 1]> = bytes.iter().map(|b| [&b[..]]).collect();
    let mut packets: Vec<_> = parts.iter().map(|p| Packet::new(EtherType::IPV4, p)).collect();
    let mut recorder = crate::recorder::Recorder::default();
    let mut sent = Vec::new();
    for _ in 0..4 {
        sent.push(near.write_packets(&mut packets).unwrap().sent);
        far.receiver(0).unwrap().poll(&mut recorder).unwrap();
    }
    assert_eq!(sent, [3, 3, 3, 1]);
    assert_eq!(recorder.payloads(), bytes);
}

#[test]
fn blocked_queue_does_not_hold_up_the_others() {
    let scripts = [Script::sending([Err(ErrorKind::WouldBlock)]), Script::default()];
    let endpoint = attached(&scripts, Options::default());
    let mut packets = [0, 1, 0, 1].map(|hash| Packet::new(EtherType::IPV4, &[b"x"]).with_hash(hash));
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.pending), (2, 2));
    assert_eq!(scripts.each_ref().map(|script| script.calls.get()), [1, 1]);
}

#[test]
fn interleaved_flows_go_out_as_one_batch_for_each_queue() {
    let scripts = [Script::default(), Script::default()];
    let endpoint = attached(&scripts, Options::default());
    let mut packets: [_; 40] = core::array::from_fn(|n| Packet::new(EtherType::IPV4, &[b"x"]).with_hash(n as u32));
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 40);
    assert_eq!(scripts.each_ref().map(|script| (script.calls.get(), script.sent().len())), [(1, 20); 2]);
}

#[test]
fn policy_drop_gives_blocked_packets_up_and_counts_them() {
    let script = Script::sending([Err(ErrorKind::WouldBlock), Err(ErrorKind::NoBuffers), Ok(9)]);
    let endpoint = attached([&script], Options { tx_policy: TxPolicy::Drop, ..Options::default() });
    let mut packets: [_; 4] = [b"a", b"b", b"c", b"d"].map(|_| Packet::new(EtherType::IPV4, &[b"x"]));
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.sent, written.refused, written.pending, written.blocked), (2, 2, 0, None));
    let tx = endpoint.counters().tx;
    assert_eq!((tx.refused(RefusalCause::WouldBlock), tx.refused(RefusalCause::NoBuffers)), (1, 1));
    assert!(script.waited.borrow().is_empty());
}
