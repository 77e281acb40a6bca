//! Many lives one after the other.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use fdlink_core::{Ended, LinkEndpoint};
use fdlink_linux::{DispatchMode, FdOptions, Runner, SetupError, endpoint};
use fdlink_tests::support::{
    Cable, Census, Collector, MODES, PAIRS, Pair, Peer, Tap, Trials, attach, in_mode, marked, memory, plain, seqpacket,
    to_own, write,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(thousand_lives_on_sockets_leave_nothing);
    trials.anywhere(thousand_attachments_of_one_endpoint_leave_nothing);
    trials.anywhere(thousand_constructions_that_fail_half_way_leave_nothing);
    trials.in_namespaces(many_lives_on_an_interface_leave_nothing);
    trials.with_tap(many_lives_of_a_tap_leave_nothing);
}

fn thousand_lives_on_sockets_leave_nothing() {
    for mode in MODES {
        for pair in PAIRS {
            leaves_nothing(250, || live(mode, pair()));
        }
    }
}

fn many_lives_on_an_interface_leave_nothing() {
    let cable = Cable::new();
    for mode in MODES {
        leaves_nothing(20, || live(mode, cable.pair()));
    }
}

fn many_lives_of_a_tap_leave_nothing() {
    leaves_nothing(10, || {
        let Tap { fd, peer, .. } = Tap::new();
        live(DispatchMode::Readv, (fd, peer));
    });
}

fn thousand_attachments_of_one_endpoint_leave_nothing() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let endpoint = Arc::new(endpoint([fd], plain(), &in_mode(mode)).unwrap());
        leaves_nothing(500, || {
            let collector = Collector::new();
            let runner = Runner::attach(Arc::clone(&endpoint), |_| collector.clone()).unwrap();
            exchange(&*endpoint, &peer, &collector);
            assert_eq!(runner.stop().unwrap(), [Ended::Detached]);
        });
    }
}

/// Create, attach, send and receive, detach, drop.
fn live(mode: DispatchMode, (fd, peer): Pair) {
    let collector = Collector::new();
    let runner = attach(mode, fd, plain(), &collector);
    exchange(&**runner.endpoint(), &peer, &collector);
    assert_eq!(runner.stop().unwrap(), [Ended::Detached]);
}

fn exchange(endpoint: &dyn LinkEndpoint, peer: &Peer, collector: &Collector) {
    peer.send(&to_own(&marked(1, 60)));
    assert_eq!(collector.wait_for(1), [marked(1, 60)]);
    assert_eq!(write(endpoint, &[marked(2, 60)]).sent, 1);
    assert_eq!(peer.receive()[14..], marked(2, 60));
}

fn thousand_constructions_that_fail_half_way_leave_nothing() {
    for mode in MODES {
        leaves_nothing(250, || {
            let refused = endpoint([seqpacket().0, not_a_link()], plain(), &in_mode(mode)).err();
            assert!(matches!(refused, Some(SetupError::NotALink(_))), "{refused:?}");
        });
    }
    let (borrowed, _peer) = seqpacket();
    leaves_nothing(250, || {
        let bad = not_a_link();
        let fds = [borrowed.as_fd(), bad.as_fd()];
        assert!(endpoint(fds, plain(), &FdOptions::default()).is_err());
    });
    leaves_nothing(250, || {
        let options = fdlink_core::Options { rx_budget: 0, ..plain() };
        assert!(endpoint([seqpacket().0, seqpacket().0], options, &FdOptions::default()).is_err());
    });
}

fn not_a_link() -> OwnedFd {
    std::io::pipe().unwrap().0.into()
}

/// Descriptors and threads as before; memory as after a tenth of the cycles, give or take what an allocator keeps.
#[track_caller]
fn leaves_nothing(cycles: usize, mut cycle: impl FnMut()) {
    (0..cycles.div_ceil(10)).for_each(|_| cycle());
    let (before, (_, resident)) = (Census::now(), memory());
    (0..cycles).for_each(|_| cycle());
    before.assert_is_back();
    let (_, after) = memory();
    let growth = after.saturating_sub(resident);
    assert!(growth < 1 << 20, "{growth} bytes more after {cycles} cycles");
}
