//! What another process does: this program, run again with a command, and with sockets as its standard input and output.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::sync::Arc;
use std::{env, io};

use fdlink_core::{LinkEndpoint as _, Packet};
use fdlink_linux::fanout::{FanoutGroup, FanoutMode};
use fdlink_linux::{DispatchMode, FdEndpoint, Runner, endpoint};
use fdlink_tests::support::{Collector, in_mode, plain, until};
use nix::libc;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::flows::{Mark, frame, marks};

/// Does what the command line asks for; `None` if that is to run tests.
pub(crate) fn run() -> Option<ExitCode> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [JOIN, id] => FanoutGroup::from_id(id.parse().unwrap(), FanoutMode::Hash).join(io::stdin()).unwrap(),
        [RECEIVE, mode] => receive_without_rights(MODES.into_iter().find(|m| m.to_string() == *mode).unwrap()),
        _ => return None,
    }
    Some(ExitCode::SUCCESS)
}

/// Lets another process make `socket` a member of the group, of which it knows the number only.
pub(crate) fn join(socket: OwnedFd, group: FanoutGroup) {
    let status = command(JOIN, &group.id().to_string()).stdin(socket).status().unwrap();
    assert!(status.success(), "{status}");
}

/// Lets another process, which may not set any option of a socket, receive [`ASKED`] from the two sockets and answer with [`ANSWERS`].
pub(crate) fn receive(mode: DispatchMode, [first, second]: [OwnedFd; 2], stderr: Stdio) -> ExitStatus {
    command(RECEIVE, &mode.to_string()).stdin(first).stdout(second).stderr(stderr).status().unwrap()
}

/// Whether there is a filter of system calls for this machine.
pub(crate) fn can_filter_calls() -> bool {
    TargetArch::try_from(env::consts::ARCH).is_ok()
}

fn command(name: &str, argument: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([name, argument]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn receive_without_rights(mode: DispatchMode) {
    let sockets = [io::stdin().as_fd().try_clone_to_owned(), io::stdout().as_fd().try_clone_to_owned()];
    give_up_rights();
    let endpoint = Arc::new(endpoint(sockets.map(Result::unwrap), plain(), &in_mode(mode)).unwrap());
    let collectors = [Collector::new(), Collector::new()];
    let runner = Runner::attach(Arc::clone(&endpoint), |queue| collectors[queue].clone()).unwrap();
    until("what was asked", || endpoint.counters().rx.delivered == ASKED.len());
    answer(&endpoint);
    runner.stop().unwrap();
    let received: BTreeMap<Mark, usize> = collectors.iter().flat_map(marks).map(|mark| (mark, 1)).collect();
    assert!(received.keys().copied().eq(ASKED));
}

/// No capability, and death for whoever sets an option of a socket.
fn give_up_rights() {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none }).unwrap();
    let calls = BTreeMap::from([(libc::SYS_setsockopt, Vec::new())]);
    let machine = TargetArch::try_from(env::consts::ARCH).unwrap();
    let filter = SeccompFilter::new(calls, SeccompAction::Allow, SeccompAction::KillProcess, machine).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
}

/// One frame by each socket.
fn answer(endpoint: &FdEndpoint) {
    let frames = ANSWERS.map(frame);
    let parts = frames.each_ref().map(|frame| [frame.as_slice()]);
    let mut packets = [0, 1].map(|at: usize| Packet::framed(&parts[at]).with_hash(at as u32));
    assert_eq!(endpoint.write_packets(&mut packets).unwrap().sent, ANSWERS.len());
    assert!(endpoint.queues().iter().all(|queue| queue.counters().tx.sent == 1));
}

/// One frame of each flow, so that each socket has some.
pub(crate) const ASKED: [Mark; 32] = {
    let mut asked = [(0, 0); 32];
    let mut flow = 0;
    while flow < asked.len() {
        asked[flow].0 = flow as u16;
        flow += 1;
    }
    asked
};
pub(crate) const ANSWERS: [Mark; 2] = [(1, 100), (2, 200)];

const MODES: [DispatchMode; 3] = [DispatchMode::Readv, DispatchMode::RecvMmsg, DispatchMode::PacketMmap];
const JOIN: &str = "another-process-joins";
const RECEIVE: &str = "another-process-receives";
