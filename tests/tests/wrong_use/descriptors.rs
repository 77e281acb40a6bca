//! Descriptors that are no link.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use fdlink_core::ConfigError;
use fdlink_linux::probe::{FdKind, probe};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, SetupError, endpoint};
use fdlink_tests::support::{ClosedFd, MODES, Tap, Trials, in_mode, plain, seqpacket};
use rustix::io::Errno;

use crate::assert_says;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(no_descriptor_at_all);
    trials.anywhere(closed_descriptor);
    trials.anywhere(regular_file);
    trials.anywhere(directory);
    trials.anywhere(pipe);
    trials.anywhere(stream_socket);
    trials.anywhere(character_device);
    trials.anywhere(one_bad_descriptor_among_good_ones);
    trials.with_tap(unconfigured_tun_descriptor);
}

fn no_descriptor_at_all() {
    let none: [OwnedFd; 0] = [];
    let refused = endpoint(none, plain(), &FdOptions::default()).err();
    assert_says(refused, SetupError::Config(ConfigError::NoQueues), &["at least one"]);
}

fn closed_descriptor() {
    let (fd, _peer) = seqpacket();
    let closed = ClosedFd::closed(&fd);
    let refused = endpoint([&closed], plain(), &FdOptions::default()).err();
    assert_says(refused, SetupError::System { call: "fstat", errno: Errno::BADF }, &["fstat", "closed"]);
}

fn regular_file() {
    refused(File::open("/proc/self/exe").unwrap(), &["regular file", "frame boundaries", "use a TUN/TAP"]);
}

fn directory() {
    refused(File::open("/").unwrap(), &["directory", "use a TUN/TAP"]);
}

fn pipe() {
    let (reader, writer) = std::io::pipe().unwrap();
    refused(reader, &["pipe", "frame boundaries", "use a TUN/TAP"]);
    refused(writer, &["pipe", "frame boundaries", "use a TUN/TAP"]);
}

fn stream_socket() {
    let (stream, _other) = UnixStream::pair().unwrap();
    refused(stream, &["stream socket", "frame boundaries", "seqpacket"]);
}

fn character_device() {
    refused(File::open("/dev/null").unwrap(), &["character device", "use a TUN/TAP"]);
}

fn one_bad_descriptor_among_good_ones() {
    let (good, bad) = (seqpacket().0, OwnedFd::from(std::io::pipe().unwrap().0));
    let refused = endpoint([good, bad], plain(), &FdOptions::default()).err();
    let expected = SetupError::NotALink(FdKind::NotALink("a pipe keeps no frame boundaries"));
    assert_says(refused, expected, &["pipe"]);
}

/// `/dev/net/tun`, opened and nothing else.
fn unconfigured_tun_descriptor() {
    let tun = File::options().read(true).write(true).open("/dev/net/tun").unwrap();
    refused(tun, &["character device", "use a TUN/TAP"]);
    let Tap { fd, .. } = Tap::new();
    assert_eq!(probe(&fd).unwrap().kind, FdKind::Tap);
}

/// In every mode, and by the probe too.
#[track_caller]
fn refused(fd: impl AsFd, words: &[&str]) {
    let kind = probe(&fd).unwrap().kind;
    assert!(matches!(kind, FdKind::NotALink(_)), "{kind:?}");
    for options in [FdOptions::default(), FdOptions { fallback: true, ..in_mode(DispatchMode::RecvMmsg) }] {
        let error = endpoint([&fd], plain(), &options).map(drop::<FdEndpoint<_>>).err();
        assert_says(error, SetupError::NotALink(kind), words);
    }
    for mode in MODES {
        let error = endpoint([&fd], plain(), &in_mode(mode)).map(drop::<FdEndpoint<_>>).err();
        assert_says(error, SetupError::NotALink(kind), words);
    }
}
