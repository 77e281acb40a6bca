//! Signals and stops.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fdlink_core::{Ended, EtherType, LinkEndpoint as _, LinkEvent, NetworkDispatcher, RxPacket};
use fdlink_linux::{DispatchMode, FdOptions, Runner, endpoint};
use fdlink_tests::support::{
    Census, Collector, Flood, MODES, Storm, Trials, attach, attach_in, in_mode, marked, plain, seqpacket, to_own,
    until, within,
};
use nix::sys::pthread::{Pthread, pthread_self};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_07_storm_of_signals_neither_ends_receiving_nor_loses_a_frame);
    trials.anywhere(defect_08_stop_under_a_flood_takes_less_than_50_ms);
    trials.anywhere(defect_08_detach_under_a_flood_is_seen_within_one_batch);
    trials.anywhere(defect_11_stop_returns_when_every_thread_has_ended);
    trials.anywhere(defect_11_wait_returns_when_every_receiver_is_back);
}

/// The receiver blocks before each frame, in a poll(2) that signals interrupt. That `EINTR` from `read` and `recvmmsg` themselves is repeated
/// as well cannot be shown here: a call that does not block is not interrupted on Linux.
fn defect_07_storm_of_signals_neither_ends_receiving_nor_loses_a_frame() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let (collector, thread) = (Collector::new(), Arc::new(Mutex::new(None)));
        let runner = attach(mode, fd, plain(), &Naming { collector: collector.clone(), thread: Arc::clone(&thread) });
        peer.send(&to_own(&marked(0, 60)));
        assert_eq!(collector.wait_for(1).len(), 1);

        let storm = Storm::over(thread.lock().unwrap().unwrap());
        let mut sent = 1;
        while sent < 2000 || storm.signals() < 2000 {
            peer.send(&to_own(&marked(sent, 60)));
            sent += 1;
            assert_eq!(collector.wait_for(sent as usize).len(), sent as usize, "{mode}");
            assert!(sent < 100_000, "{} signals only", storm.signals());
        }
        drop(storm);
        assert_eq!(collector.payloads(), (0..sent).map(|number| marked(number, 60)).collect::<Vec<_>>(), "{mode}");
        assert_eq!(runner.stop().unwrap(), [Ended::Detached], "{mode}");
    }
}

/// Says which thread it runs on.
#[derive(Clone)]
struct Naming {
    collector: Collector,
    thread: Arc<Mutex<Option<Pthread>>>,
}

impl NetworkDispatcher for Naming {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        self.thread.lock().unwrap().get_or_insert_with(pthread_self);
        self.collector.deliver(protocol, packet);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.collector.notify(event);
    }
}

fn defect_08_stop_under_a_flood_takes_less_than_50_ms() {
    for mode in MODES {
        let mut times: Vec<_> = (0..9).map(|_| time_to_stop(mode)).collect();
        times.sort_unstable();
        // The median, so that a machine which does something else for a moment does not decide.
        assert!(times[times.len() / 2] < Duration::from_millis(50), "{mode}: {times:?}");
    }
}

fn time_to_stop(mode: DispatchMode) -> Duration {
    let (fd, peer) = seqpacket();
    let runner = attach(mode, fd, plain(), &Counting);
    let flood = Flood::start(peer, to_own(&marked(0, 60)));
    until("the flood to arrive", || runner.endpoint().counters().rx.delivered > 1000);
    let (ends, time) = within("stop under a flood", || runner.stop().unwrap());
    assert_eq!(ends, [Ended::Detached], "{mode}");
    drop(flood);
    time
}

fn defect_08_detach_under_a_flood_is_seen_within_one_batch() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let options = fdlink_core::Options { rx_budget: 16, ..plain() };
        let runner = attach(mode, fd, options, &Counting);
        let endpoint = Arc::clone(runner.endpoint());
        let flood = Flood::start(peer, to_own(&marked(0, 60)));
        until("the flood to arrive", || endpoint.counters().rx.delivered > 1000);
        endpoint.detach();
        // Whole batches are counted: what this misses is at most the batch that was under way.
        let at_detach = endpoint.counters().rx.delivered;
        within("the end", || runner.wait().unwrap());
        let after = endpoint.counters().rx.delivered - at_detach;
        assert!(after <= options.rx_budget, "{mode}: {after} frames after the detach");
        drop(flood);
    }
}

/// Costs nothing, so that the flood never ends for it.
#[derive(Clone, Copy)]
struct Counting;

impl NetworkDispatcher for Counting {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {}
}

fn defect_11_stop_returns_when_every_thread_has_ended() {
    let before = Census::now();
    let pairs = [seqpacket(), seqpacket(), seqpacket()];
    let (fds, peers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let alive = Arc::new(());
    let endpoint = Arc::new(endpoint(fds, plain(), &FdOptions::default()).unwrap());
    let runner = Runner::attach(Arc::clone(&endpoint), |_| Living { _alive: Arc::clone(&alive) }).unwrap();
    assert_eq!(Arc::strong_count(&alive), 4, "one dispatcher for each queue");
    peers.iter().for_each(|peer| peer.send(&to_own(b"one")));
    until("delivery on every queue", || endpoint.counters().rx.delivered == 3);

    assert_eq!(runner.stop().unwrap(), [Ended::Detached; 3]);
    assert_eq!(Arc::strong_count(&alive), 1, "every dispatcher was dropped when stop returned");
    assert_eq!(Arc::strong_count(&endpoint), 1, "no thread holds the endpoint when stop returned");
    drop((endpoint, peers));
    before.assert_is_back();
}

struct Living {
    _alive: Arc<()>,
}

impl NetworkDispatcher for Living {
    fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {}
}

fn defect_11_wait_returns_when_every_receiver_is_back() {
    let (fds, _peers): (Vec<_>, Vec<_>) = [seqpacket(), seqpacket()].into_iter().unzip();
    let endpoint = endpoint(fds, plain(), &in_mode(DispatchMode::Readv)).unwrap();
    endpoint.attach().unwrap();
    let mut receivers = vec![endpoint.receiver(0).unwrap(), endpoint.receiver(1).unwrap()];
    endpoint.detach();
    let mut relaxed = 0;
    endpoint.wait(&mut || {
        relaxed += 1;
        receivers.pop();
    });
    assert_eq!(relaxed, 2);
    assert!(receivers.is_empty());
    endpoint.attach().unwrap();
    let _ = attach_in(DispatchMode::RecvMmsg, seqpacket().0, plain());
}
