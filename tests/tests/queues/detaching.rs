//! Queues of a TAP interface that are detached and attached.

use std::sync::Arc;
use std::thread;

use fdlink_core::{Ended, EtherType, LinkEndpoint as _, LinkEvent, Packet};
use fdlink_linux::tuntap::{Device, TunTap};
use fdlink_linux::{FdOptions, Runner, SetupError, endpoint};
use fdlink_tests::support::{Collector, PEER, Peer, Trials, plain};
use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::driven::Driven;
use crate::flows::{
    FLOWS, Mark, assert_each_once, assert_flows_kept, assert_spread, interleaved, packet, send_in_bursts,
};
use crate::interface::Interface;

pub(crate) fn add(trials: &mut Trials) {
    trials.with_tap(detached_queue_gets_nothing_until_it_is_attached_again);
    trials.with_tap(detached_queue_sends_all_the_same);
    trials.with_tap(queue_is_detached_and_attached_under_a_running_endpoint);
    trials.with_tap(process_without_rights_may_detach_and_attach);
    trials.with_tap(what_changes_nothing_is_refused);
}

fn detached_queue_gets_nothing_until_it_is_attached_again() {
    let Interface { queues, peer, .. } = Interface::new(TunTap::tap, 2);
    let [first, second] = [&queues[0], &queues[1]];
    for _ in 0..3 {
        assert_spread(&received([first, second], &peer));
        second.detach_queue().unwrap();
        // All flows, by the other queue.
        received([first], &peer);
        second.attach_queue().unwrap();
    }
    assert_spread(&received([first, second], &peer));
    first.detach_queue().unwrap();
    received([second], &peer);
}

/// What each of `queues` gets of two frames of every flow, which all come.
fn received<const N: usize>(queues: [&Device; N], peer: &Peer) -> Vec<Vec<Mark>> {
    let sent = interleaved(2);
    let received = Driven::new(queues).receive(peer, &sent);
    assert_each_once(&received, &sent);
    assert_flows_kept(&received);
    received
}

/// It can still be sent by, and asked what it is.
fn detached_queue_sends_all_the_same() {
    let Interface { namespace, queues, peer } = Interface::new(TunTap::tap, 2);
    let detached = &queues[1];
    let driven = Driven::new([detached]);
    detached.detach_queue().unwrap();
    let payload = packet((7, 0));
    let parts: [&[u8]; 1] = [&payload];
    let written = driven.endpoint.write_packets(&mut [Packet::new(EtherType::IPV4, &parts).to(PEER)]).unwrap();
    assert_eq!(written.sent, 1);
    assert_eq!(peer.receive()[14..], payload);
    assert_eq!(detached.link_address(), queues[0].link_address());
    assert!(namespace.run(|| detached.queue()).is_ok());
}

fn queue_is_detached_and_attached_under_a_running_endpoint() {
    let Interface { queues, peer, .. } = Interface::new(TunTap::tap, 2);
    let queues: Vec<_> = queues.into_iter().map(Arc::new).collect();
    let endpoint = Arc::new(endpoint(queues.clone(), plain(), &FdOptions::default()).unwrap());
    let collectors = [Collector::new(), Collector::new()];
    let runner = Runner::attach(Arc::clone(&endpoint), |queue| collectors[queue].clone()).unwrap();
    let counts = || [0, 1].map(|queue: usize| endpoint.queues()[queue].counters().rx.received);
    let exchange = || {
        let before = counts();
        let sent = interleaved(1);
        send_in_bursts(&peer, &sent, || counts().iter().sum::<usize>() - before.iter().sum::<usize>());
        let after = counts();
        [after[0] - before[0], after[1] - before[1]]
    };
    for _ in 0..5 {
        assert!(exchange().iter().all(|count| *count > 0));
        queues[1].detach_queue().unwrap();
        assert_eq!(exchange(), [usize::from(FLOWS), 0]);
        queues[1].attach_queue().unwrap();
    }
    assert_eq!(runner.stop().unwrap(), [Ended::Detached; 2]);
    assert!(collectors.iter().all(|collector| collector.events() == [LinkEvent::Detached]));
}

fn process_without_rights_may_detach_and_attach() {
    let Interface { queues, .. } = Interface::new(TunTap::tap, 2);
    let alone = || {
        let none = CapabilitySet::empty();
        set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
        let no_rights = SetupError::System { call: "ioctl SIOCSIFMTU", errno: Errno::PERM };
        assert_eq!(queues[1].set_mtu(1400), Err(no_rights), "the thread has given up its rights");
        queues[1].detach_queue().and_then(|()| queues[1].attach_queue())
    };
    // Capabilities belong to the thread.
    assert_eq!(thread::scope(|scope| scope.spawn(alone).join()).unwrap(), Ok(()));
}

fn what_changes_nothing_is_refused() {
    let invalid = Err(SetupError::System { call: "ioctl TUNSETQUEUE", errno: Errno::INVAL });
    let Interface { namespace, queues, .. } = Interface::new(TunTap::tap, 2);
    assert_eq!(queues[1].attach_queue(), invalid);
    queues[1].detach_queue().unwrap();
    assert_eq!(queues[1].detach_queue(), invalid);
    let single = namespace.run(|| TunTap::tap("one0").open()).unwrap();
    assert_eq!((single.detach_queue(), single.attach_queue()), (invalid, invalid));
}
