//! What is sent arrives once and in order, or its packet says why not: whatever errors come at whatever position.

use fdlink_core::io::ErrorKind;
use fdlink_core::{
    Endpoint, LinkEndpoint as _, Options, Packet, Queue, Refusal, RefusalCause, TxPolicy, TxStatus, Written,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::Rates;
use fdlink_mock::network::Wire;
use fdlink_mock::rng::Rng;

use super::books::{check_policy, check_sent};
use super::peers::Peer;
use super::world::{World, check_words};
use crate::random::{Dice, Draft};
use crate::support::OWN;

/// The wire is good, so that every frame that leaves arrives.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 30, 200, 500]).unwrap_or(0);
    Rates {
        refuse: rng.within(0, most) as u16,
        fatal: rng.pick(&[0, 0, 5]).unwrap_or(0),
        interrupt: 20,
        wake: 100,
        ..Rates::NONE
    }
}

type Sender = Endpoint<Descriptor, Vec<Queue<Descriptor>>>;

pub(super) fn play(world: &mut World) {
    let kind = world.kinds()[0];
    let options = options(world, kind);
    let (sender, mut peers) = open(world, kind, options);
    sender.attach().expect("detached");
    let mut dice = Dice::new(world.rng.number());
    for _ in 0..dice.within(1..=6) {
        let drafts: Vec<_> = (0..dice.within(0..=100)).map(|_| Draft::new(&mut dice, &options)).collect();
        let before = sender.counters();
        if write(world, &sender, &mut peers, &drafts, &options) == Outcome::Ended {
            return;
        }
        let waits = (sender.counters() - before).tx.waits;
        assert!(matches!(options.tx_policy, TxPolicy::Wait { .. }) || waits == 0, "{waits} waits without leave");
    }
}

fn options(world: &mut World, kind: Kind) -> Options {
    let options = world.options(kind);
    let address = if options.ethernet_header { OWN } else { fdlink_core::LinkAddress::ZERO };
    Options { address, mtu: world.rng.within(68, 1500) as u32, ..options }
}

/// Unix sockets get little room, so that they are full at times. The other ends have room for everything.
fn open(world: &mut World, kind: Kind, options: Options) -> (Sender, Vec<Peer>) {
    let mut ports = Vec::new();
    for _ in 0..world.rng.within(1, 4) {
        let descriptor = DescriptorOptions {
            send_buffer: world.rng.pick(&[10_000, 212_992]).unwrap_or(10_000),
            frames_per_send: world.rng.within(1, 64),
            ..DescriptorOptions::default()
        };
        let wire = Wire { queue_frames: usize::MAX, ..Wire::default() };
        ports.push(world.cable(wire, [kind, kind.without_ring()], descriptor));
    }
    let (near, far): (Vec<_>, Vec<_>) =
        ports.into_iter().map(|[near, far]| (Queue::new(near), Peer::new(&world.network, far, Rates::NONE))).unzip();
    let sender = Endpoint::new(near, options).expect("the options are good");
    (sender, far)
}

#[derive(PartialEq, Eq)]
enum Outcome {
    Done,
    /// Every queue has met its end.
    Ended,
}

/// Hands the packets in until none is pending, while the other ends take some frames now and then.
fn write(world: &mut World, sender: &Sender, peers: &mut [Peer], drafts: &[Draft], options: &Options) -> Outcome {
    let parts: Vec<_> = drafts.iter().map(Draft::parts).collect();
    let mut packets: Vec<_> = drafts.iter().zip(&parts).map(|(draft, parts)| draft.packet(parts)).collect();
    let mut arrived = vec![Vec::new(); peers.len()];
    let mut outcome = Outcome::Done;
    for turn in 0.. {
        assert!(turn < TURNS, "no end after {turn} calls");
        let before = count(&packets);
        let waits = sender.counters().tx.waits;
        let written = match sender.write_packets(&mut packets) {
            Ok(written) => written,
            Err(error) => panic!("attached, and nobody received: {error}"),
        };
        check_written(before, count(&packets), written);
        check_waits(sender.counters().tx.waits - waits, options.tx_policy);
        note(world, written);
        let most = world.rng.below(40);
        for (peer, arrived) in peers.iter_mut().zip(&mut arrived) {
            arrived.extend(peer.take(most));
        }
        if written.pending == 0 {
            break;
        }
        if are_dead(world, peers.len(), written) && turn > 20 {
            outcome = Outcome::Ended;
            break;
        }
    }
    for (peer, arrived) in peers.iter_mut().zip(&mut arrived) {
        arrived.extend(peer.take(usize::MAX));
    }
    check_packets(drafts, &packets, options);
    check_arrived(drafts, &packets, options, &arrived);
    check_books(world, sender, peers, options);
    outcome
}

/// A queue with an end by plan gives up one packet a call, and for ever.
fn are_dead(world: &World, queues: usize, written: Written) -> bool {
    let has_ended = |queue: usize| {
        let ledger = world.network.ledger(2 * queue);
        ledger.refused[ErrorKind::Closed] + ledger.refused[ErrorKind::Fatal] > 0
    };
    written.sent == 0 && (0..queues).any(has_ended)
}

/// Packets sent, refused and pending.
fn count(packets: &[Packet<'_>]) -> [usize; 3] {
    let mut counts = [0; 3];
    for packet in packets {
        counts[match packet.status() {
            TxStatus::Sent => 0,
            TxStatus::Refused(_) => 1,
            TxStatus::Pending => 2,
        }] += 1;
    }
    counts
}

fn check_written(before: [usize; 3], after: [usize; 3], written: Written) {
    assert_eq!(written.sent, after[0] - before[0], "sent");
    assert_eq!(written.refused, after[1] - before[1], "refused");
    assert_eq!(written.pending, after[2], "pending");
    assert_eq!(written.blocked.is_some(), blocked_is_told(written), "{written:?}");
}

/// What is pending has a reason; a queue that ended with its last packet has one, too.
fn blocked_is_told(written: Written) -> bool {
    written.pending > 0 || written.blocked.is_some_and(|kind| matches!(kind, ErrorKind::Closed | ErrorKind::Fatal))
}

fn check_waits(waits: usize, policy: TxPolicy) {
    let most = if let TxPolicy::Wait { attempts, .. } = policy { attempts as usize } else { 0 };
    assert!(waits <= most, "{waits} waits, {most} allowed");
}

fn note(world: &mut World, written: Written) {
    world.seen.at(match written.blocked {
        None => "written",
        Some(ErrorKind::WouldBlock) => "blocked: would block",
        Some(ErrorKind::NoBuffers) => "blocked: no buffers",
        Some(ErrorKind::Closed) => "blocked: closed",
        Some(_) => "blocked: fatal",
    });
}

/// What is unfit is refused as such; an error that may pass refuses only where the policy says so.
fn check_packets(drafts: &[Draft], packets: &[Packet<'_>], options: &Options) {
    for (draft, packet) in drafts.iter().zip(packets) {
        if let TxStatus::Refused(refusal) = packet.status() {
            check_words(refusal);
        }
        match (draft.unfit(options), packet.status()) {
            (Some(reason), status) => assert_eq!(status, TxStatus::Refused(reason)),
            (None, TxStatus::Refused(Refusal::Io(kind))) if kind.is_transient() => {
                assert_eq!(options.tx_policy, TxPolicy::Drop, "{kind}");
            }
            (None, TxStatus::Refused(Refusal::Io(_)) | TxStatus::Sent | TxStatus::Pending) => {}
            (None, status) => panic!("nothing is wrong with this packet: {status:?}"),
        }
    }
}

/// Each queue carried the packets of its flows that were sent, whole and in order, and nothing else.
fn check_arrived(drafts: &[Draft], packets: &[Packet<'_>], options: &Options, arrived: &[Vec<Vec<u8>>]) {
    for (index, frames) in arrived.iter().enumerate() {
        let sent = drafts.iter().zip(packets).filter(|(_, packet)| packet.status() == TxStatus::Sent);
        let ours = sent.filter(|(draft, _)| draft.queue(arrived.len()) == index);
        let expected: Vec<_> = ours.map(|(draft, _)| draft.on_the_wire(options)).collect();
        assert!(*frames == expected, "queue {index}: {} frames arrived, {} sent", frames.len(), expected.len());
    }
}

fn check_books(world: &mut World, sender: &Sender, peers: &[Peer], options: &Options) {
    for (queue, peer) in sender.queues().iter().zip(peers) {
        let ledger = world.network.ledger(peer.port - 1);
        let counters = queue.counters();
        check_words(counters);
        check_sent(&counters, &ledger);
        check_policy(&counters, &ledger, options.tx_policy);
        for cause in RefusalCause::ALL.into_iter().filter(|cause| counters.tx.refused(*cause) > 0) {
            world.seen.at(refusal_name(cause));
        }
    }
}

const fn refusal_name(cause: RefusalCause) -> &'static str {
    match cause {
        RefusalCause::Unfit => "refusal unfit",
        RefusalCause::WouldBlock => "refusal would block",
        RefusalCause::NoBuffers => "refusal no buffers",
        RefusalCause::LinkDown => "refusal link down",
        RefusalCause::Rejected => "refusal rejected",
        _ => "refusal closed",
    }
}

/// More calls than a hundred packets need if half of all calls fail.
const TURNS: usize = 3000;
