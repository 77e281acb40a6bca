//! The end of a link is told once, as what it is, behind everything that came before it.

use std::time::Duration;

use fdlink_core::io::{ErrorKind, IoError as _};
use fdlink_core::{Ended, LinkEndpoint as _, LinkEvent, Options, Refusal, State, TxStatus};
use fdlink_core::{Packet, WriteError};
use fdlink_linux::DispatchMode;
use fdlink_tests::support::{
    Cable, ClosedFd, Collector, Entry, MODES, PEER, TEST_PROTOCOL, Trials, attach, attach_in, datagram, drain, marked,
    plain, seqpacket, to_own, until, within,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_03_closed_seqpacket_peer_is_told_once_and_costs_no_more_calls);
    trials.anywhere(defect_03_stop_works_after_the_peer_closed);
    trials.anywhere(defect_04_closed_datagram_peer_is_found_by_the_next_send);
    trials.in_namespaces(defect_05_interface_that_comes_back_is_received_from_again);
    trials.anywhere(defect_06_what_was_queued_before_a_hang_up_is_delivered_first);
    trials.anywhere(defect_06_what_comes_together_with_a_hang_up_is_delivered_first);
    trials.anywhere(defect_12_clean_stop_is_told_as_detached_in_every_mode);
    trials.in_namespaces(defect_42_detach_close_down_and_failure_are_told_apart);
}

fn defect_03_closed_seqpacket_peer_is_told_once_and_costs_no_more_calls() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = attach_in(mode, fd, plain());
        let mut collector = Collector::new();
        drain(&endpoint, &mut collector);
        drop(peer);
        let before = endpoint.counters().rx.calls;
        let mut receiver = endpoint.receiver(0).unwrap();
        for _ in 0..1000 {
            let ended = receiver.poll(&mut collector).expect_err("the peer is gone");
            assert_eq!(ended, Ended::PeerClosed, "{mode}");
        }
        assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
        let calls = endpoint.counters().rx.calls - before;
        assert!(calls <= 1, "{mode}: {calls} calls to the system");
        assert_eq!(endpoint.counters().rx.received, 0, "{mode}");
    }
}

fn defect_03_stop_works_after_the_peer_closed() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let endpoint = runner.endpoint().clone();
        drop(peer);
        collector.wait_for_event(LinkEvent::PeerClosed);
        until("the queue to end", || endpoint.state() == State::Ended);
        let (ends, _) = within("stop", || runner.stop().unwrap());
        assert_eq!(ends, [Ended::PeerClosed], "{mode}");
        assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
        assert_eq!(endpoint.state(), State::Detached);
    }
}

/// Nothing in the kernel tells it before (unix(7)). The send that finds it also empties the queue of what the peer had sent
/// (`unix_dgram_disconnected`), so this waits until that was received.
fn defect_04_closed_datagram_peer_is_found_by_the_next_send() {
    for mode in MODES {
        let (fd, peer) = datagram();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let endpoint = runner.endpoint().clone();
        peer.send(&to_own(b"last words"));
        assert_eq!(collector.wait_for(1), [b"last words"], "{mode}");
        drop(peer);

        let parts: [&[u8]; 1] = [b"hello?"];
        let mut packets = [(); 3].map(|()| Packet::new(TEST_PROTOCOL, &parts).to(PEER));
        let written = endpoint.write_packets(&mut packets).unwrap();
        assert_eq!((written.sent, written.refused, written.blocked), (0, 1, Some(ErrorKind::Closed)), "{mode}");
        assert_eq!(packets[0].status(), TxStatus::Refused(Refusal::Io(ErrorKind::Closed)));

        let (ends, _) = within("the receiver to end by itself", || runner.wait().unwrap());
        assert_eq!(ends, [Ended::PeerClosed], "{mode}");
        assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
        assert_eq!(endpoint.write_packets(&mut packets), Err(WriteError::NotAttached), "{mode}");
    }
}

fn defect_05_interface_that_comes_back_is_received_from_again() {
    for mode in MODES {
        let cable = Cable::new();
        let (fd, peer) = cable.pair();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        peer.send(&to_own(b"before"));
        assert_eq!(collector.wait_for(1), [b"before"], "{mode}");

        for round in 1..=3 {
            cable.cut();
            let losses = || collector.events().iter().filter(|event| **event == LinkEvent::Down).count();
            until("the loss to be told", || losses() == round);
            cable.mend();
            let seen = collector.packets().len();
            until("a frame after the link came back", || {
                let _ = peer.try_send(&to_own(b"after"));
                collector.packets().len() > seen
            });
            collector.wait_for_last(LinkEvent::Up);
        }
        assert_eq!(runner.endpoint().state(), State::Attached, "{mode}");
        assert_eq!(runner.stop().unwrap(), [Ended::Detached], "{mode}");
    }
}

fn defect_06_what_was_queued_before_a_hang_up_is_delivered_first() {
    for mode in MODES {
        for count in [1, 3, 50] {
            let (fd, peer) = seqpacket();
            let frames: Vec<_> = (0..count).map(|number| marked(number, 60)).collect();
            frames.iter().for_each(|frame| peer.send(&to_own(frame)));
            drop(peer);
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            let (ends, _) = within("the end of the stream", || runner.wait().unwrap());
            assert_eq!(ends, [Ended::PeerClosed]);
            assert_delivered_then_closed(&collector, &frames);
        }
    }
}

/// The receiver waits when both come at once.
fn defect_06_what_comes_together_with_a_hang_up_is_delivered_first() {
    for mode in MODES {
        for round in 0..200 {
            let (fd, peer) = seqpacket();
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            peer.send(&to_own(&marked(round, 60)));
            if round % 2 == 0 {
                assert_eq!(collector.wait_for(1).len(), 1);
            }
            peer.send(&to_own(&marked(round + 1, 60)));
            drop(peer);
            let (ends, _) = within("the end of the stream", || runner.wait().unwrap());
            assert_eq!(ends, [Ended::PeerClosed]);
            assert_delivered_then_closed(&collector, &[marked(round, 60), marked(round + 1, 60)]);
        }
    }
}

fn assert_delivered_then_closed(collector: &Collector, frames: &[Vec<u8>]) {
    assert_eq!(collector.payloads(), frames);
    let entries = collector.entries();
    assert_eq!(entries.last(), Some(&Entry::Event(LinkEvent::PeerClosed)));
    assert_eq!(entries.len(), frames.len() + 1);
}

fn defect_12_clean_stop_is_told_as_detached_in_every_mode() {
    for mode in MODES {
        for (fd, peer) in [seqpacket(), datagram()] {
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            peer.send(&to_own(b"one"));
            assert_eq!(collector.wait_for(1), [b"one"]);
            assert_eq!(runner.stop().unwrap(), [Ended::Detached], "{mode}");
            assert_eq!(collector.events(), [LinkEvent::Detached], "{mode}");
        }
    }
}

fn defect_42_detach_close_down_and_failure_are_told_apart() {
    for mode in MODES {
        assert_eq!(told_of_detach(mode), [LinkEvent::Detached], "{mode}");
        assert_eq!(told_of_close(mode), [LinkEvent::PeerClosed], "{mode}");
        assert_eq!(told_of_down(mode), [LinkEvent::Down, LinkEvent::Detached], "{mode}");
        assert_eq!(told_of_failure(mode), [LinkEvent::Fatal(ErrorKind::Fatal)], "{mode}");
    }
}

fn told_of_detach(mode: DispatchMode) -> Vec<LinkEvent> {
    let (fd, _peer) = seqpacket();
    let collector = Collector::new();
    attach(mode, fd, plain(), &collector).stop().unwrap();
    collector.events()
}

fn told_of_close(mode: DispatchMode) -> Vec<LinkEvent> {
    let (fd, peer) = seqpacket();
    let collector = Collector::new();
    let runner = attach(mode, fd, plain(), &collector);
    drop(peer);
    within("the end", || runner.wait().unwrap());
    collector.events()
}

fn told_of_down(mode: DispatchMode) -> Vec<LinkEvent> {
    let cable = Cable::new();
    let collector = Collector::new();
    let runner = attach(mode, cable.socket(), plain(), &collector);
    cable.cut();
    collector.wait_for_event(LinkEvent::Down);
    runner.stop().unwrap();
    collector.events()
}

/// Somebody closed the descriptor that the endpoint has borrowed.
fn told_of_failure(mode: DispatchMode) -> Vec<LinkEvent> {
    let (fd, _peer) = seqpacket();
    let fd = ClosedFd::open(fd);
    let endpoint = attach_in(mode, &fd, Options::default());
    let mut collector = Collector::new();
    drain(&endpoint, &mut collector);
    fd.close();
    let mut receiver = endpoint.receiver(0).unwrap();
    for _ in 0..3 {
        let waited = receiver.wait(Some(Duration::ZERO), &mut collector);
        assert!(waited.is_err() || waited.is_ok_and(|wake| wake != fdlink_core::io::Wake::Stopped));
        let ended = receiver.poll(&mut collector).expect_err("the descriptor is closed");
        assert!(matches!(ended, Ended::Fatal(error) if error.kind() == ErrorKind::Fatal), "{ended}");
    }
    assert_eq!(endpoint.state(), State::Ended);
    collector.events()
}
