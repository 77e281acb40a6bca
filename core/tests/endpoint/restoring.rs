//! An endpoint that is saved, dropped and restored on other channels is as one that lived on.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::{
    Capabilities, ConfigError, Endpoint, EtherType, GsoSupport, InjectableEndpoint, InjectableLinkEndpoint as _,
    LinkAddress, LinkEndpoint as _, LinkEvent, Options, Packet, Queue, Snapshot, SnapshotError, State, StateError,
    WriteError,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::OTHER;
use crate::recorder::Recorder;
use crate::scripted::{Script, Scripted, attached};
use crate::super_frame::SuperFrame;

type Several<'s> = Endpoint<Scripted<'s>, Vec<Queue<Scripted<'s>>>>;

/// What happens to an endpoint before it is saved.
type Act = fn(&Several<'_>);

fn queues<'s>(scripts: impl IntoIterator<Item = &'s Script>) -> Vec<Queue<Scripted<'s>>> {
    scripts.into_iter().map(|script| Queue::new(Scripted(script))).collect()
}

/// By way of bytes.
fn saved(endpoint: &Several<'_>) -> Snapshot<4> {
    let snapshot: Snapshot<4> = endpoint.snapshot().unwrap();
    let mut buffer = [0; Snapshot::<4>::MAX_LEN];
    let decoded = Snapshot::decode(snapshot.encode(&mut buffer).unwrap());
    assert_eq!(decoded.as_ref(), Ok(&snapshot));
    decoded.unwrap()
}

fn restored<'s>(endpoint: Several<'_>, scripts: impl IntoIterator<Item = &'s Script>) -> Several<'s> {
    let snapshot = saved(&endpoint);
    drop(endpoint);
    Endpoint::restore(queues(scripts), &snapshot).unwrap()
}

fn poll(endpoint: &Several<'_>, queue: usize, recorder: &mut Recorder) {
    if let Ok(mut receiver) = endpoint.receiver(queue) {
        // An end is told to the recorder.
        let _ = receiver.poll(recorder);
    }
}

/// What can be done to an endpoint.
#[derive(Debug, Clone)]
enum Step {
    Poll(usize),
    Write(u32, bool),
    SetMtu(u32),
    SetAddress([u8; 6]),
    Detach,
    Attach,
    Save,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..QUEUES).prop_map(Step::Poll),
        4 => (0..9u32, any::<bool>()).prop_map(|(hash, whole)| Step::Write(hash, whole)),
        1 => (0..2000u32).prop_map(Step::SetMtu),
        1 => any::<[u8; 6]>().prop_map(Step::SetAddress),
        1 => Just(Step::Detach),
        2 => Just(Step::Attach),
        4 => Just(Step::Save),
    ];
    vec(step, 0..60)
}

/// What one channel answers to receives and to sends.
type Answers = (Vec<Result<Vec<u8>, ErrorKind>>, Vec<Result<usize, ErrorKind>>);

fn answers() -> impl Strategy<Value = Vec<Answers>> {
    let passing = prop_oneof![Just(ErrorKind::LinkDown), Just(ErrorKind::NoBuffers), Just(ErrorKind::WouldBlock)];
    let first_bytes = vec(any::<u8>(), 0..5);
    let receive = prop_oneof![3 => first_bytes.prop_map(Ok), 2 => passing.prop_map(Err)];
    let errors = prop_oneof![Just(ErrorKind::FrameRejected), Just(ErrorKind::NoBuffers), Just(ErrorKind::LinkDown)];
    let send = prop_oneof![3 => (1..9usize).prop_map(Ok), 2 => errors.prop_map(Err)];
    vec((vec(receive, 0..20), vec(send, 0..20)), QUEUES)
}

fn script((receives, sends): &Answers) -> Script {
    let frame = |first: &u8| [&[0; 10][..], &[*first, 1, 2]].concat();
    let batch = |answer: &Result<Vec<u8>, ErrorKind>| answer.clone().map(|firsts| firsts.iter().map(frame).collect());
    let script = Script::receiving(receives.iter().map(batch)).with_vnet(10, Offloads::all());
    script.sends.borrow_mut().extend(sends);
    script
}

/// What an endpoint shows.
fn face(endpoint: &Several<'_>) -> impl PartialEq + std::fmt::Debug {
    let queues = endpoint.queues().iter().map(|queue| (queue.counters(), queue.offloads())).collect::<Vec<_>>();
    (queues, endpoint.state(), endpoint.mtu(), endpoint.link_address(), *endpoint.options(), endpoint.capabilities())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn nobody_can_tell_it_from_one_that_lived_on(answers in answers(), steps in steps()) {
        let scripts = [(); 2].map(|()| answers.iter().map(script).collect::<Vec<_>>());
        let [mut mortal, other] = scripts.each_ref().map(|scripts| attached(scripts, host()));
        let mut recorders = [Recorder::default(), Recorder::default()];
        for step in steps {
            if let Step::Save = step {
                mortal = restored(mortal, &scripts[0]);
            }
            for (endpoint, recorder) in [&mortal, &other].into_iter().zip(&mut recorders) {
                perform(&step, endpoint, recorder);
            }
            prop_assert_eq!(face(&mortal), face(&other), "after {:?}", step);
            prop_assert!(mortal.queues().iter().all(|queue| queue.counters().rx.is_balanced()));
        }
        let [mortal, other] = recorders;
        prop_assert_eq!((mortal.packets, mortal.events), (other.packets, other.events));
        let [mortal, other] = scripts.map(|scripts| scripts.iter().map(Script::sent).collect::<Vec<_>>());
        prop_assert!(mortal == other, "other frames left");
    }
}

fn perform(step: &Step, endpoint: &Several<'_>, recorder: &mut Recorder) {
    match step {
        Step::Poll(queue) => poll(endpoint, *queue, recorder),
        Step::Write(hash, whole) => {
            let frame = SuperFrame::tcp(*hash as u16, 3000, 1000);
            let frame = if *whole { frame } else { frame.with_checksum_only() };
            // Longer than the MTU and refused, unless it is to be cut.
            let _ = endpoint.write_packets(&mut [frame.packet(&[&frame.bytes]).with_hash(*hash)]);
        }
        Step::SetMtu(mtu) => drop(endpoint.set_mtu(*mtu)),
        Step::SetAddress(address) => drop(endpoint.set_link_address(LinkAddress(*address))),
        Step::Detach => endpoint.detach(),
        Step::Attach => drop(endpoint.attach()),
        Step::Save => {}
    }
}

fn host() -> Options {
    Options { gso: GsoSupport::Host, flow_seed: Some([1, 2]), ..Options::default() }
}

#[test]
fn where_it_stood_is_where_it_stands() {
    let cases: [(Act, State); 5] = [
        (|_| {}, State::Attached),
        (|endpoint| endpoint.detach(), State::Detached),
        (|endpoint| endpoint.close(), State::Closed),
        (|endpoint| poll(endpoint, 0, &mut Recorder::default()), State::Down),
        // The end was that of the old channel.
        (|endpoint| (0..2).for_each(|_| poll(endpoint, 0, &mut Recorder::default())), State::Attached),
    ];
    for (act, expected) in cases {
        let script = Script::receiving([Err(ErrorKind::LinkDown), Err(ErrorKind::Closed)]);
        let endpoint = attached([&script], Options::default());
        act(&endpoint);
        let fresh = Script::default();
        let endpoint = restored(endpoint, [&fresh]);
        assert_eq!(endpoint.state(), expected);
        let written = endpoint.write_packets(&mut [Packet::new(EtherType::IPV4, &[b"x"])]).map(|written| written.sent);
        let attached = endpoint.attach();
        match expected {
            State::Closed => assert_eq!((written, attached), (Err(WriteError::Closed), Err(StateError::Closed))),
            State::Detached => assert_eq!((written, attached), (Err(WriteError::NotAttached), Ok(()))),
            _ => assert_eq!((written, attached), (Ok(1), Err(StateError::AlreadyAttached))),
        }
    }
}

/// The receivers that it waits for are those of the old endpoint.
#[test]
fn detaching_and_closing_are_done_with() {
    let cases: [(Act, State); 2] =
        [(|endpoint| endpoint.detach(), State::Detached), (|endpoint| endpoint.close(), State::Closed)];
    for (act, expected) in cases {
        let script = Script::default();
        let endpoint = attached([&script], Options::default());
        let receiver = endpoint.receiver(0).unwrap();
        act(&endpoint);
        let snapshot = saved(&endpoint);
        assert!(matches!(snapshot.state(), State::Detaching | State::Closing));
        drop(receiver);
        assert_eq!(Endpoint::restore(queues([&script]), &snapshot).unwrap().state(), expected);
    }
}

#[test]
fn end_of_the_old_channel_is_not_told_again_and_that_of_the_new_one_is() {
    let [old, new] = [(); 2].map(|()| Script::receiving([Err(ErrorKind::Closed)]));
    let endpoint = attached([&old], Options::default());
    let mut recorder = Recorder::default();
    poll(&endpoint, 0, &mut recorder);
    let endpoint = restored(endpoint, [&new]);
    assert_eq!(recorder.events, [LinkEvent::PeerClosed]);
    (0..2).for_each(|_| poll(&endpoint, 0, &mut recorder));
    assert_eq!(recorder.events, [LinkEvent::PeerClosed; 2]);
    assert_eq!(endpoint.state(), State::Ended);
}

#[test]
fn link_that_was_down_comes_up_on_the_queue_that_told_it() {
    let downs = [Script::receiving([Err(ErrorKind::LinkDown)]), Script::default()];
    let ups = [(); 2].map(|()| Script::receiving([Ok(vec![vec![0x45]])]));
    let endpoint = attached(&downs, Options::default());
    let mut recorders = [Recorder::default(), Recorder::default()];
    (0..2).for_each(|queue| poll(&endpoint, queue, &mut recorders[queue]));
    let endpoint = restored(endpoint, &ups);
    (0..2).for_each(|queue| poll(&endpoint, queue, &mut recorders[queue]));
    assert_eq!(recorders.map(|recorder| recorder.events), [vec![LinkEvent::Down, LinkEvent::Up], vec![]]);
}

#[test]
fn flow_seed_that_was_drawn_stays() {
    let script = Script::default();
    let endpoint = attached([&script], Options::default());
    assert_eq!(endpoint.flow_seed(|| [3, 4]), [3, 4]);
    let endpoint = restored(endpoint, [&script]);
    assert_eq!(endpoint.flow_seed(|| [5, 6]), [3, 4]);
    let undrawn = restored(attached([&script], Options::default()), [&script]);
    assert_eq!(undrawn.flow_seed(|| [5, 6]), [5, 6]);
    let chosen = attached([&script], Options { flow_seed: Some([7, 8]), ..Options::default() });
    assert_eq!(chosen.flow_seed(|| [5, 6]), [7, 8]);
}

#[test]
fn on_close_action_is_remembered_and_its_loss_is_told() {
    let script = Script::default();
    let endpoint = attached([&script], Options::default());
    assert!(!saved(&endpoint).has_on_close_action());
    endpoint.set_on_close_action(Some(&|| panic!("it is not called")));
    assert!(saved(&endpoint).has_on_close_action());
    restored(endpoint, [&script]).close();
}

#[test]
fn injected_packets_are_counted_on() {
    let script = Script::default();
    let endpoint = InjectableEndpoint::injectable(Scripted(&script), 1400).unwrap();
    endpoint.attach().unwrap();
    let inject = |endpoint: &InjectableEndpoint<Scripted<'_>>| {
        endpoint.inject_inbound(EtherType::IPV6, &mut [0x60, 1, 2], &mut Recorder::default()).unwrap();
    };
    inject(&endpoint);
    let snapshot: Snapshot = endpoint.snapshot().unwrap();
    assert_eq!(snapshot.counters(), endpoint.counters());
    let endpoint = InjectableEndpoint::restore([Queue::new(Scripted(&script))], &snapshot).unwrap();
    inject(&endpoint);
    let rx = endpoint.counters().rx;
    assert_eq!((rx.received, rx.received_bytes, rx.delivered, endpoint.mtu()), (2, 6, 2, 1400));
}

#[test]
fn what_the_new_channels_cannot_do_is_told_as_ever() {
    let script = Script::default();
    let endpoint = attached([&script, &script], Options::default());
    endpoint.set_mtu(1514).unwrap();
    let mut snapshot = saved(&endpoint);
    let too_many = endpoint.snapshot::<1>();
    assert_eq!(too_many, Err(SnapshotError::TooManyQueues { queues: 2, room: 1 }));

    for given in [0, 1, 3] {
        let error = Endpoint::restore(queues(vec![&script; given]), &snapshot).err();
        assert_eq!(error, Some(ConfigError::QueuesOfSnapshot { saved: 2, given }));
    }
    let [short, shorter] = [1510, 1499].map(link_for);
    let ends = |link: &'static fdlink_mock::Link<2, 1600>| [link.ends().0, link.ends().0].map(Queue::new);
    let error = Endpoint::restore(ends(short), &snapshot).err();
    assert_eq!(error, Some(ConfigError::MtuAboveFrameLimit { mtu: 1514, max: 1510 }));
    let error = Endpoint::restore(ends(shorter), &snapshot).err();
    assert_eq!(error, Some(ConfigError::MtuAboveFrameLimit { mtu: 1500, max: 1499 }));

    (snapshot.options.mtu, snapshot.mtu) = (1280, 1280);
    assert_eq!(Endpoint::restore(ends(shorter), &snapshot).unwrap().mtu(), 1280);
    snapshot.link_address = LinkAddress::BROADCAST;
    assert_eq!(Endpoint::restore(ends(shorter), &snapshot).err(), Some(ConfigError::GroupAddress));
    snapshot.options.address = OTHER;
    assert_eq!(Endpoint::restore(ends(shorter), &snapshot).err(), Some(ConfigError::AddressWithoutEthernet));
}

fn link_for(receive_len: usize) -> &'static fdlink_mock::Link<2, 1600> {
    Box::leak(Box::new(fdlink_mock::Link::new().with_receive_len(receive_len)))
}

#[test]
fn announcement_is_that_of_the_options() {
    let script = Script::default();
    for save_restore in [false, true] {
        let endpoint = attached([&script], Options { save_restore, ..Options::default() });
        assert_eq!(endpoint.capabilities().contains(Capabilities::SAVE_RESTORE), save_restore);
        let endpoint = restored(endpoint, [&script]);
        assert_eq!(endpoint.capabilities().contains(Capabilities::SAVE_RESTORE), save_restore);
    }
}

const QUEUES: usize = 3;
