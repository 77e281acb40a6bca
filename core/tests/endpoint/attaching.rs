//! Attach, detach, close: who may do what, and when.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use fdlink_core::{
    Ended, Endpoint, EtherType, LinkEndpoint as _, LinkEvent, Options, Packet, Queue, ReceiverError, State, StateError,
    WriteError,
};

use crate::recorder::Recorder;
use crate::{Link, OTHER, OWN};

type One<'l> = Endpoint<fdlink_mock::End<'l, 16, 1514>>;

fn endpoint(link: &Link) -> (One<'_>, fdlink_mock::End<'_, 16, 1514>) {
    let (near, far) = link.ends();
    let options = Options { address: OWN, ..Options::default() };
    (Endpoint::new([Queue::new(near)], options).unwrap(), far)
}

fn write_one(endpoint: &One<'_>) -> Result<usize, WriteError> {
    let mut packets = [Packet::new(EtherType::IPV4, &[b"payload"]).to(OTHER)];
    endpoint.write_packets(&mut packets).map(|written| written.sent)
}

#[test]
fn nothing_is_written_or_received_before_attach() {
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    assert_eq!((endpoint.state(), endpoint.is_attached()), (State::Detached, false));
    assert_eq!(write_one(&endpoint), Err(WriteError::NotAttached));
    assert_eq!(endpoint.receiver(0).err(), Some(ReceiverError::NotAttached));
    endpoint.attach().unwrap();
    assert_eq!((write_one(&endpoint), endpoint.is_attached()), (Ok(1), true));
}

#[test]
fn second_attach_is_an_error_and_changes_nothing() {
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    endpoint.attach().unwrap();
    assert_eq!(endpoint.attach(), Err(StateError::AlreadyAttached));
    assert_eq!((endpoint.state(), write_one(&endpoint)), (State::Attached, Ok(1)));
}

#[test]
fn receiver_is_out_once_at_a_time() {
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    endpoint.attach().unwrap();
    assert_eq!(endpoint.receiver(1).err(), Some(ReceiverError::NoSuchQueue));
    let receiver = endpoint.receiver(0).unwrap();
    assert_eq!(endpoint.receiver(0).err(), Some(ReceiverError::Taken));
    drop(receiver);
    assert!(endpoint.receiver(0).is_ok());
}

#[test]
fn detach_waits_for_the_receivers_and_then_attaches_again() {
    let link = Link::new();
    let (endpoint, far) = endpoint(&link);
    let _far = Queue::new(far);
    let mut recorder = Recorder::default();
    for _ in 0..3 {
        endpoint.attach().unwrap();
        let mut receiver = endpoint.receiver(0).unwrap();
        assert_eq!(receiver.poll(&mut recorder), Ok(0));
        endpoint.detach();
        endpoint.detach();
        assert_eq!((endpoint.state(), endpoint.attach()), (State::Detaching, Err(StateError::Draining)));
        assert_eq!(write_one(&endpoint), Err(WriteError::NotAttached));
        assert_eq!(receiver.run(&mut recorder), Ended::Detached);
        drop(receiver);
        assert_eq!(endpoint.state(), State::Detached);
    }
    assert_eq!(recorder.events, [LinkEvent::Detached; 3]);
}

#[test]
fn frames_that_came_while_detached_are_delivered_after_the_next_attach() {
    let link = Link::new();
    let (endpoint, far) = endpoint(&link);
    let far = Endpoint::new([Queue::new(far)], Options::default()).unwrap();
    far.attach().unwrap();
    endpoint.attach().unwrap();
    endpoint.detach();
    let mut packets = [Packet::new(EtherType::IPV4, &[b"late"]).to(OWN)];
    assert_eq!(far.write_packets(&mut packets).unwrap().sent, 1);
    endpoint.attach().unwrap();
    let mut recorder = Recorder::default();
    assert_eq!(endpoint.receiver(0).unwrap().poll(&mut recorder), Ok(1));
    assert_eq!(recorder.payloads(), [b"late"]);
}

#[test]
fn wait_relaxes_until_the_last_receiver_is_back() {
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    endpoint.wait(&mut || panic!("nothing to wait for before the first attach"));
    endpoint.attach().unwrap();
    let mut receiver = Some(endpoint.receiver(0).unwrap());
    endpoint.wait(&mut || panic!("nothing to wait for while attached"));
    endpoint.detach();
    let relaxed = Cell::new(0);
    endpoint.wait(&mut || {
        relaxed.set(relaxed.get() + 1);
        if relaxed.get() == 3 {
            receiver = None;
        }
    });
    assert_eq!((relaxed.get(), endpoint.state()), (3, State::Detached));
}

#[test]
fn close_is_for_good_whatever_came_before() {
    for attach in [false, true] {
        let link = Link::new();
        let (endpoint, _far) = endpoint(&link);
        if attach {
            endpoint.attach().unwrap();
        }
        endpoint.close();
        endpoint.detach();
        assert_eq!((endpoint.state(), endpoint.is_attached()), (State::Closed, false));
        assert_eq!(endpoint.attach(), Err(StateError::Closed));
        assert_eq!(write_one(&endpoint), Err(WriteError::Closed));
        assert_eq!(endpoint.receiver(0).err(), Some(ReceiverError::NotAttached));
    }
}

#[test]
fn close_waits_for_the_receivers_and_tells_them() {
    let link = Link::new();
    let (endpoint, far) = endpoint(&link);
    let _far = Queue::new(far);
    endpoint.attach().unwrap();
    let mut receiver = endpoint.receiver(0).unwrap();
    endpoint.close();
    assert_eq!((endpoint.state(), write_one(&endpoint)), (State::Closing, Err(WriteError::Closed)));
    let mut recorder = Recorder::default();
    assert_eq!(receiver.run(&mut recorder), Ended::Detached);
    assert_eq!(recorder.events, [LinkEvent::Detached]);
    drop(receiver);
    assert_eq!(endpoint.state(), State::Closed);
}

#[test]
fn on_close_action_runs_once_and_only_the_last_one_set() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    endpoint.set_on_close_action(Some(&|| panic!("replaced")));
    endpoint.set_on_close_action(Some(&|| {
        RUNS.fetch_add(1, Ordering::Relaxed);
    }));
    endpoint.attach().unwrap();
    endpoint.detach();
    assert_eq!(RUNS.load(Ordering::Relaxed), 0, "detach is no close");
    endpoint.close();
    endpoint.close();
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
}

#[test]
fn on_close_action_can_be_taken_back() {
    let link = Link::new();
    let (endpoint, _far) = endpoint(&link);
    endpoint.set_on_close_action(Some(&|| panic!("taken back")));
    endpoint.set_on_close_action(None);
    endpoint.close();
    assert_eq!(endpoint.state(), State::Closed);
}
