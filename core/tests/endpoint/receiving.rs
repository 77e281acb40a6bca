//! What passes to the dispatcher, what is dropped, and what does not end a receiver.

use fdlink_core::io::ErrorKind;
use fdlink_core::{DropCause, LinkEndpoint as _, LinkEvent, Options, State};

use crate::recorder::Recorder;
use crate::scripted::{Script, attached};

#[test]
fn link_down_is_told_once_and_the_first_frame_tells_that_it_is_up() {
    let down = || Err(ErrorKind::LinkDown);
    let script = Script::receiving([down(), down(), Ok(vec![]), Ok(vec![vec![0x45]]), Ok(vec![vec![0x60]])]);
    let endpoint = attached([&script], Options::default());
    let mut recorder = Recorder::default();
    let mut receiver = endpoint.receiver(0).unwrap();
    let mut states = Vec::new();
    for _ in 0..5 {
        receiver.poll(&mut recorder).unwrap();
        states.push(endpoint.state());
    }
    assert_eq!(states, [State::Down, State::Down, State::Down, State::Attached, State::Attached]);
    assert_eq!(recorder.events, [LinkEvent::Down, LinkEvent::Up]);
    assert_eq!(endpoint.counters().rx.errors, 2);
}

#[test]
fn next_receiver_sees_the_link_come_up_again() {
    let script = Script::receiving([Err(ErrorKind::LinkDown), Ok(vec![vec![0x45]])]);
    let endpoint = attached([&script], Options::default());
    let mut recorder = Recorder::default();
    endpoint.receiver(0).unwrap().poll(&mut recorder).unwrap();
    assert_eq!(endpoint.state(), State::Down);
    endpoint.receiver(0).unwrap().poll(&mut recorder).unwrap();
    assert_eq!(endpoint.state(), State::Attached);
    assert_eq!(recorder.events, [LinkEvent::Down, LinkEvent::Up]);
}

/// Who was not told that the link is down is not told that it is up; who was, is, although another receiver told it.
#[test]
fn each_queue_tells_up_after_its_own_down() {
    let scripts = [
        Script::receiving([Err(ErrorKind::LinkDown), Ok(vec![vec![0x45]])]),
        Script::receiving([Ok(vec![vec![0x45]]), Err(ErrorKind::LinkDown), Ok(vec![vec![0x45]])]),
    ];
    let endpoint = attached(&scripts, Options::default());
    let mut recorders = [Recorder::default(), Recorder::default()];
    let states = [0, 1, 1, 0, 1].map(|queue| {
        endpoint.receiver(queue).unwrap().poll(&mut recorders[queue]).unwrap();
        endpoint.state()
    });
    assert_eq!(states, [State::Down, State::Down, State::Down, State::Attached, State::Attached]);
    assert_eq!(recorders.each_ref().map(|recorder| recorder.packets.len()), [1, 2]);
    for recorder in recorders {
        assert_eq!(recorder.events, [LinkEvent::Down, LinkEvent::Up]);
    }
}

#[test]
fn packets_can_be_written_while_the_link_is_down() {
    let script = Script::receiving([Err(ErrorKind::LinkDown)]);
    let endpoint = attached([&script], Options::default());
    endpoint.receiver(0).unwrap().poll(&mut Recorder::default()).unwrap();
    let mut packets = [fdlink_core::Packet::new(fdlink_core::EtherType::IPV4, &[b"x"])];
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, 1);
}

#[test]
fn lack_of_buffers_passes() {
    let script = Script::receiving([Err(ErrorKind::NoBuffers), Err(ErrorKind::WouldBlock), Ok(vec![vec![0x45]])]);
    let endpoint = attached([&script], Options::default());
    let mut recorder = Recorder::default();
    let mut receiver = endpoint.receiver(0).unwrap();
    let taken: Vec<_> = (0..3).map(|_| receiver.poll(&mut recorder)).collect();
    assert_eq!(taken, [Ok(0), Ok(0), Ok(1)]);
    assert!(recorder.events.is_empty());
}

#[test]
fn bad_frames_between_good_ones_are_dropped_and_counted() {
    let frames = vec![vec![0x45, 1], vec![], vec![0x10], vec![0x60, 2], vec![0xff; 9]];
    let script = Script::receiving([Ok(frames)]);
    let endpoint = attached([&script], Options::default());
    let mut recorder = Recorder::default();
    assert_eq!(endpoint.receiver(0).unwrap().poll(&mut recorder), Ok(5));
    assert_eq!(recorder.payloads(), [&[0x45, 1][..], &[0x60, 2]]);
    let rx = endpoint.counters().rx;
    assert_eq!((rx.dropped(DropCause::Runt), rx.dropped(DropCause::UnknownVersion)), (1, 2));
    assert!(rx.is_balanced());
}

#[test]
fn counters_of_a_batch_survive_a_dispatcher_that_panics() {
    struct Panics;
    impl fdlink_core::NetworkDispatcher for Panics {
        fn deliver(&mut self, _: fdlink_core::EtherType, packet: fdlink_core::RxPacket<'_>) {
            assert!(packet.payload().len() > 1, "short");
        }
    }
    let script = Script::receiving([Ok(vec![vec![0x45, 0], vec![0x45], vec![0x45, 0]])]);
    let endpoint = attached([&script], Options::default());
    let mut receiver = endpoint.receiver(0).unwrap();
    let poll = std::panic::AssertUnwindSafe(|| receiver.poll(&mut Panics));
    assert!(std::panic::catch_unwind(poll).is_err());
    let rx = endpoint.counters().rx;
    assert_eq!((rx.received, rx.delivered, rx.is_balanced()), (2, 2, true));
}
