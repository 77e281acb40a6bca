//! Every way to receive from an interface delivers the same frames: `read`, `recvmmsg`, the three rings, a fanout group.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "modes/receiver.rs"]
mod receiver;
#[path = "modes/traffic.rs"]
mod traffic;

use std::collections::BTreeMap;
use std::process::ExitCode;

use fdlink_core::io::VlanTag;
use fdlink_linux::packet::PacketSocket;
use fdlink_tests::lab::link;
use fdlink_tests::support::{Cable, Peer, Trials, until};

use receiver::{Mode, Receiver};
use traffic::{Dice, Fate, Frame, LONGEST_PACKET, burst};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.in_namespaces(every_mode_delivers_and_drops_the_same);
    trials.in_namespaces(ring_of_the_origin_delivers_and_drops_the_same);
    trials.conclude()
}

fn every_mode_delivers_and_drops_the_same() {
    for seed in SEEDS {
        compare(&Mode::ALL, seed, FRAMES, 64);
    }
}

/// Its 32 slots hold no more than a short burst.
fn ring_of_the_origin_delivers_and_drops_the_same() {
    compare(&[Mode::Recvmmsg, Mode::RingOfTheOrigin], 5, 500, 16);
}

/// All modes receive the same frames at the same time.
fn compare(modes: &[Mode], seed: u64, frames: usize, longest_burst: usize) {
    let cable = jumbo_cable();
    let far = Peer::new(cable.far.run(|| PacketSocket::on("far").protocol(NONE).open()).unwrap());
    let receivers: Vec<_> = modes.iter().map(|mode| Receiver::start(*mode, &cable)).collect();
    let sent = send(&far, &mut Dice::new(seed), frames, longest_burst, &receivers);
    for receiver in receivers {
        receiver.check(seed, &sent, &expected(&sent));
    }
}

/// Frames far above the frame limit of the endpoints pass.
fn jumbo_cable() -> Cable {
    let cable = Cable::new();
    for (namespace, name) in [(&cable.near, "near"), (&cable.far, "far")] {
        namespace.run(|| link::set_mtu(name, LONGEST_PACKET as u32)).unwrap();
    }
    cable
}

/// Each burst is received by all before the next one, so that none overruns a queue.
fn send(far: &Peer, dice: &mut Dice, count: usize, longest_burst: usize, receivers: &[Receiver]) -> Vec<Frame> {
    let mut sent = Vec::new();
    while sent.len() < count {
        let burst = burst(dice, longest_burst, sent.len() as u32);
        burst.iter().for_each(|frame| far.send(&frame.wire));
        sent.extend(burst);
        until("every mode to receive the burst", || receivers.iter().all(|receiver| receiver.received() >= sent.len()));
    }
    sent
}

/// What is delivered, by source address, in the order in which it was sent; with the tag that was taken out.
type Delivered = BTreeMap<[u8; 6], Vec<(Vec<u8>, Option<VlanTag>)>>;

fn expected(sent: &[Frame]) -> Delivered {
    let mut delivered = Delivered::new();
    for frame in sent.iter().filter(|frame| frame.fate() == Fate::Delivered) {
        let untagged = frame.untagged();
        delivered.entry(untagged[6..12].try_into().unwrap()).or_default().push((untagged, frame.tag));
    }
    delivered
}

const SEEDS: [u64; 4] = [1, 2, 3, 0xfd11_4b00];
const FRAMES: usize = 2000;
/// A socket to send with: it takes the protocol from each frame.
const NONE: fdlink_core::EtherType = fdlink_core::EtherType(0);
