//! Whatever the queues answer: no packet is lost or sent twice, and each flow keeps its order.

use fdlink_core::io::ErrorKind;
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet, TxPolicy, TxStatus};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scripted::{Script, attached};

const QUEUES: usize = 3;

proptest! {
    #[test]
    fn packets_are_sent_once_each_and_flows_keep_their_order(
        hashes in vec(0u32..9, 0..200),
        answers in vec(vec(answer(), 0..12), QUEUES),
        policy in policy(),
    ) {
        let scripts: Vec<_> = answers.into_iter().map(Script::sending).collect();
        let numbers: Vec<[u8; 2]> = (0..hashes.len() as u16).map(u16::to_be_bytes).collect();
        let parts: Vec<[&[u8]; 1]> = numbers.iter().map(|number| [&number[..]]).collect();
        let mut packets: Vec<_> = parts.iter().zip(&hashes)
            .map(|(parts, hash)| Packet::new(EtherType::IPV4, parts).with_hash(*hash))
            .collect();

        write_all(&scripts, &mut packets, policy)?;

        let mut left = Vec::new();
        for (index, script) in scripts.iter().enumerate() {
            let sent: Vec<usize> = script.sent().iter().map(|b| usize::from(u16::from_be_bytes([b[0], b[1]]))).collect();
            prop_assert!(sent.iter().all(|at| hashes[*at] as usize % QUEUES == index), "queue {}: {:?}", index, sent);
            prop_assert!(sent.is_sorted(), "queue {}: {:?}", index, sent);
            left.extend(sent);
        }
        left.sort_unstable();
        let said: Vec<usize> = (0..packets.len()).filter(|at| packets[*at].status() == TxStatus::Sent).collect();
        prop_assert_eq!(left, said);
    }
}

/// Hands the packets in until none is pending; each call uses up an answer of every queue that holds some back.
fn write_all(scripts: &[Script], packets: &mut [Packet<'_>], policy: TxPolicy) -> Result<(), TestCaseError> {
    let endpoint = attached(scripts, Options { tx_policy: policy, ..Options::default() });
    let mut refused = 0;
    for _ in 0..100 {
        let written = endpoint.write_packets(packets).unwrap();
        refused += written.refused;
        let pending = packets.iter().filter(|packet| packet.status() == TxStatus::Pending).count();
        prop_assert_eq!(written.pending, pending);
        prop_assert_eq!(written.blocked.is_some(), pending > 0);
        if pending == 0 {
            let tx = endpoint.counters().tx;
            prop_assert_eq!((tx.sent + refused, tx.refused_total()), (packets.len(), refused));
            return Ok(());
        }
    }
    Err(TestCaseError::fail("packets are pending for ever"))
}

/// Transient and frame-local answers only, so that every packet gets an end.
fn answer() -> impl Strategy<Value = Result<usize, ErrorKind>> {
    prop_oneof![
        (1usize..8).prop_map(Ok),
        Just(Err(ErrorKind::WouldBlock)),
        Just(Err(ErrorKind::NoBuffers)),
        Just(Err(ErrorKind::FrameTooLong)),
        Just(Err(ErrorKind::LinkDown)),
    ]
}

fn policy() -> impl Strategy<Value = TxPolicy> {
    let wait = TxPolicy::Wait { attempts: 2, timeout: core::time::Duration::ZERO };
    prop_oneof![Just(TxPolicy::Return), Just(TxPolicy::Drop), Just(wait)]
}
