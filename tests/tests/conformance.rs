//! The conformance suite on every kind of channel: one trial for each rule and kind, `kind::mode::rule`.
//!
//! Trials that need what this machine lacks are ignored, and standard output says why: `SKIP <kind>: <reason>`.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fdlink_linux::DispatchMode::{Readv, RecvMmsg};
use fdlink_linux::{RingOptions, RingVersion};
use fdlink_tests::conformance::{Bench, MockBench, PacketBench, SimBench, TunTapBench, UnixBench, Wrapped, rules};
use fdlink_tests::lab;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let network = lab::enter().map(drop).map_err(|error| error.to_string());
    let tun = network.clone().and_then(|()| lab::tun_available());
    let simulated = SimBench::ALL.map(|(name, bench)| mount(name, bench, &Ok(())));
    let real = [
        mount("mock", MockBench, &Ok(())),
        mount("seqpacket::readv", UnixBench { seqpacket: true, mode: Readv }, &Ok(())),
        mount("seqpacket::recvmmsg", UnixBench { seqpacket: true, mode: RecvMmsg }, &Ok(())),
        mount("dgram::readv", UnixBench { seqpacket: false, mode: Readv }, &Ok(())),
        mount("dgram::recvmmsg", UnixBench { seqpacket: false, mode: RecvMmsg }, &Ok(())),
        mount("tap::readv", TunTapBench { tap: true }, &tun),
        mount("tun::readv", TunTapBench { tap: false }, &tun),
        mount("packet::readv", PacketBench::socket(Readv), &network),
        mount("packet::recvmmsg", PacketBench::socket(RecvMmsg), &network),
        mount("packet::ring_v1", PacketBench::ring(RingVersion::V1), &network),
        mount("packet::ring_v2", PacketBench::ring(RingVersion::V2), &network),
        mount("packet::ring_v3", PacketBench::ring(RingOptions::V3.version), &network),
    ];
    let wrapped = [
        mount("wrapped::mock", Wrapped(MockBench), &Ok(())),
        mount("wrapped::seqpacket", Wrapped(UnixBench { seqpacket: true, mode: RecvMmsg }), &Ok(())),
        mount("wrapped::dgram", Wrapped(UnixBench { seqpacket: false, mode: Readv }), &Ok(())),
        mount("wrapped::tap", Wrapped(TunTapBench { tap: true }), &tun),
        mount("wrapped::packet", Wrapped(PacketBench::socket(RecvMmsg)), &network),
        mount("wrapped::ring_v3", Wrapped(PacketBench::ring(RingOptions::V3.version)), &network),
    ];
    let trials: Vec<_> = simulated.into_iter().chain(real).chain(wrapped).collect();
    if !arguments.list {
        trials.iter().filter_map(|kind| kind.skipped.as_ref()).for_each(|line| println!("{line}"));
    }
    libtest_mimic::run(&arguments, trials.into_iter().flat_map(|kind| kind.trials).collect()).exit_code()
}

/// The trials of one kind, and the line that says why they are ignored.
struct Mounted {
    trials: Vec<Trial>,
    skipped: Option<String>,
}

/// One trial for each rule that says something about this kind.
fn mount<B: Bench>(kind: &str, bench: B, available: &Result<(), String>) -> Mounted {
    let bench = Arc::new(bench);
    let trial = |(name, check): (&str, fn(&B))| {
        let bench = Arc::clone(&bench);
        let run = move || watched(move || check(&bench));
        Trial::test(format!("{kind}::{name}"), run).with_ignored_flag(available.is_err())
    };
    let trials = rules(&*bench).into_iter().map(|rule| (rule.name, rule.check)).map(trial).collect();
    let skipped = available.as_ref().err().map(|reason| format!("SKIP {kind}: {reason}"));
    Mounted { trials, skipped }
}

/// Runs a check on a thread of its own, so that one that hangs fails instead of hanging the others.
fn watched(check: impl FnOnce() + Send + 'static) -> Result<(), Failed> {
    let (alive, ended) = mpsc::channel::<()>();
    let running = thread::spawn(move || {
        let _alive = alive;
        check();
    });
    match ended.recv_timeout(PATIENCE) {
        Err(RecvTimeoutError::Timeout) => Err(format!("hangs: no end after {PATIENCE:?}").into()),
        Ok(()) | Err(RecvTimeoutError::Disconnected) => running.join().map_err(|panic| words(&*panic).into()),
    }
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("panicked without words").to_owned()
}

const PATIENCE: Duration = Duration::from_secs(60);
