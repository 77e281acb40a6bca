//! The threads of a runner.

use std::sync::{Arc, Mutex};
use std::thread;

use fdlink_core::{Ended, EtherType, LinkEndpoint as _, LinkEvent, NetworkDispatcher, RxPacket, StateError};
use fdlink_linux::{FdOptions, Runner, RunnerError, endpoint};
use fdlink_tests::support::{
    Census, Collector, MODES, Peer, Trials, attach, in_mode, marked, plain, seqpacket, to_own, until, within,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(threads_are_named_by_their_queue);
    trials.anywhere(panic_of_a_dispatcher_is_told_and_stops_no_other_queue);
    trials.anywhere(second_attach_is_refused_and_the_first_goes_on);
    trials.anywhere(dropping_a_runner_joins_its_threads);
}

fn threads_are_named_by_their_queue() {
    let (fds, peers): (Vec<_>, Vec<_>) = (0..3).map(|_| seqpacket()).unzip();
    let endpoint = Arc::new(endpoint(fds, plain(), &FdOptions::default()).unwrap());
    let names = Arc::new(Mutex::new(vec![String::new(); 3]));
    let runner = Runner::attach(endpoint, |queue| Naming { queue, names: Arc::clone(&names) }).unwrap();
    peers.iter().for_each(|peer| peer.send(&to_own(b"one")));
    until("every queue to deliver", || names.lock().unwrap().iter().all(|name| !name.is_empty()));
    assert_eq!(*names.lock().unwrap(), ["fdlink-rx-0", "fdlink-rx-1", "fdlink-rx-2"]);
    runner.stop().unwrap();
}

struct Naming {
    queue: usize,
    names: Arc<Mutex<Vec<String>>>,
}

impl NetworkDispatcher for Naming {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {
        self.names.lock().unwrap()[self.queue] = thread::current().name().unwrap_or("nameless").to_owned();
    }
}

fn panic_of_a_dispatcher_is_told_and_stops_no_other_queue() {
    for mode in MODES {
        let before = Census::now();
        let (fds, peers): (Vec<_>, Vec<Peer>) = (0..2).map(|_| seqpacket()).unzip();
        let endpoint = Arc::new(endpoint(fds, plain(), &in_mode(mode)).unwrap());
        let collector = Collector::new();
        let made = |queue| Fragile { collector: collector.clone(), breaks: queue == 0 };
        let runner = Runner::attach(Arc::clone(&endpoint), made).unwrap();

        peers[0].send(&to_own(b"the last straw"));
        until("the panic", || endpoint.counters().rx.delivered == 1);
        for number in 0..100 {
            peers[1].send(&to_own(&marked(number, 60)));
        }
        assert_eq!(collector.wait_for(100).len(), 100, "{mode}: the other queue goes on");
        let (result, _) = within("stop", || runner.stop());
        let message = "the last straw broke it".to_owned();
        assert_eq!(result, Err(RunnerError::Panicked { queue: 0, processor: 0, message }), "{mode}");
        assert!(
            result.unwrap_err().to_string().contains("dispatcher of queue 0, processor 0, panicked: the last straw")
        );
        assert_eq!(collector.events(), [LinkEvent::Detached], "{mode}: of the other queue");
        assert!(endpoint.counters().rx.is_balanced());

        // And it is as good as new.
        let collector = Collector::new();
        let runner = Runner::attach(Arc::clone(&endpoint), |_| collector.clone()).unwrap();
        peers.iter().for_each(|peer| peer.send(&to_own(b"again")));
        assert_eq!(collector.wait_for(2), [b"again", b"again"], "{mode}");
        assert_eq!(runner.stop().unwrap(), [Ended::Detached; 2], "{mode}");
        drop((endpoint, peers));
        before.assert_is_back();
    }
}

struct Fragile {
    collector: Collector,
    breaks: bool,
}

impl NetworkDispatcher for Fragile {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        assert!(!self.breaks, "the last straw broke it");
        self.collector.deliver(protocol, packet);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.collector.notify(event);
    }
}

fn second_attach_is_refused_and_the_first_goes_on() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let endpoint = Arc::clone(runner.endpoint());
        let held = Census::now();
        let second = Runner::attach(Arc::clone(&endpoint), |_| Collector::new()).err();
        assert_eq!(second, Some(RunnerError::State(StateError::AlreadyAttached)));
        assert_eq!(endpoint.attach(), Err(StateError::AlreadyAttached));
        held.assert_is_back();
        assert!(endpoint.is_attached());
        peer.send(&to_own(b"still here"));
        assert_eq!(collector.wait_for(1), [b"still here"], "{mode}");
        assert_eq!(runner.stop().unwrap(), [Ended::Detached], "{mode}");
    }
}

fn dropping_a_runner_joins_its_threads() {
    for mode in MODES {
        let before = Census::now();
        let (fd, peer) = seqpacket();
        let collector = Collector::new();
        let runner = attach(mode, fd, plain(), &collector);
        let endpoint = Arc::clone(runner.endpoint());
        peer.send(&to_own(b"one"));
        assert_eq!(collector.wait_for(1), [b"one"]);
        within("drop", move || drop(runner));
        assert_eq!(collector.events(), [LinkEvent::Detached], "{mode}: the thread had ended");
        assert_eq!(Arc::strong_count(&endpoint), 1, "{mode}");
        assert!(!endpoint.is_attached());
        drop((endpoint, peer));
        before.assert_is_back();
    }
}
