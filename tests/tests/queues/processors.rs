//! Flows over the processors behind the queues.

use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;

use fdlink_core::{DropCause, EtherType, LinkEndpoint as _, LinkEvent, Options};
use fdlink_linux::fanout::FanoutMode;
use fdlink_linux::{DispatchMode, FdEndpoint, Runner, RunnerError, endpoint};
use fdlink_tests::support::{
    Cable, Census, Collector, FdRunner, MODES, OWN, Peer, Trials, ethernet, in_mode, marked, plain, seqpacket, to_own,
    until, within,
};

use crate::fanout::{far, group};
use crate::flows::{
    FLOWS, Mark, assert_each_once, assert_flows_kept, assert_rising, assert_spread, frame, interleaved, ipv4, marks,
    send_in_bursts,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(flows_keep_their_order_over_four_sockets_and_four_processors_under_load);
    trials.anywhere(flows_keep_their_order_where_processors_overflow);
    trials.in_namespaces(flows_keep_their_order_over_a_group_and_processors);
    trials.anywhere(fragments_of_one_datagram_meet_in_one_processor);
    trials.anywhere(every_processor_is_told_every_event_and_the_end_last);
    trials.anywhere(threads_of_processors_are_named_and_joined);
    trials.anywhere(panic_of_a_processor_is_told_and_stops_no_other);
}

/// An endpoint whose processors each have a collector.
struct Crowd {
    runner: FdRunner,
    collectors: Vec<Collector>,
}

impl Crowd {
    fn attach(fds: Vec<OwnedFd>, mode: DispatchMode, options: Options) -> Self {
        let endpoint: FdEndpoint = endpoint(fds, Options { flow_seed: Some(SEED), ..options }, &in_mode(mode)).unwrap();
        let count = endpoint.queues().len() * options.processors_per_channel;
        let collectors: Vec<_> = (0..count).map(|_| Collector::new()).collect();
        let dispatcher =
            |queue: usize, processor: usize| collectors[queue * options.processors_per_channel + processor].clone();
        let runner = Runner::attach_processors(Arc::new(endpoint), dispatcher).unwrap();
        Self { runner, collectors }
    }

    fn received(&self) -> usize {
        self.runner.endpoint().counters().rx.received
    }

    /// Ends it once `count` frames were received; what each processor got, and how many frames overflowed.
    fn finish(self, count: usize) -> (Vec<Collector>, usize) {
        until("all frames to be received", || self.received() == count);
        let endpoint = Arc::clone(self.runner.endpoint());
        within("stop", || self.runner.stop().unwrap());
        let rx = endpoint.counters().rx;
        assert!(rx.is_balanced(), "{rx:?}");
        let delivered: usize = self.collectors.iter().map(|collector| collector.packets().len()).sum();
        assert_eq!((rx.received, rx.delivered), (count, delivered));
        (self.collectors, rx.dropped(DropCause::BacklogFull))
    }
}

fn flows_keep_their_order_over_four_sockets_and_four_processors_under_load() {
    for mode in MODES {
        let options = Options { processor_backlog: 100_000, ..four() };
        let (queues, sent, overflowed) = load(mode, options);
        assert_eq!(overflowed, 0, "{mode}");
        assert_each_once(&queues, &sent);
        assert_flows_kept(&queues);
        assert_spread(&queues);
    }
}

fn flows_keep_their_order_where_processors_overflow() {
    for mode in MODES {
        let (queues, sent, overflowed) = load(mode, Options { processor_backlog: 2, ..four() });
        let delivered: usize = queues.iter().map(Vec::len).sum();
        assert_eq!(delivered + overflowed, sent.len(), "{mode}");
        queues.iter().for_each(|marks| assert_rising(marks));
    }
}

/// Four threads send 64 flows to as many sockets as fast as these take them.
fn load(mode: DispatchMode, options: Options) -> (Vec<Vec<Mark>>, Vec<Mark>, usize) {
    let (fds, peers): (Vec<_>, Vec<_>) = (0..4).map(|_| seqpacket()).unzip();
    let crowd = Crowd::attach(fds, mode, options);
    let sent = interleaved(200);
    thread::scope(|scope| {
        for (number, peer) in peers.iter().enumerate() {
            let own = sent.iter().filter(move |(flow, _)| usize::from(*flow) % 4 == number);
            scope.spawn(move || own.for_each(|mark| peer.send(&frame(*mark))));
        }
    });
    let (collectors, overflowed) = crowd.finish(sent.len());
    (collectors.iter().map(marks).collect(), sent, overflowed)
}

fn flows_keep_their_order_over_a_group_and_processors() {
    for mode in [DispatchMode::Readv, DispatchMode::RecvMmsg, DispatchMode::PacketMmap] {
        let cable = Cable::new();
        let crowd = Crowd::attach(group(&cable, 4, FanoutMode::Hash), mode, four());
        let sent = interleaved(32);
        send_in_bursts(&far(&cable), &sent, || crowd.received());
        let (collectors, overflowed) = crowd.finish(sent.len());
        let queues: Vec<_> = collectors.iter().map(marks).collect();
        assert_eq!(overflowed, 0);
        assert_each_once(&queues, &sent);
        assert_flows_kept(&queues);
        let busy = queues.iter().filter(|marks| !marks.is_empty()).count();
        assert!(busy > 4, "64 flows in {busy} of 16 processors");
    }
}

fn fragments_of_one_datagram_meet_in_one_processor() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let crowd = Crowd::attach(vec![fd], mode, four());
        for host in 0..FLOWS {
            // The first fragment has the ports: 5000 and the number of the host. What follows looks like others.
            let [n0, n1] = host.to_be_bytes();
            let first = [0x13, 0x88, n0, n1, 0, 24, 0, 0];
            let second = [n1, 0x55, 0x66, 0x77, 0, 0, 0, 0];
            for (offset, data) in [(0x2000, first), (0x2001, second), (0x0002, second)] {
                let mut packet = ipv4(host, offset, &data);
                packet[15] = host as u8;
                peer.send(&ethernet(OWN, EtherType::IPV4, &packet));
            }
        }
        let (collectors, _) = crowd.finish(3 * usize::from(FLOWS));
        for collector in &collectors {
            let offsets_of = |host| move |packet: &Vec<u8>| (packet[15] == host).then(|| packet[6..8].to_vec());
            let hosts: std::collections::BTreeSet<_> = collector.payloads().iter().map(|packet| packet[15]).collect();
            assert!(!hosts.is_empty(), "{mode}");
            for host in hosts {
                let offsets: Vec<_> = collector.payloads().iter().filter_map(offsets_of(host)).collect();
                assert_eq!(offsets, [[0x20, 0], [0x20, 1], [0, 2]], "{mode}, host {host}");
            }
        }
    }
}

fn every_processor_is_told_every_event_and_the_end_last() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let crowd = Crowd::attach(vec![fd], mode, four());
        let sent = interleaved(4);
        sent.iter().for_each(|mark| peer.send(&frame(*mark)));
        drop(peer);
        let collectors = crowd.collectors.clone();
        within("wait", || crowd.runner.wait().unwrap());
        let queues: Vec<_> = collectors.iter().map(marks).collect();
        assert_each_once(&queues, &sent);
        for collector in collectors {
            assert_eq!(collector.events(), [LinkEvent::PeerClosed], "{mode}");
            let entries = collector.entries();
            assert_eq!(entries.last(), Some(&fdlink_tests::support::Entry::Event(LinkEvent::PeerClosed)), "{mode}");
        }
    }
}

fn threads_of_processors_are_named_and_joined() {
    let before = Census::now();
    let (fds, peers): (Vec<_>, Vec<_>) = (0..2).map(|_| seqpacket()).unzip();
    let crowd = Crowd::attach(fds, DispatchMode::Readv, Options { processors_per_channel: 2, ..plain() });
    let processors = ["fdlink-proc-0-0", "fdlink-proc-0-1", "fdlink-proc-1-0", "fdlink-proc-1-1"];
    let expected = [&processors[..], &["fdlink-rx-0", "fdlink-rx-1"]].concat();
    until("the threads to have their names, and no others", || {
        let mut names = names();
        names.retain(|name| name.starts_with("fdlink-"));
        names.sort();
        names == expected
    });
    within("drop", move || drop(crowd));
    drop(peers);
    before.assert_is_back();
}

fn names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.map(|name| name.trim_end().to_owned()).collect()
}

fn panic_of_a_processor_is_told_and_stops_no_other() {
    let (fd, peer) = seqpacket();
    let options = Options { processors_per_channel: 2, processor_backlog: 4, flow_seed: Some(SEED), ..plain() };
    let endpoint: Arc<FdEndpoint> = Arc::new(endpoint([fd], options, &in_mode(DispatchMode::Readv)).unwrap());
    let collector = Collector::new();
    let (breaks, broken) = mpsc::channel();
    let mut breaks = Some(breaks);
    let made = |_queue, processor| Fragile {
        breaks: if processor == 0 { breaks.take() } else { None },
        collector: collector.clone(),
    };
    let runner = Runner::attach_processors(Arc::clone(&endpoint), made).unwrap();

    // No flow: processor 0.
    peer.send(&to_own(b"the last straw"));
    broken.recv().expect_err("dropped with the dispatcher");
    (0..10).for_each(|number| peer.send(&to_own(&marked(number, 60))));
    until("what is for it to overflow", || endpoint.counters().rx.dropped(DropCause::BacklogFull) == 6);
    let sent = interleaved(1);
    send_one_by_one(&peer, &sent, &endpoint);
    until("the other one to go on", || !collector.payloads().is_empty());
    let (result, _) = within("stop", || runner.stop());
    let message = "the last straw".to_owned();
    assert_eq!(result, Err(RunnerError::Panicked { queue: 0, processor: 0, message }));
    assert_eq!(collector.events(), [LinkEvent::Detached]);
    assert!(endpoint.counters().rx.is_balanced());
}

/// So that a small backlog suffices for a processor that lives.
fn send_one_by_one(peer: &Peer, marks: &[Mark], endpoint: &FdEndpoint) {
    let before = endpoint.counters().rx.received;
    for (number, mark) in marks.iter().enumerate() {
        peer.send(&frame(*mark));
        until("the frame to be received", || endpoint.counters().rx.received == before + number + 1);
    }
}

struct Fragile {
    breaks: Option<mpsc::Sender<()>>,
    collector: Collector,
}

impl fdlink_core::NetworkDispatcher for Fragile {
    fn deliver(&mut self, protocol: EtherType, packet: fdlink_core::RxPacket<'_>) {
        assert!(self.breaks.is_none(), "the last straw");
        self.collector.deliver(protocol, packet);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.collector.notify(event);
    }
}

fn four() -> Options {
    Options { processors_per_channel: 4, ..plain() }
}

/// Any will do, as long as no processor is without a flow.
const SEED: [u64; 2] = [1, 2];
