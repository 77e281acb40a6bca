//! One endpoint has descriptors of one kind.

use std::os::fd::OwnedFd;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{FdOptions, SetupError, endpoint};
use fdlink_tests::support::{Cable, Census, Tap, Trials, datagram, plain, seqpacket};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(seqpacket_and_datagram_are_refused);
    trials.in_namespaces(packet_and_unix_are_refused);
    trials.with_tap(tap_and_tun_are_refused);
    trials.with_tap(tap_and_packet_are_refused);
}

fn seqpacket_and_datagram_are_refused() {
    let before = Census::now();
    assert_refused([seqpacket().0, datagram().0]);
    assert_refused([seqpacket().0, seqpacket().0, datagram().0]);
    assert_refused([datagram().0, seqpacket().0, datagram().0]);
    before.assert_is_back();
}

fn packet_and_unix_are_refused() {
    assert_refused([Cable::new().socket(), seqpacket().0]);
}

fn tap_and_tun_are_refused() {
    let tap = Tap::new();
    let tun = tap.namespace.run(|| TunTap::tun("tun0").open()).unwrap();
    assert_refused([tap.fd, tun.into()]);
}

fn tap_and_packet_are_refused() {
    assert_refused([Tap::new().fd, Cable::new().socket()]);
}

#[track_caller]
fn assert_refused<const N: usize>(fds: [OwnedFd; N]) {
    let twins = fds.iter().map(|fd| fd.try_clone().unwrap());
    let alike: Vec<_> = twins.map(|fd| [fd.try_clone().unwrap(), fd]).collect();
    let refused = endpoint(fds, plain(), &FdOptions::default()).err().unwrap();
    let SetupError::BadOption { option: "fds", reason } = refused else { panic!("{refused}") };
    assert!(reason.contains("must be of one kind"), "{reason}");
    for pair in alike {
        assert!(!endpoint(pair, plain(), &FdOptions::default()).unwrap().is_attached(), "each kind alone is fine");
    }
}
