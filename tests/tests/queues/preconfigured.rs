//! Descriptors that a helper with rights opened and grouped work in a process without any.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};

use fdlink_linux::DispatchMode;
use fdlink_linux::fanout::FanoutMode;
use fdlink_tests::support::{Cable, MODES, Peer, Trials};
use nix::sys::signal::Signal;

use crate::fanout::{far, group};
use crate::flows::{frame, mark};
use crate::helper::{ANSWERS, ASKED, can_filter_calls, receive};

pub(crate) fn add(trials: &mut Trials) {
    if !can_filter_calls() {
        println!("SKIP preconfigured: no filter of system calls for this processor");
        return;
    }
    trials.in_namespaces(grouped_sockets_work_without_rights_and_without_setsockopt);
    trials.in_namespaces(ring_needs_setsockopt);
}

fn grouped_sockets_work_without_rights_and_without_setsockopt() {
    for mode in MODES {
        let (status, far, _cable) = run(mode, Stdio::inherit());
        assert!(status.success(), "{mode}: {status}");
        let mut answers = ANSWERS.map(|_| mark(&far.receive()[14..]));
        answers.sort_unstable();
        assert_eq!(answers, ANSWERS, "{mode}");
    }
}

/// So that the test above can fail.
fn ring_needs_setsockopt() {
    let (status, ..) = run(DispatchMode::PacketMmap, Stdio::null());
    assert_eq!(status.signal(), Some(Signal::SIGSYS as i32), "{status}");
}

/// The far end is down as soon as the cable is gone, whatever it has received.
fn run(mode: DispatchMode, stderr: Stdio) -> (ExitStatus, Peer, Cable) {
    let cable = Cable::new();
    let far = far(&cable);
    let [first, second] = group(&cable, 2, FanoutMode::Hash).try_into().unwrap();
    ASKED.iter().for_each(|mark| far.send(&frame(*mark)));
    (receive(mode, [first, second], stderr), far, cable)
}
