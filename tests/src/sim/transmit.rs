//! What is sent arrives once and in order, or its packet says why not: whatever errors come at whatever position.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{
    Counters, Endpoint, LinkEndpoint as _, Options, Packet, Queue, Refusal, RefusalCause, TxPolicy, TxStatus, Written,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind};
use fdlink_mock::fault::Rates;
use fdlink_mock::network::Wire;
use fdlink_mock::rng::Rng;

use super::books::{check_policy, check_sent, refused_as};
use super::peers::{Peer, carried};
use super::world::{World, check_words};
use crate::random::{Dice, Draft, Flows};
use crate::support::{OWN, in_one_form};

/// The wire is good, so that every frame that leaves arrives.
pub(super) fn rates(rng: &mut Rng) -> Rates {
    let most = rng.pick(&[0, 30, 200, 500]).unwrap_or(0);
    Rates {
        refuse: rng.within(0, most) as u16,
        fatal: rng.pick(&[0, 0, 5]).unwrap_or(0),
        revoke: rng.pick(&[0, 0, 20]).unwrap_or(0),
        interrupt: 20,
        wake: 100,
        ..Rates::NONE
    }
}

type Sender = Endpoint<Descriptor, Vec<Queue<Descriptor>>>;

pub(super) fn play(world: &mut World) {
    let kind = world.kinds()[0];
    let descriptor = descriptor(world);
    let options = options(world, kind);
    let (sender, mut peers) = open(world, kind, descriptor, options);
    sender.attach().expect("detached");
    let mut dice = Dice::new(world.rng.number());
    let mut flows = Flows::new(&mut dice, options.ethernet_header);
    let has_odd = !kind.is_unix();
    for _ in 0..dice.within(1..=6) {
        let drafts = drafts(&mut dice, &mut flows, &options, has_odd);
        let before = sender.counters();
        if write(world, &sender, &mut peers, &drafts, &options) == Outcome::Ended {
            return;
        }
        let waits = (sender.counters() - before).tx.waits;
        assert!(matches!(options.tx_policy, TxPolicy::Wait { .. }) || waits == 0, "{waits} waits without leave");
    }
}

/// Packets of all sorts, and bursts of one flow where that makes a difference.
fn drafts(dice: &mut Dice, flows: &mut Flows, options: &Options, has_odd: bool) -> Vec<Draft> {
    let (mut drafts, count) = (Vec::new(), dice.within(0..=60));
    while drafts.len() < count {
        if options.tx_coalesce && dice.one_in(4) {
            let packets = flows.burst(dice, options.mtu as usize - LONGEST_HEADERS);
            drafts.extend(Draft::burst(dice, options, packets));
        } else {
            drafts.push(draft(dice, flows, options, has_odd));
        }
    }
    drafts
}

/// Packets of flows, and noise.
fn draft(dice: &mut Dice, flows: &mut Flows, options: &Options, has_odd: bool) -> Draft {
    match dice.within(0..=19) {
        0..=9 => Draft::new(dice, options),
        10 if has_odd => {
            let packet = flows.odd(dice);
            Draft::of(dice, options, packet).odd()
        }
        _ => {
            let packet = flows.next(dice);
            Draft::of(dice, options, packet)
        }
    }
}

fn options(world: &mut World, kind: Kind) -> Options {
    let options = world.options(kind);
    let options = world.with_offloads(options);
    let address = if options.ethernet_header { OWN } else { fdlink_core::LinkAddress::ZERO };
    Options { address, mtu: world.rng.within(68, 1500) as u32, ..options }
}

fn descriptor(world: &mut World) -> DescriptorOptions {
    let descriptor = DescriptorOptions {
        send_buffer: world.rng.pick(&[10_000, 212_992]).unwrap_or(10_000),
        frames_per_send: world.rng.within(1, 64),
        ..DescriptorOptions::default()
    };
    world.with_vnet_header(descriptor)
}

/// Unix sockets get little room, so that they are full at times. The other ends have room for everything. They take super-frames whole, or
/// somebody cuts them on the way: for unix sockets nobody does.
fn open(world: &mut World, kind: Kind, near: DescriptorOptions, options: Options) -> (Sender, Vec<Peer>) {
    let vnet_header_len = if kind.is_unix() || world.rng.one_in(2) { near.vnet_header_len } else { 0 };
    let offloads = world.rng.pick(&[Offloads::all(), Offloads::empty()]).unwrap_or_default();
    let far = DescriptorOptions { receive_frames: 1 << 20, vnet_header_len, offloads, ..near };
    let mut ports = Vec::new();
    for _ in 0..world.rng.within(1, 4) {
        let wire = Wire { queue_frames: usize::MAX, ..Wire::default() };
        ports.push(world.cable_of(wire, [(kind, near), (kind.without_ring(), far)]));
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
    let start = sender.counters();
    let parts: Vec<_> = drafts.iter().map(Draft::parts).collect();
    let mut packets: Vec<_> = drafts.iter().zip(&parts).map(|(draft, parts)| draft.packet(parts)).collect();
    let mut arrived = vec![Vec::new(); peers.len()];
    let mut outcome = Outcome::Done;
    for turn in 0.. {
        assert!(turn < TURNS, "no end after {turn} calls");
        let before = count(&packets);
        let tx = sender.counters().tx;
        let written = match sender.write_packets(&mut packets) {
            Ok(written) => written,
            Err(error) => panic!("attached, and nobody received: {error}"),
        };
        check_written(before, count(&packets), written);
        check_offloads(world, sender, written);
        check_waits(sender.counters().tx.waits - tx.waits, options.tx_policy);
        note(world, written, sender.counters().tx.merged > tx.merged);
        let most = world.rng.below(40);
        for (peer, arrived) in peers.iter_mut().zip(&mut arrived) {
            arrived.extend(take(world, peer, most, options));
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
        arrived.extend(take(world, peer, usize::MAX, options));
    }
    check_packets(drafts, &packets, options);
    check_counted(drafts, &packets, sender.counters() - start);
    check_arrived(drafts, &packets, options, &arrived);
    check_books(world, sender, peers, options);
    outcome
}

/// A queue with an end by plan gives up one packet a call, and for ever.
fn are_dead(world: &World, queues: usize, written: Written) -> bool {
    let has_ended = |queue: usize| {
        let ledger = world.network.ledger(2 * queue);
        [ErrorKind::Closed, ErrorKind::Fatal].iter().any(|kind| refused_as(&ledger, *kind) > 0)
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

/// What a queue can do no longer is told when that is found out.
fn check_offloads(world: &mut World, sender: &Sender, written: Written) {
    let lost = sender.queues().iter().map(|queue| queue.limits().offloads - queue.offloads());
    assert!(lost.fold(Offloads::empty(), |all, lost| all | lost).contains(written.offloads_lost));
    if !written.offloads_lost.is_empty() {
        world.seen.at("offloads lost");
    }
}

/// At most `most` of the frames that have arrived, cut and completed where that was left to the other end.
fn take(world: &mut World, peer: &mut Peer, most: usize, options: &Options) -> Vec<Vec<u8>> {
    let link_len = if options.ethernet_header { HEADER_LEN } else { 0 };
    let packets = peer.take_told(most, link_len);
    if packets.iter().any(|packet| packet.offload.gso.is_some()) {
        world.seen.at("super-frame taken whole");
    }
    packets.iter().flat_map(|packet| carried(packet, link_len)).collect()
}

fn check_waits(waits: usize, policy: TxPolicy) {
    let most = if let TxPolicy::Wait { attempts, .. } = policy { attempts as usize } else { 0 };
    assert!(waits <= most, "{waits} waits, {most} allowed");
}

fn note(world: &mut World, written: Written, is_merged: bool) {
    if is_merged {
        world.seen.at(if written.offloads_lost.is_empty() { "merged" } else { "merged, and then no longer" });
    }
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
        let unfit = if draft.is_odd() { None } else { draft.unfit(options) };
        match (unfit, packet.status()) {
            (_, TxStatus::Refused(refusal)) if draft.is_odd() => {
                assert!(matches!(RefusalCause::from(refusal), RefusalCause::Unfit) || is_io(refusal), "{refusal}");
            }
            (_, status) if draft.is_odd() => assert_eq!(status, TxStatus::Pending),
            (None, TxStatus::Refused(Refusal::TooManyParts)) if draft.has_many_parts() => {}
            // Looked at when its turn comes.
            (Some(Refusal::ExceedsMtu), TxStatus::Pending) if draft.is_super_frame() => {}
            (Some(reason), status) => assert_eq!(status, TxStatus::Refused(reason)),
            (None, TxStatus::Refused(Refusal::Io(kind))) if kind.is_transient() => {
                assert_eq!(options.tx_policy, TxPolicy::Drop, "{kind}");
            }
            (None, TxStatus::Refused(Refusal::Io(_)) | TxStatus::Sent | TxStatus::Pending) => {}
            (None, status) => panic!("nothing is wrong with this packet: {status:?}"),
        }
    }
}

const fn is_io(refusal: Refusal) -> bool {
    matches!(refusal, Refusal::Io(_))
}

/// Every packet is in the books, whatever it left with.
fn check_counted(drafts: &[Draft], packets: &[Packet<'_>], counters: Counters) {
    let is_cut = drafts.iter().any(Draft::is_super_frame);
    let sent = packets.iter().filter(|packet| packet.status() == TxStatus::Sent).count();
    assert!(is_cut || counters.tx.sent + counters.tx.merged == sent, "{sent} packets sent: {counters}");
    let causes = packets.iter().filter_map(|packet| match packet.status() {
        TxStatus::Refused(refusal) => Some(RefusalCause::from(refusal)),
        _ => None,
    });
    let causes: Vec<_> = causes.collect();
    for cause in RefusalCause::ALL {
        let refused = causes.iter().filter(|one| **one == cause).count();
        assert_eq!(counters.tx.refused(cause), refused, "{cause}");
    }
}

/// Each queue carried the packets of its flows that were sent, whole and in order, and nothing else but the first segments of some that were
/// cut and then refused, or are pending.
fn check_arrived(drafts: &[Draft], packets: &[Packet<'_>], options: &Options, arrived: &[Vec<Vec<u8>>]) {
    let link_len = if options.ethernet_header { HEADER_LEN } else { 0 };
    for (index, frames) in arrived.iter().enumerate() {
        let ours = drafts.iter().zip(packets).filter(|(draft, _)| draft.queue(arrived.len()) == index);
        let mut frames = frames.as_slice();
        for (draft, packet) in ours.filter(|(draft, _)| !draft.is_odd()) {
            let is_sent = packet.status() == TxStatus::Sent;
            if !is_sent && (!draft.is_super_frame() || draft.unfit(options).is_some()) {
                continue;
            }
            let expected = draft.on_the_wire(options);
            let common = frames
                .iter()
                .zip(&expected)
                .take_while(|(frame, expected)| are_same(frame, expected, link_len))
                .count();
            assert_eq!(common == expected.len(), is_sent, "queue {index}: {common} of {} segments", expected.len());
            frames = &frames[common..];
        }
        assert!(frames.is_empty(), "queue {index}: {} frames that were not sent", frames.len());
    }
}

/// As far as the difference means anything.
fn are_same(frame: &[u8], expected: &[u8], link_len: usize) -> bool {
    frame == expected || in_one_form(frame.to_vec(), link_len) == in_one_form(expected.to_vec(), link_len)
}

fn check_books(world: &mut World, sender: &Sender, peers: &[Peer], options: &Options) {
    for (queue, peer) in sender.queues().iter().zip(peers) {
        let ledger = world.network.ledger(peer.port - 1);
        let counters = queue.counters();
        check_words(counters);
        check_sent(&counters, &ledger, options);
        check_policy(&counters, &ledger, options);
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

/// More calls than the segments of sixty packets need if half of all calls fail.
const TURNS: usize = 20_000;
/// Of IPv6 and TCP.
const LONGEST_HEADERS: usize = 60;
