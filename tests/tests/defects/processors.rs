//! Processors are waited for, bounded, and keep flows together, those without ports too.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use fdlink_core::{
    DropCause, Ended, EtherType, LinkEndpoint as _, LinkEvent, NetworkDispatcher, Options, RxPacket, State,
};
use fdlink_linux::{DispatchMode, FdEndpoint, Runner, endpoint};
use fdlink_tests::support::{
    Collector, FdRunner, MODES, OWN, Peer, Trials, ethernet, in_mode, marked, plain, seqpacket, to_own, until, within,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_11_waiting_waits_for_the_processors);
    trials.anywhere(defect_28_what_waits_for_a_processor_is_bounded_and_overflow_is_counted);
    trials.anywhere(defect_29_echoes_of_one_host_are_not_reordered);
    trials.anywhere(defect_30_packet_that_ends_behind_its_ip_header_reaches_a_processor);
}

/// A dispatcher that keeps what it gets. Where it is gated, it says when it has its first packet and waits.
struct Gated {
    collector: Collector,
    gate: Option<Gate>,
}

struct Gate {
    reached: SyncSender<()>,
    /// Ends when the test drops the other side.
    opened: Receiver<()>,
}

impl NetworkDispatcher for Gated {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        if let Some(Gate { reached, opened }) = self.gate.take() {
            reached.send(()).unwrap();
            opened.recv().expect_err("it opens by being dropped");
        }
        self.collector.deliver(protocol, packet);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.collector.notify(event);
    }
}

/// An endpoint with two processors. The first, where packets without a flow go, is gated.
struct Rig {
    endpoint: Arc<FdEndpoint>,
    runner: FdRunner,
    peer: Peer,
    gated: Collector,
    other: Collector,
    reached: Receiver<()>,
    open: SyncSender<()>,
}

impl Rig {
    fn new(mode: DispatchMode, processor_backlog: usize) -> Self {
        let (fd, peer) = seqpacket();
        let options = Options { processors_per_channel: 2, processor_backlog, ..plain() };
        let endpoint = Arc::new(endpoint([fd], options, &in_mode(mode)).unwrap());
        let ((has_reached, reached), (open, opened)) = (sync_channel(1), sync_channel(1));
        let (gated, other) = (Collector::new(), Collector::new());
        let mut gate = Some(Gate { reached: has_reached, opened });
        let made = |_queue, processor| match processor {
            0 => Gated { collector: gated.clone(), gate: gate.take() },
            _ => Gated { collector: other.clone(), gate: None },
        };
        let runner = Runner::attach_processors(Arc::clone(&endpoint), made).unwrap();
        Self { endpoint, runner, peer, gated, other, reached, open }
    }

    /// Sends the first frame, and the others once it has reached the gate; returns when all were received.
    fn send(&self, frames: &[Vec<u8>]) {
        self.peer.send(&to_own(&frames[0]));
        self.reached.recv().unwrap();
        frames[1..].iter().for_each(|frame| self.peer.send(&to_own(frame)));
        until("all to be received", || self.endpoint.counters().rx.received == frames.len());
    }
}

fn frames(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| marked(number, 60)).collect()
}

fn defect_11_waiting_waits_for_the_processors() {
    for mode in MODES {
        let rig = Rig::new(mode, 100);
        let frames = frames(100);
        rig.send(&frames);
        rig.endpoint.detach();
        rig.other.wait_for_event(LinkEvent::Detached);
        // The receiver is through. As long as a processor is not, the endpoint is not drained.
        for _ in 0..1000 {
            assert_eq!(rig.endpoint.state(), State::Detaching, "{mode}");
            thread::yield_now();
        }
        assert!(rig.gated.entries().is_empty());
        drop(rig.open);
        let (ends, _) = within("wait", || rig.runner.wait().unwrap());
        assert_eq!((ends, rig.endpoint.state()), (vec![Ended::Detached], State::Detached), "{mode}");
        assert_eq!(rig.gated.payloads(), frames, "{mode}: what was handed over was delivered");
        assert_eq!(rig.gated.events(), [LinkEvent::Detached], "{mode}");
    }
}

fn defect_28_what_waits_for_a_processor_is_bounded_and_overflow_is_counted() {
    for mode in MODES {
        let rig = Rig::new(mode, 10);
        let frames = frames(36);
        rig.send(&frames);
        let rx = rig.endpoint.counters().rx;
        assert_eq!((rx.delivered, rx.dropped(DropCause::BacklogFull)), (1 + 10, 25), "{mode}");
        assert!(rx.is_balanced());
        drop(rig.open);
        within("stop", || rig.runner.stop().unwrap());
        assert_eq!(rig.gated.payloads(), frames[..11], "{mode}");
        assert!(rig.other.payloads().is_empty(), "{mode}");
    }
}

/// Requests of one host, each with a checksum of its own, between those of many others.
fn defect_29_echoes_of_one_host_are_not_reordered() {
    for mode in MODES {
        let (runner, collectors, peer) = attach_four(mode, plain());
        for number in 0..500_u16 {
            let hosts = [[0, 7], number.to_be_bytes()];
            hosts.iter().for_each(|host| peer.send(&ethernet(OWN, EtherType::IPV4, &echo(*host, number))));
        }
        finish(runner, 1000);

        let of_host = |collector: &Collector| {
            let own = collector.payloads().into_iter().filter(|packet| packet[14..16] == [0, 7]);
            own.map(|packet| u16::from_be_bytes([packet[26], packet[27]])).collect::<Vec<_>>()
        };
        let homes: Vec<_> = collectors.iter().map(of_host).filter(|numbers| !numbers.is_empty()).collect();
        // Number 7 is there twice: it is of this host by both rules.
        let expected: Vec<u16> = (0..500).flat_map(|number| vec![number; if number == 7 { 2 } else { 1 }]).collect();
        assert_eq!(homes, [expected], "{mode}");
        let busy = collectors.iter().filter(|collector| !collector.packets().is_empty()).count();
        assert!(busy > 1, "{mode}: other hosts are spread");
    }
}

/// An echo request of 10.1.`host` to 10.0.0.1 (RFC 792).
fn echo([h0, h1]: [u8; 2], number: u16) -> Vec<u8> {
    let ([n0, n1], [c0, c1]) = (number.to_be_bytes(), (!number).to_be_bytes());
    let header = [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0, 0, 10, 1, h0, h1, 10, 0, 0, 1];
    [&header[..], &[8, 0, c0, c1, 0, 1, n0, n1]].concat()
}

fn defect_30_packet_that_ends_behind_its_ip_header_reaches_a_processor() {
    let (runner, collectors, peer) =
        attach_four(DispatchMode::Readv, Options { ethernet_header: false, ..Options::default() });
    let sent = (0..4).flat_map(|behind| {
        let (mut v4, mut v6) = (vec![0; 20 + behind], vec![0; 40 + behind]);
        (v4[0], v6[0]) = (0x45, 0x60);
        [v4, v6, vec![0x40], vec![0x6f; 1 + behind]]
    });
    let sent: Vec<_> = sent.collect();
    sent.iter().for_each(|packet| peer.send(packet));
    finish(runner, sent.len());
    let mut delivered = collectors.iter().flat_map(Collector::payloads).collect::<Vec<_>>();
    let mut sent = sent;
    delivered.sort();
    sent.sort();
    assert_eq!(delivered, sent);
}

fn attach_four(mode: DispatchMode, options: Options) -> (FdRunner, Vec<Collector>, Peer) {
    let (fd, peer) = seqpacket();
    let endpoint = endpoint([fd], Options { processors_per_channel: 4, ..options }, &in_mode(mode)).unwrap();
    let collectors: Vec<_> = (0..4).map(|_| Collector::new()).collect();
    let made = |_queue, processor: usize| collectors[processor].clone();
    (Runner::attach_processors(Arc::new(endpoint), made).unwrap(), collectors, peer)
}

/// Ends it once `count` frames were received.
fn finish(runner: FdRunner, count: usize) {
    until("all to be received", || runner.endpoint().counters().rx.received == count);
    within("stop", || runner.stop().unwrap());
}
