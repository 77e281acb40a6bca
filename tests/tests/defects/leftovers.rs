//! Nothing is left behind, and no more memory is taken than the frames need.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use fdlink_core::{ConfigError, LinkEndpoint as _, Options, Snapshot};
use fdlink_linux::{DispatchMode, FdOptions, Runner, SetupError, endpoint, restore};
use fdlink_tests::support::{
    Census, Collector, MODES, Trials, attach, attach_in, drain, in_mode, marked, memory, plain, seqpacket, to_own,
};
use rustix::fs::{OFlags, fcntl_getfl};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_10_no_descriptor_or_thread_is_left_after_use);
    trials.anywhere(defect_10_no_descriptor_or_thread_is_left_after_save_and_restore);
    trials.anywhere(defect_40_no_descriptor_or_thread_is_left_after_failed_construction);
    trials.anywhere(defect_40_borrowed_descriptors_are_as_they_were_after_failed_construction);
    trials.anywhere(defect_40_borrowed_descriptors_are_as_they_were_after_use);
    trials.anywhere(defect_41_receive_memory_follows_the_frame_length);
}

fn defect_10_no_descriptor_or_thread_is_left_after_use() {
    let before = Census::now();
    for mode in MODES {
        for _ in 0..50 {
            let (fd, peer) = seqpacket();
            let collector = Collector::new();
            let runner = attach(mode, fd, plain(), &collector);
            peer.send(&to_own(b"one"));
            assert_eq!(collector.wait_for(1), [b"one"]);
            runner.stop().unwrap();
        }
    }
    before.assert_is_back();
}

/// The origin keeps the processors of the saved endpoint (gv#14756).
fn defect_10_no_descriptor_or_thread_is_left_after_save_and_restore() {
    let before = Census::now();
    for mode in MODES {
        let mut snapshot: Snapshot = attach_in(mode, seqpacket().0, plain()).snapshot().unwrap();
        for _ in 0..50 {
            let (fd, peer) = seqpacket();
            let endpoint = Arc::new(restore([fd], &snapshot, &in_mode(mode)).unwrap());
            let collector = Collector::new();
            let runner = Runner::resume(Arc::clone(&endpoint), |_, _| collector.clone()).unwrap();
            peer.send(&to_own(b"one"));
            assert_eq!(collector.wait_for(1), [b"one"]);
            snapshot = endpoint.snapshot().unwrap();
            runner.stop().unwrap();
        }
    }
    before.assert_is_back();
}

fn defect_40_no_descriptor_or_thread_is_left_after_failed_construction() {
    let before = Census::now();
    for mode in MODES {
        for _ in 0..50 {
            let fds = [seqpacket().0, seqpacket().0, not_a_link()];
            let refused = endpoint(fds, plain(), &in_mode(mode)).err();
            assert!(matches!(refused, Some(SetupError::NotALink(_))), "{refused:?}");
            let refused = endpoint([seqpacket().0], Options { mtu: 0, ..plain() }, &in_mode(mode)).err();
            assert_eq!(refused, Some(SetupError::Config(ConfigError::MtuZero)));
        }
    }
    before.assert_is_back();
}

fn defect_40_borrowed_descriptors_are_as_they_were_after_failed_construction() {
    let (good, _peer) = seqpacket();
    let bad = not_a_link();
    assert!(is_blocking(&good));
    for mode in MODES {
        assert!(endpoint([&good, &bad], plain(), &in_mode(mode)).is_err());
        assert!(is_blocking(&good) && is_blocking(&bad), "{mode}: a descriptor that does not fit");
        assert!(endpoint([&good], Options { mtu: 0, ..plain() }, &in_mode(mode)).is_err());
        assert!(is_blocking(&good), "{mode}: an option that cannot work");
        let fd_options = FdOptions { batch: Some(0), ..in_mode(mode) };
        assert!(endpoint([&good], plain(), &fd_options).is_err());
        assert!(is_blocking(&good), "{mode}: a batch that cannot work");
    }
}

fn defect_40_borrowed_descriptors_are_as_they_were_after_use() {
    let (fd, _peer) = seqpacket();
    for mode in MODES {
        let attached = attach_in(mode, &fd, plain());
        assert!(!is_blocking(&fd), "{mode}: it must not block while it is used");
        drop(attached);
        assert!(is_blocking(&fd), "{mode}");
    }
    rustix::fs::fcntl_setfl(&fd, fcntl_getfl(&fd).unwrap() | OFlags::NONBLOCK).unwrap();
    drop(attach_in(DispatchMode::Readv, &fd, plain()));
    assert!(!is_blocking(&fd), "what did not block before does not block afterwards");
}

/// The origin takes 525,312 bytes for each descriptor, whatever the MTU.
fn defect_41_receive_memory_follows_the_frame_length() {
    assert!(memory_of_a_queue(1500) <= 256 << 10, "{} bytes for an MTU of 1500", memory_of_a_queue(1500));
    let (short, long) = (memory_of_a_queue(1500), memory_of_a_queue(9000));
    assert!(long > 3 * short, "{short} and {long} bytes: what is measured is not the receive memory");
}

/// On average of 64 queues, each of which received a batch.
fn memory_of_a_queue(mtu: u32) -> usize {
    let queues = 64;
    let (before, _) = memory();
    let endpoints: Vec<_> = (0..queues)
        .map(|_| {
            let (fd, peer) = seqpacket();
            let endpoint = attach_in(DispatchMode::RecvMmsg, fd, Options { mtu, ..plain() });
            (0..64).for_each(|number| peer.send(&to_own(&marked(number, 100))));
            let mut collector = Collector::new();
            assert_eq!(drain(&endpoint, &mut collector), 64);
            assert!(endpoint.counters().rx.calls <= 3, "a whole batch in one call");
            endpoint
        })
        .collect();
    let (after, _) = memory();
    drop(endpoints);
    (after - before) / queues
}

fn not_a_link() -> OwnedFd {
    let (reader, _writer) = std::io::pipe().unwrap();
    reader.into()
}

fn is_blocking(fd: impl AsFd) -> bool {
    !fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}
