//! `TxPolicy::Wait`: bounded, and ended by a stop.

use std::time::Duration;

use fdlink_core::io::{ErrorKind, Wake};
use fdlink_core::{EtherType, LinkEndpoint as _, Options, Packet, Refusal, TxPolicy, TxStatus};

use crate::scripted::{Script, attached};

const TIMEOUT: Duration = Duration::from_millis(7);

fn waiting(attempts: u32) -> Options {
    Options { tx_policy: TxPolicy::Wait { attempts, timeout: TIMEOUT }, ..Options::default() }
}

fn packets<const N: usize>() -> [Packet<'static>; N] {
    core::array::from_fn(|n| Packet::new(EtherType::IPV4, &[b"x"]).with_hash(n as u32))
}

#[test]
fn packets_go_after_the_wait() {
    let script = Script::sending([Ok(1), Err(ErrorKind::WouldBlock), Err(ErrorKind::NoBuffers), Ok(9)]);
    let endpoint = attached([&script], waiting(2));
    assert_eq!(endpoint.write_packets(&mut packets::<3>()).unwrap().sent, 3);
    assert_eq!(*script.waited.borrow(), [(ErrorKind::WouldBlock, TIMEOUT), (ErrorKind::NoBuffers, TIMEOUT)]);
    assert_eq!(endpoint.counters().tx.waits, 2);
}

#[test]
fn after_the_last_attempt_packets_stay_pending() {
    for attempts in [0, 1, 5] {
        let script = Script::sending([Err(ErrorKind::WouldBlock); 20]);
        let endpoint = attached([&script], waiting(attempts));
        let written = endpoint.write_packets(&mut packets::<3>()).unwrap();
        assert_eq!((written.pending, written.blocked), (3, Some(ErrorKind::WouldBlock)));
        assert_eq!(script.waited.borrow().len(), attempts as usize);
        assert_eq!(script.calls.get(), attempts as usize + 1);
    }
}

#[test]
fn attempts_are_for_the_call_not_for_each_queue() {
    let scripts = [(); 3].map(|()| Script::sending([Err(ErrorKind::WouldBlock); 20]));
    let endpoint = attached(&scripts, waiting(4));
    assert_eq!(endpoint.write_packets(&mut packets::<3>()).unwrap().pending, 3);
    assert_eq!(endpoint.counters().tx.waits, 4);
    assert!(scripts.iter().all(|script| script.calls.get() > 0), "each queue is tried");
}

#[test]
fn wait_that_times_out_is_an_attempt_like_another() {
    let script = Script::sending([Err(ErrorKind::WouldBlock), Err(ErrorKind::WouldBlock), Ok(9)]);
    script.waits.borrow_mut().extend([Ok(Wake::TimedOut), Ok(Wake::TimedOut)]);
    let endpoint = attached([&script], waiting(2));
    assert_eq!(endpoint.write_packets(&mut packets::<1>()).unwrap().sent, 1);
}

#[test]
fn stop_ends_the_waiting_and_leaves_packets_pending() {
    let script = Script::sending([Err(ErrorKind::WouldBlock); 20]);
    script.waits.borrow_mut().push_back(Ok(Wake::Stopped));
    let endpoint = attached([&script], waiting(u32::MAX));
    let written = endpoint.write_packets(&mut packets::<2>()).unwrap();
    assert_eq!((written.pending, script.waited.borrow().len()), (2, 1));
}

#[test]
fn close_met_while_waiting_refuses_one_packet() {
    let script = Script::sending([Err(ErrorKind::WouldBlock)]);
    script.waits.borrow_mut().push_back(Err(ErrorKind::Closed));
    let endpoint = attached([&script], waiting(3));
    let mut packets = packets::<2>();
    let written = endpoint.write_packets(&mut packets).unwrap();
    assert_eq!((written.refused, written.pending, written.blocked), (1, 1, Some(ErrorKind::Closed)));
    assert_eq!(packets[0].status(), TxStatus::Refused(Refusal::Io(ErrorKind::Closed)));
}
