//! TAP and TUN interfaces with several queues.

use std::sync::Arc;

use fdlink_core::{EtherType, LinkEndpoint as _};
use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::{Device, TunTap};
use fdlink_linux::{FdOptions, Runner, SetupError, endpoint, probe};
use fdlink_tests::lab::Namespace;
use fdlink_tests::support::{Collector, Peer, Trials, plain};
use rustix::io::Errno;

use crate::flows::{assert_each_once, assert_flows_kept, assert_spread, interleaved, marks, send_in_bursts};

pub(crate) fn add(trials: &mut Trials) {
    trials.with_tap(flows_keep_their_order_through_four_queues_with_a_thread_each);
    trials.with_tap(queue_is_of_the_same_interface);
    trials.with_tap(open_gives_a_queue_of_an_interface_that_has_several);
    trials.with_tap(interface_goes_with_its_last_queue);
    trials.with_tap(interface_of_one_queue_gives_no_other);
    trials.with_tap(queue_is_not_opened_in_another_namespace);
    trials.with_tap(queues_are_limited_by_the_kernel);
}

/// An interface that is up, with a socket of the kernel's side.
pub(crate) struct Interface {
    pub(crate) namespace: Namespace,
    pub(crate) queues: Vec<Device>,
    /// Receives and sends IPv4.
    pub(crate) peer: Peer,
}

impl Interface {
    pub(crate) fn new(kind: fn(&str) -> TunTap, queues: usize) -> Self {
        let namespace = Namespace::new().unwrap();
        let (queues, peer) = namespace.run(|| {
            let first = kind("many0").multi_queue(true).open().unwrap();
            first.up().unwrap();
            let others: Vec<_> = (1..queues).map(|_| first.queue().unwrap()).collect();
            let socket = PacketSocket::on("many0").protocol(EtherType::IPV4).open().unwrap();
            ([first].into_iter().chain(others).collect(), Peer::new(socket))
        });
        Self { namespace, queues, peer }
    }
}

fn flows_keep_their_order_through_four_queues_with_a_thread_each() {
    let Interface { queues, peer, .. } = Interface::new(TunTap::tap, 4);
    let endpoint = Arc::new(endpoint(queues, plain(), &FdOptions::default()).unwrap());
    let collectors = [(); 4].map(|()| Collector::new());
    let runner = Runner::attach(Arc::clone(&endpoint), |queue| collectors[queue].clone()).unwrap();
    let sent = interleaved(64);
    send_in_bursts(&peer, &sent, || endpoint.counters().rx.received);
    runner.stop().unwrap();
    let queues = collectors.map(|collector| marks(&collector));
    assert_each_once(&queues, &sent);
    assert_flows_kept(&queues);
    assert_spread(&queues);
    for queue in endpoint.queues() {
        assert!(queue.counters().rx.is_balanced());
    }
}

fn queue_is_of_the_same_interface() {
    for kind in [TunTap::tap, TunTap::tun] {
        let Interface { queues, .. } = Interface::new(kind, 3);
        let first = (queues[0].name(), queues[0].link_address(), probe::probe(&queues[0]).unwrap());
        assert!(first.2.kind.is_tuntap());
        for queue in &queues {
            assert_eq!((queue.name(), queue.link_address(), probe::probe(queue).unwrap()), first);
        }
        queues[2].set_mtu(1280).unwrap();
        assert_eq!(queues[1].mtu(), Ok(1280));
    }
}

fn open_gives_a_queue_of_an_interface_that_has_several() {
    let Interface { namespace, queues, .. } = Interface::new(TunTap::tap, 1);
    let again = namespace.run(|| TunTap::tap("many0").multi_queue(true).open()).unwrap();
    assert_eq!(again.link_address(), queues[0].link_address());
    for other in [TunTap::tap("many0"), TunTap::tun("many0").multi_queue(true)] {
        let refused = namespace.run(|| other.open()).unwrap_err();
        assert!(matches!(refused, SetupError::Unavailable { option: "name", .. }), "{refused}");
    }
}

fn interface_goes_with_its_last_queue() {
    let Interface { namespace, mut queues, .. } = Interface::new(TunTap::tap, 3);
    let exists = || namespace.run(|| PacketSocket::on("many0").open()).is_ok();
    while let Some(queue) = queues.pop() {
        assert!(exists());
        drop(queue);
    }
    assert!(!exists());
}

fn interface_of_one_queue_gives_no_other() {
    let refused = Namespace::new().unwrap().run(|| TunTap::tap("one0").open().unwrap().queue()).unwrap_err();
    assert!(matches!(refused, SetupError::Unavailable { option: "queue", .. }), "{refused}");
    assert!(refused.to_string().contains("multi_queue"), "{refused}");
}

/// The driver would make another interface there.
fn queue_is_not_opened_in_another_namespace() {
    let Interface { namespace, queues, .. } = Interface::new(TunTap::tap, 1);
    let other = Namespace::new().unwrap();
    let twin = other.run(|| TunTap::tap("many0").multi_queue(true).open()).unwrap();
    for place in [&other, &Namespace::new().unwrap()] {
        let refused = place.run(|| queues[0].queue()).unwrap_err();
        assert!(matches!(refused, SetupError::Unavailable { option: "queue", .. }), "{refused}");
        assert!(refused.to_string().contains("network namespace"), "{refused}");
    }
    assert_ne!(twin.link_address(), queues[0].link_address());
    assert!(namespace.run(|| queues[0].queue()).is_ok());
}

fn queues_are_limited_by_the_kernel() {
    let Interface { namespace, queues, .. } = Interface::new(TunTap::tap, 256);
    let refused = namespace.run(|| queues[0].queue()).unwrap_err();
    assert_eq!(refused, SetupError::System { call: "ioctl TUNSETIFF", errno: Errno::TOOBIG });
}
