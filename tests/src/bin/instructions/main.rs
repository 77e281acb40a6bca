//! What is done for a frame, to be counted in instructions: `cargo xtask instructions`.
//!
//! `instructions` lists the cases and how many units each call of one handles; `instructions CASE` runs it under
//! `valgrind --tool=callgrind --toggle-collect=*::counted*`. No clock is asked: valgrind does not know how to, with rustix.

#![forbid(unsafe_code)]

mod gro;
mod gso;
mod handoff;
mod idle;
mod linux;
mod receive;
mod ring;
mod super_frame;
mod transmit;
mod wire;

use std::process::ExitCode;

/// One job that is done again and again, the work of interest in [`counted`].
struct Case {
    name: &'static str,
    /// What is counted: frames, hashes.
    unit: &'static str,
    /// How many of them one call of `job` handles.
    units: usize,
    prepare: fn() -> Job,
}

type Job = Box<dyn FnMut()>;

/// Another case is another line.
const CASES: &[Case] = &[
    Case { name: "receive", unit: "frame", units: receive::BATCH, prepare: receive::batches },
    Case { name: "receive-1", unit: "frame", units: 1, prepare: receive::single_frames },
    Case { name: "handoff", unit: "frame", units: handoff::BATCH, prepare: handoff::batches },
    Case { name: "transmit", unit: "frame", units: transmit::BATCH, prepare: transmit::batches },
    Case { name: "transmit-framed", unit: "frame", units: transmit::BATCH, prepare: transmit::framed_batches },
    Case { name: "transmit-1", unit: "frame", units: 1, prepare: transmit::single_packets },
    Case { name: "flow-hash-ipv4", unit: "hash", units: wire::HASHES, prepare: wire::flow_hash_ipv4 },
    Case { name: "flow-hash-ipv6", unit: "hash", units: wire::HASHES, prepare: wire::flow_hash_ipv6 },
    Case { name: "checksum", unit: "KiB", units: wire::KIBIBYTES, prepare: wire::checksum },
    Case { name: "gso-sum", unit: "segment", units: gso::SEGMENTS, prepare: gso::summing },
    Case { name: "gso-segment", unit: "segment", units: gso::SEGMENTS, prepare: gso::cutting },
    Case { name: "gso-transmit", unit: "segment", units: gso::SEGMENTS, prepare: gso::sending },
    Case { name: "gro-merge", unit: "frame", units: gro::BATCH, prepare: gro::merging },
    Case { name: "gro-receive", unit: "frame", units: gro::BATCH, prepare: gro::receiving },
    Case { name: "super-frame", unit: "frame", units: super_frame::BATCH, prepare: super_frame::receiving },
    Case { name: "linux-super-frame", unit: "frame", units: super_frame::BATCH, prepare: super_frame::readv },
    Case { name: "linux-readv", unit: "frame", units: linux::BATCH, prepare: linux::readv },
    Case { name: "linux-recvmmsg", unit: "frame", units: linux::BATCH, prepare: linux::recvmmsg },
    Case { name: "linux-ring-v2", unit: "frame", units: ring::BATCH, prepare: ring::slots },
    Case { name: "linux-ring-v3", unit: "frame", units: ring::BATCH, prepare: ring::blocks },
    Case { name: "linux-wake", unit: "wake", units: 1, prepare: ring::wakes },
    Case { name: "linux-sendmmsg", unit: "frame", units: linux::BATCH, prepare: linux::sendmmsg },
    Case { name: "linux-sendmmsg-1", unit: "frame", units: 1, prepare: linux::sendmmsg_of_one },
];

fn main() -> ExitCode {
    match std::env::args().nth(1) {
        None => list(),
        Some(name) => match CASES.iter().find(|case| case.name == name) {
            Some(case) => run(case),
            None => {
                eprintln!("instructions: {name}: no such case");
                return ExitCode::FAILURE;
            }
        },
    }
    ExitCode::SUCCESS
}

fn list() {
    for Case { name, unit, units, .. } in CASES {
        println!("{name} {unit} {}", units * CALLS);
    }
}

fn run(case: &Case) {
    let mut job = (case.prepare)();
    for _ in 0..CALLS {
        job();
    }
}

/// The tool counts what happens in here.
#[inline(never)]
fn counted<R>(work: impl FnOnce() -> R) -> R {
    work()
}

const CALLS: usize = 100;
