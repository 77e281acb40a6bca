//! The same script on a simulated descriptor and on the kernel's: an endpoint reports the same.
//!
//! Scripts are drawn from a seed. Frames that the kernel sends by itself are left out by their cookie.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::time::Duration;

use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{
    DropCause, Endpoint, EtherType, LinkEndpoint as _, LinkEvent, NetworkDispatcher, Options, Packet, Queue, Receiver,
    RxPacket,
};
use fdlink_linux::DispatchMode::RecvMmsg;
use fdlink_linux::{RingOptions, RingVersion};
use fdlink_mock::rng::Rng;
use fdlink_tests::conformance::{
    Bench, FarEnd as _, Frames, PacketBench, Shape, SimBench, Traits, TunTapBench, UnixBench,
};
use fdlink_tests::lab;
use fdlink_tests::support::until;
use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let network = lab::enter().map(drop).map_err(|error| error.to_string());
    let tun = network.clone().and_then(|()| lab::tun_available());
    let unix = |seqpacket| UnixBench { seqpacket, mode: RecvMmsg };
    let trials = vec![
        compare("seqpacket", unix(true), &Ok(())),
        compare("dgram", unix(false), &Ok(())),
        compare("tap", TunTapBench { tap: true }, &tun),
        compare("tun", TunTapBench { tap: false }, &tun),
        compare("packet", PacketBench::socket(RecvMmsg), &network),
        compare("ring_v2", PacketBench::ring(RingVersion::V2), &network),
        compare("ring_v3", PacketBench::ring(RingOptions::V3.version), &network),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// A trial for the simulated kind of this name and the real one.
fn compare<B: Bench>(name: &'static str, real: B, available: &Result<(), String>) -> Trial {
    if let Err(reason) = available {
        println!("SKIP {name}: {reason}");
    }
    let sim = SimBench::ALL
        .into_iter()
        .find(|(sim, _)| sim.strip_prefix("sim::") == Some(name))
        .expect("there is one of this name")
        .1;
    let run = move || {
        for seed in 0..SEEDS {
            let script = script(seed, &sim.traits());
            let (simulated, seen) = (play(&sim, &script), play(&real, &script));
            for (step, (simulated, seen)) in script.iter().zip(simulated.iter().zip(&seen)) {
                if simulated != seen {
                    return Err(
                        format!("seed {seed}, {step:?}:\nsimulated {simulated}\nreal      {seen}\n{script:?}").into()
                    );
                }
            }
        }
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(available.is_err())
}

#[derive(Debug, Clone)]
enum Step {
    /// The far end sends frames of these lengths, and the endpoint takes them.
    Receive(Vec<usize>),
    /// The endpoint writes frames of these lengths, and the far end takes what comes.
    Write(Vec<usize>),
    Interface(bool),
    /// The far end closes, or the interface is deleted.
    End,
}

fn script(seed: u64, traits: &Traits) -> Vec<Step> {
    let mut rng = Rng::new(seed);
    let mut steps = Vec::new();
    for _ in 0..rng.within(3, 12) {
        match rng.below(8) {
            0..=2 => steps.push(Step::Receive(lengths(&mut rng, traits, false))),
            3..=5 => steps.push(Step::Write(lengths(&mut rng, traits, true))),
            6 if traits.interface => {
                let refused = Step::Write(lengths(&mut rng, traits, false));
                // Ends with a frame, without which an endpoint does not know that the link is up.
                steps.extend([Step::Interface(false), refused, Step::Interface(true), Step::Receive(vec![100])]);
            }
            _ => steps.push(Step::Receive(Vec::new())),
        }
    }
    steps.extend([Step::End, Step::Write(vec![100, 100])]);
    steps
}

/// Up to a dozen, some of them next to a limit.
fn lengths(rng: &mut Rng, traits: &Traits, unfit: bool) -> Vec<usize> {
    let shortest = if traits.shape == Shape::Any { HEADER_LEN } else { traits.shape.shortest() };
    let mut length = || match rng.below(8) {
        0 => shortest,
        1 => RECEIVE_LEN - 1 + rng.below(3),
        2 => traits.longest.min(LONGEST),
        3 if unfit => traits.too_long.filter(|len| *len <= LONGEST + 100).unwrap_or(shortest),
        4 if traits.zero_length && !unfit => 0,
        _ => rng.within(shortest, RECEIVE_LEN),
    };
    let count = length() % 12;
    (0..count).map(|_| length()).collect()
}

/// What the endpoint reports at each step.
fn play<B: Bench>(bench: &B, script: &[Step]) -> Vec<String> {
    let traits = bench.traits();
    let (io, far) = bench.open(RECEIVE_LEN);
    let shape = if traits.shape == Shape::Any { Shape::Ethernet } else { traits.shape };
    let header_len = if shape == Shape::Ethernet { HEADER_LEN } else { 0 };
    let options = Options {
        ethernet_header: shape == Shape::Ethernet,
        promiscuous: true,
        mtu: (RECEIVE_LEN - header_len) as u32,
        ..Options::default()
    };
    let endpoint = Endpoint::new([Queue::new(io)], options).unwrap();
    endpoint.attach().unwrap();
    let receiver = endpoint.receiver(0).unwrap();
    let ear = Ear { frames: Frames::new(shape), told: Vec::new(), count: 0 };
    let mut stage =
        Stage::<B> { endpoint: &endpoint, receiver, ear, far: Some(far), made: 0, has_interface: traits.interface };
    script.iter().map(|step| stage.play(step)).collect()
}

/// An endpoint in the middle of a script.
struct Stage<'e, B: Bench> {
    endpoint: &'e Endpoint<B::Io>,
    receiver: Receiver<'e, B::Io>,
    ear: Ear,
    far: Option<B::Far>,
    made: usize,
    has_interface: bool,
}

impl<B: Bench> Stage<'_, B> {
    fn play(&mut self, step: &Step) -> String {
        match step {
            Step::Receive(lens) => {
                let frames = self.make(lens);
                let far = self.far.as_mut().expect("the end comes last");
                frames.iter().for_each(|frame| far.send(frame));
                self.take(frames.len());
            }
            Step::Write(lens) => return self.write(lens),
            Step::Interface(up) => {
                self.far.as_mut().expect("the end comes last").set_interface(*up);
                self.take(0);
            }
            Step::End => return self.end(),
        }
        let drops = self.endpoint.counters().rx.dropped(DropCause::Truncated);
        format!("{:?}, {drops} cut so far", std::mem::take(&mut self.ear.told))
    }

    fn make(&mut self, lens: &[usize]) -> Vec<Vec<u8>> {
        let first = self.made;
        self.made += lens.len();
        let frame =
            |(at, len): (usize, &usize)| if *len == 0 { Vec::new() } else { self.ear.frames.make(first + at, *len) };
        lens.iter().enumerate().map(frame).collect()
    }

    /// Polls until so many frames of ours were delivered or dropped, and a little longer.
    fn take(&mut self, count: usize) {
        let dropped = |endpoint: &Endpoint<B::Io>| {
            let rx = endpoint.counters().rx;
            rx.dropped(DropCause::Truncated) + rx.dropped(DropCause::Runt)
        };
        let before = self.ear.count + dropped(self.endpoint);
        until("frames", || {
            let _ = self.receiver.poll(&mut self.ear);
            self.ear.count + dropped(self.endpoint) >= before + count
        });
        for _ in 0..3 {
            // The loss of a link wakes; a ring does not ask for it at every poll.
            let _ = self.receiver.wait(Some(Duration::ZERO), &mut self.ear);
            let _ = self.receiver.poll(&mut self.ear);
        }
    }

    /// What became of each packet, and what arrived.
    fn write(&mut self, lens: &[usize]) -> String {
        let frames = self.make(lens);
        let parts: Vec<[&[u8]; 1]> = frames.iter().map(|frame| [frame.as_slice()]).collect();
        let mut packets: Vec<_> = parts.iter().map(|parts| Packet::framed(parts)).collect();
        let written = self.endpoint.write_packets(&mut packets);
        let sent = written.map_or(0, |written| written.sent);
        let mut arrived = Vec::new();
        if let Some(far) = &mut self.far {
            until("frames at the far end", || {
                arrived.extend(far.receive().filter(|frame| self.ear.frames.are_mine(frame)).map(|frame| frame.len()));
                arrived.len() >= sent
            });
        }
        let statuses: Vec<_> = packets.iter().map(Packet::status).collect();
        format!("{written:?} {statuses:?} {arrived:?}")
    }

    fn end(&mut self) -> String {
        let mut far = self.far.take().expect("the end comes once");
        if self.has_interface {
            far.delete_interface();
            until("the end", || self.receiver.poll(&mut self.ear).is_err());
        } else {
            far.close();
            self.take(0);
        }
        // A packet socket may tell that its link went down before it is gone.
        self.ear.told.retain(|told| !self.has_interface || !told.contains("Down"));
        format!("{:?}", std::mem::take(&mut self.ear.told))
    }
}

/// Keeps what it is told, without the frames of the kernel and without what differs from one maker of frames to the next.
struct Ear {
    frames: Frames,
    told: Vec<String>,
    count: usize,
}

impl NetworkDispatcher for Ear {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        if self.frames.are_mine(packet.frame()) {
            self.count += 1;
            let tail = packet.frame().get(20..).unwrap_or_default();
            self.told.push(format!("{protocol:?} {} of {} {tail:02x?}", packet.frame().len(), packet.meta().len));
        }
    }

    /// A link is up with the first frame, which may be one of the kernel's own.
    fn notify(&mut self, event: LinkEvent) {
        if event != LinkEvent::Up {
            self.told.push(format!("{event:?}"));
        }
    }
}

const SEEDS: u64 = 10;
const RECEIVE_LEN: usize = 600;
/// A frame of an Ethernet with the usual MTU.
const LONGEST: usize = 1514;
