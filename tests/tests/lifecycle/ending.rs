//! Peers that close, links that flap, floods that do not stop.

use std::sync::Arc;
use std::time::Duration;

use fdlink_core::io::ErrorKind;
use fdlink_core::{
    Ended, EtherType, LinkEndpoint, LinkEvent, NetworkDispatcher, Packet, RxPacket, State, WriteError, Written,
};
use fdlink_linux::{FdOptions, Runner, endpoint};
use fdlink_tests::lab::link::delete;
use fdlink_tests::support::{
    Cable, Collector, Flood, MODES, PEER, TEST_PROTOCOL, Trials, attach, attach_in, marked, plain, seqpacket, to_own,
    until, within, write,
};
use rustix::io::ioctl_fionread;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(peer_that_closes_ends_its_queue_and_no_other);
    trials.anywhere(peer_that_closes_before_attach_is_told_at_once);
    trials.in_namespaces(flapping_link_is_survived_in_both_directions);
    trials.in_namespaces(frame_from_before_the_loss_of_the_link_is_no_sign_of_its_return);
    trials.in_namespaces(deleted_interface_is_told_as_closed);
    trials.in_namespaces(interface_that_is_deleted_while_it_is_down_is_told_as_closed);
    trials.in_namespaces(interface_that_is_deleted_while_it_is_down_is_found_by_the_next_send);
    trials.anywhere(stop_under_floods_on_several_queues_takes_less_than_50_ms);
    trials.in_namespaces(stop_under_a_flood_on_an_interface_takes_less_than_50_ms);
}

fn peer_that_closes_ends_its_queue_and_no_other() {
    for mode in MODES {
        let ((first, first_peer), (second, second_peer)) = (seqpacket(), seqpacket());
        let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
        let endpoint = Arc::new(endpoint([first, second], plain(), &fd_options).unwrap());
        let collectors = [Collector::new(), Collector::new()];
        let runner = Runner::attach(Arc::clone(&endpoint), |queue| collectors[queue].clone()).unwrap();
        drop(first_peer);
        collectors[0].wait_for_event(LinkEvent::PeerClosed);
        assert_eq!(endpoint.state(), State::Attached, "{mode}: one queue lives");
        second_peer.send(&to_own(b"alive"));
        assert_eq!(collectors[1].wait_for(1), [b"alive"], "{mode}");

        drop(second_peer);
        let (ends, _) = within("the runner to end by itself", || runner.wait().unwrap());
        assert_eq!(ends, [Ended::PeerClosed; 2], "{mode}");
        for collector in &collectors {
            assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
        }
    }
}

fn peer_that_closes_before_attach_is_told_at_once() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        peer.send(&to_own(b"goodbye"));
        drop(peer);
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let (ends, _) = within("the runner to end by itself", || runner.wait().unwrap());
        assert_eq!(ends, [Ended::PeerClosed], "{mode}");
        assert_eq!(collector.payloads(), [b"goodbye"], "{mode}");
    }
}

fn flapping_link_is_survived_in_both_directions() {
    for mode in MODES {
        let cable = Cable::new();
        let (fd, peer) = cable.pair();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let endpoint = Arc::clone(runner.endpoint());
        for round in 1..=5 {
            cable.cut();
            let losses = || collector.events().iter().filter(|event| **event == LinkEvent::Down).count();
            until("the loss to be told", || losses() == round);
            let written = write(&*endpoint, &[marked(1, 60)]);
            assert_eq!((written.sent, written.refused, written.pending), (0, 1, 0), "{mode}: down");
            cable.mend();
            let seen = collector.packets().len();
            until("a frame from the other end", || {
                let _ = peer.try_send(&to_own(&marked(2, 60)));
                collector.packets().len() > seen
            });
            while peer.try_receive().is_some() {}
            until("a frame at the other end", || {
                let written = write(&*endpoint, &[marked(3, 60)]);
                written.sent == 1 && peer.try_receive().is_some_and(|frame| frame[14..] == marked(3, 60))
            });
        }
        collector.wait_for_last(LinkEvent::Up);
        assert_eq!(runner.stop().unwrap(), [Ended::Detached], "{mode}");
        assert!(endpoint.counters().rx.errors >= 5, "{mode}: each loss is counted");
    }
}

/// The kernel tells the loss ahead of the frames that it had queued before.
fn frame_from_before_the_loss_of_the_link_is_no_sign_of_its_return() {
    for mode in MODES {
        let cable = Cable::new();
        let (fd, peer) = cable.pair();
        let endpoint = attach_in(mode, &fd, plain());
        peer.send(&to_own(&marked(1, 60)));
        until("the frame to be queued", || ioctl_fionread(&fd).unwrap() > 0);
        cable.cut();

        let mut collector = Collector::new();
        let mut receiver = endpoint.receiver(0).unwrap();
        for _ in 0..4 {
            receiver.poll(&mut collector).unwrap();
        }
        assert_eq!(collector.payloads(), [marked(1, 60)], "{mode}");
        assert_eq!(collector.events(), [LinkEvent::Down], "{mode}");
        assert_eq!(endpoint.state(), State::Down, "{mode}");
    }
}

fn deleted_interface_is_told_as_closed() {
    for mode in MODES {
        let cable = Cable::new();
        let endpoint = attach_in(mode, cable.socket(), plain());
        cable.near.run(|| delete("near")).unwrap();
        let mut collector = Collector::new();
        let ended = endpoint.receiver(0).unwrap().poll(&mut collector).expect_err("the interface is gone");
        assert_eq!(ended, Ended::PeerClosed, "{mode}");
        assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
    }
}

/// The kernel tells a deletion only while the interface is up; a receiver that saw it go down first has to look by itself.
fn interface_that_is_deleted_while_it_is_down_is_told_as_closed() {
    for mode in MODES {
        let cable = Cable::new();
        let collector = Collector::new();
        let runner = attach(mode, cable.socket(), plain(), &collector);
        cable.cut();
        collector.wait_for_event(LinkEvent::Down);
        cable.near.run(|| delete("near")).unwrap();
        let (ends, _) = within("the runner to end by itself", || runner.wait().unwrap());
        assert_eq!(ends, [Ended::PeerClosed], "{mode}");
        assert_eq!(collector.events(), [LinkEvent::Down, LinkEvent::PeerClosed], "{mode}");
    }
}

fn interface_that_is_deleted_while_it_is_down_is_found_by_the_next_send() {
    for mode in MODES {
        let cable = Cable::new();
        let collector = Collector::new();
        let runner = attach(mode, cable.socket(), plain(), &collector);
        cable.cut();
        collector.wait_for_event(LinkEvent::Down);
        cable.near.run(|| delete("near")).unwrap();
        // A receiver that looks by itself may have been faster.
        if let Ok(written) = try_write(&**runner.endpoint()) {
            assert_eq!((written.sent, written.blocked), (0, Some(ErrorKind::Closed)), "{mode}");
        }
        let (ends, _) = within("the runner to end by itself", || runner.wait().unwrap());
        assert_eq!(ends, [Ended::PeerClosed], "{mode}");
        assert_eq!(collector.events(), [LinkEvent::Down, LinkEvent::PeerClosed], "{mode}");
    }
}

fn try_write(endpoint: &dyn LinkEndpoint) -> Result<Written, WriteError> {
    let parts: [&[u8]; 1] = [&[0; 60]];
    endpoint.write_packets(&mut [(); 2].map(|()| Packet::new(TEST_PROTOCOL, &parts).to(PEER)))
}

fn stop_under_floods_on_several_queues_takes_less_than_50_ms() {
    for mode in MODES {
        let times = (0..5).map(|_| {
            let (fds, peers): (Vec<_>, Vec<_>) = (0..2).map(|_| seqpacket()).unzip();
            let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
            let endpoint = Arc::new(endpoint(fds, plain(), &fd_options).unwrap());
            let runner = Runner::attach(Arc::clone(&endpoint), |_| Sink).unwrap();
            let floods: Vec<_> = peers.into_iter().map(|peer| Flood::start(peer, to_own(&[0; 60]))).collect();
            let queues = endpoint.queues();
            until("the floods to arrive", || queues.iter().all(|queue| queue.counters().rx.delivered > 500));
            let (ends, time) = within("stop under a flood", || runner.stop().unwrap());
            assert_eq!(ends, [Ended::Detached; 2], "{mode}");
            drop(floods);
            time
        });
        assert_prompt(times.collect());
    }
}

fn stop_under_a_flood_on_an_interface_takes_less_than_50_ms() {
    let cable = Cable::new();
    for mode in MODES {
        let times = (0..5).map(|_| {
            let (fd, peer) = cable.pair();
            let runner = attach(mode, fd, plain(), &Sink);
            let flood = Flood::start(peer, to_own(&[0; 60]));
            until("the flood to arrive", || runner.endpoint().counters().rx.delivered > 500);
            let (_, time) = within("stop under a flood", || runner.stop().unwrap());
            drop(flood);
            time
        });
        assert_prompt(times.collect());
    }
}

/// By the median, so that a machine which does something else for a moment does not decide.
#[track_caller]
fn assert_prompt(mut times: Vec<Duration>) {
    times.sort_unstable();
    assert!(times[times.len() / 2] < Duration::from_millis(50), "{times:?}");
}

/// Costs nothing, so that a flood never ends for it.
#[derive(Clone, Copy)]
struct Sink;

impl NetworkDispatcher for Sink {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {}
}
