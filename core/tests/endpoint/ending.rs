//! The end of a queue is told once for each attachment, after the last packet.

use fdlink_core::io::ErrorKind;
use fdlink_core::{Ended, Endpoint, EtherType, LinkEndpoint, LinkEvent, Options, Packet, Queue, State, WriteError};

use crate::recorder::Recorder;
use crate::scripted::{Script, attached};
use crate::{Link, OWN};

#[test]
fn peer_close_is_told_once_and_after_the_last_packet() {
    let link = Link::new();
    let (near, far) = link.ends();
    let near = Endpoint::new([Queue::new(near)], Options { address: OWN, ..Options::default() }).unwrap();
    near.attach().unwrap();
    let far = Endpoint::new([Queue::new(far)], Options::default()).unwrap();
    far.attach().unwrap();
    let mut packets = [Packet::new(EtherType::IPV4, &[b"last words"]).to(OWN)];
    assert_eq!(far.write_packets(&mut packets).unwrap().sent, 1);
    drop(far);

    let mut recorder = Recorder::default();
    let mut receiver = near.receiver(0).unwrap();
    assert_eq!(receiver.poll(&mut recorder), Ok(1));
    assert!(recorder.events.is_empty());
    assert_eq!(receiver.poll(&mut recorder), Err(Ended::PeerClosed));
    assert!(receiver.poll(&mut recorder).is_err());
    assert_eq!(recorder.events, [LinkEvent::PeerClosed]);
    assert_eq!(near.state(), State::Ended);
}

#[test]
fn ended_endpoint_is_attached_and_takes_no_packets() {
    let script = Script::receiving([Err(ErrorKind::Closed)]);
    let endpoint = attached([&script], Options::default());
    assert!(endpoint.receiver(0).unwrap().poll(&mut Recorder::default()).is_err());
    let error = endpoint.write_packets(&mut [Packet::new(EtherType::IPV4, &[b"x"])]);
    assert_eq!((endpoint.is_attached(), error), (true, Err(WriteError::Ended)));
    endpoint.detach();
    assert_eq!(endpoint.state(), State::Detached);
    assert_eq!(endpoint.attach(), Ok(()));
}

#[test]
fn endpoint_ends_with_its_last_queue() {
    let scripts = [Script::receiving([Err(ErrorKind::Closed)]), Script::receiving([Err(ErrorKind::Fatal)])];
    let endpoint = attached(&scripts, Options::default());
    let mut recorders = [Recorder::default(), Recorder::default()];
    let mut first = endpoint.receiver(0).unwrap();
    assert_eq!(first.poll(&mut recorders[0]), Err(Ended::PeerClosed));
    assert_eq!(endpoint.state(), State::Attached);
    let mut second = endpoint.receiver(1).unwrap();
    assert!(matches!(second.poll(&mut recorders[1]), Err(Ended::Fatal(_))));
    assert_eq!(endpoint.state(), State::Ended);
    assert_eq!(recorders[0].events, [LinkEvent::PeerClosed]);
    assert_eq!(recorders[1].events, [LinkEvent::Fatal(ErrorKind::Fatal)]);
}

#[test]
fn end_met_by_a_second_receiver_is_not_told_again() {
    let script = Script::receiving([Err(ErrorKind::Closed), Err(ErrorKind::Closed)]);
    let other = Script::default();
    let endpoint = attached([&script, &other], Options::default());
    let mut recorder = Recorder::default();
    for _ in 0..2 {
        assert_eq!(endpoint.receiver(0).unwrap().poll(&mut recorder), Err(Ended::PeerClosed));
    }
    assert_eq!(recorder.events, [LinkEvent::PeerClosed]);
    assert_eq!(endpoint.state(), State::Attached, "the other queue lives");
}

#[test]
fn detach_after_the_end_tells_nothing_more_and_the_next_attachment_tells_anew() {
    let script = Script::receiving([Err(ErrorKind::Closed), Err(ErrorKind::Closed)]);
    let endpoint = attached([&script], Options::default());
    let mut recorder = Recorder::default();
    {
        let mut receiver = endpoint.receiver(0).unwrap();
        assert!(receiver.poll(&mut recorder).is_err());
        endpoint.detach();
        assert_eq!(receiver.poll(&mut recorder), Err(Ended::Detached));
    }
    assert_eq!(recorder.events, [LinkEvent::PeerClosed]);
    endpoint.attach().unwrap();
    assert!(endpoint.receiver(0).unwrap().poll(&mut recorder).is_err());
    assert_eq!(recorder.events, [LinkEvent::PeerClosed; 2]);
}

#[test]
fn close_seen_by_sending_is_told_by_the_receiver_once_the_queue_is_empty() {
    let script = Script::sending([Err(ErrorKind::Closed)]);
    script.polls.borrow_mut().push_back(Ok(vec![vec![0x45, 1]]));
    let endpoint = attached([&script], Options::default());
    let written = endpoint.write_packets(&mut [Packet::new(EtherType::IPV4, &[b"x"])]).unwrap();
    assert_eq!((written.refused, script.stopped.get()), (1, true), "a waiting receiver is woken");
    let mut recorder = Recorder::default();
    assert_eq!(endpoint.receiver(0).unwrap().run(&mut recorder), Ended::PeerClosed);
    assert_eq!((recorder.packets.len(), &recorder.events[..]), (1, &[LinkEvent::PeerClosed][..]));
}

#[test]
fn reasons_of_an_end_read_as_words() {
    let words = [Ended::Detached, Ended::PeerClosed, Ended::Fatal("descriptor 3")].map(|ended| ended.to_string());
    assert_eq!(words, ["detached", "the other end is gone", "descriptor 3"]);
}
