//! Whatever is handed in: every packet is sent once and whole, refused for a good reason, or pending; each flow keeps its order.

use std::collections::BTreeSet;
use std::time::Duration;

use fdlink_core::io::{ErrorKind, RawIo as _};
use fdlink_core::{Endpoint, LinkEndpoint as _, Options, Packet, Queue, Refusal, TxPolicy, TxStatus, WriteError};

use super::wire::{FarEnd, LONGEST, NearEnd, Wire};
use super::{Outcome, scale};
use crate::random;
use crate::random::Dice;
use crate::random::Draft;

/// With links that hold few frames or many.
pub(super) fn case(dice: &mut Dice) -> Outcome {
    match dice.within(0..=2) {
        0 => over::<1>(dice),
        1 => over::<7>(dice),
        _ => over::<80>(dice),
    }
}

type Near<'l, const SLOTS: usize> = Endpoint<NearEnd<'l, SLOTS>, Vec<Queue<NearEnd<'l, SLOTS>>>>;

fn over<const SLOTS: usize>(dice: &mut Dice) -> Outcome {
    let links: Vec<_> = (0..dice.within(1..=4)).map(|_| Wire::<SLOTS>::new()).collect();
    let (near, far): (Vec<_>, Vec<_>) = links.iter().map(Wire::ends).unzip();
    let options = Options { tx_policy: policy(dice), ..random::options(dice, LONGEST) };
    let endpoint = Endpoint::new(near.into_iter().map(Queue::new).collect(), options).expect("the options are good");
    let mut far: Vec<_> = far.into_iter().map(|end| FarEnd::new(end.split())).collect();

    let drafts: Vec<_> = (0..dice.within(0..=150)).map(|_| Draft::new(dice, &options)).collect();
    let parts: Vec<_> = drafts.iter().map(Draft::parts).collect();
    let mut packets: Vec<_> = drafts.iter().zip(&parts).map(|(draft, parts)| draft.packet(parts)).collect();

    check_detached(&endpoint, &mut packets);
    write_all(dice, &endpoint, &mut packets, &mut far);
    check_statuses(&drafts, &packets, &options);
    check_frames(&drafts, &packets, &options, &far);
    let tx = endpoint.counters().tx;
    let arrived: usize = far.iter().map(|end| end.frames.len()).sum();
    assert_eq!((tx.sent, tx.sent + tx.refused_total()), (arrived, packets.len()));
    let refusals: BTreeSet<_> = packets.iter().filter_map(refusal).collect();
    let policy = match options.tx_policy {
        TxPolicy::Return => "return",
        TxPolicy::Drop => "drop",
        TxPolicy::Wait { .. } => "wait",
    };
    Outcome {
        kind: format!("{SLOTS} slots, {} queues, {policy}, sent {} {refusals:?}", far.len().min(2), scale(tx.sent) / 4),
        size: packets.iter().flat_map(Packet::parts).map(|part| part.len()).sum(),
    }
}

fn refusal(packet: &Packet<'_>) -> Option<String> {
    match packet.status() {
        TxStatus::Refused(refusal) => Some(format!("{refusal:?}")),
        _ => None,
    }
}

fn policy(dice: &mut Dice) -> TxPolicy {
    let wait = TxPolicy::Wait { attempts: dice.within(0..=3) as u32, timeout: Duration::ZERO };
    dice.pick(&[TxPolicy::Return, TxPolicy::Drop, wait])
}

fn check_detached<const SLOTS: usize>(endpoint: &Near<'_, SLOTS>, packets: &mut [Packet<'_>]) {
    assert_eq!(endpoint.write_packets(packets), Err(WriteError::NotAttached));
    assert!(packets.iter().all(|packet| packet.status() == TxStatus::Pending));
}

/// Hands the packets in until none is pending, while the other ends take some frames now and then.
fn write_all<const SLOTS: usize>(
    dice: &mut Dice,
    endpoint: &Near<'_, SLOTS>,
    packets: &mut [Packet<'_>],
    far: &mut [FarEnd<'_, SLOTS>],
) {
    endpoint.attach().expect("detached");
    let mut left = packets.len();
    let mut calls = 0;
    while left > 0 {
        calls += 1;
        assert!(calls <= packets.len(), "each call sends or refuses a packet at least");
        if dice.one_in(8) {
            endpoint.detach();
            endpoint.attach().expect("no receiver is out");
        }
        let written = endpoint.write_packets(packets).expect("attached");
        assert_eq!(written.sent + written.refused + written.pending, left);
        left = packets.iter().filter(|packet| packet.status() == TxStatus::Pending).count();
        assert_eq!((written.pending, written.blocked.is_some()), (left, left > 0));
        far.iter_mut().for_each(|end| end.receive(dice.within(1..=10)));
    }
    far.iter_mut().for_each(|end| end.receive(usize::MAX));
}

fn check_statuses(drafts: &[Draft], packets: &[Packet<'_>], options: &Options) {
    for (draft, packet) in drafts.iter().zip(packets) {
        match (draft.unfit(options), packet.status()) {
            (Some(reason), status) => assert_eq!(status, TxStatus::Refused(reason)),
            (None, TxStatus::Sent) => {}
            (None, status) => {
                assert_eq!(status, TxStatus::Refused(Refusal::Io(ErrorKind::WouldBlock)));
                assert_eq!(options.tx_policy, TxPolicy::Drop);
            }
        }
    }
}

/// Each queue carried the packets of its flows that were sent, whole and in order, and nothing else.
fn check_frames<const SLOTS: usize>(
    drafts: &[Draft],
    packets: &[Packet<'_>],
    options: &Options,
    far: &[FarEnd<'_, SLOTS>],
) {
    for (index, end) in far.iter().enumerate() {
        let sent = drafts.iter().zip(packets).filter(|(_, packet)| packet.status() == TxStatus::Sent);
        let ours = sent.filter(|(draft, _)| draft.queue(far.len()) == index);
        let expected: Vec<_> = ours.flat_map(|(draft, _)| draft.on_the_wire(options)).collect();
        assert_eq!(end.frames, expected, "queue {index}");
    }
}
