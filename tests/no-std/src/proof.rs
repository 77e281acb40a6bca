//! A day in the life of two endpoints, with a check behind every step.

use core::array;

use fdlink_core::endpoint::state::State;
use fdlink_core::{
    DropCause, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint, LinkEvent, NetworkDispatcher, Options, Packet,
    Queue, Receiver, Refusal, RefusalCause, RxPacket, TxStatus, WriteError,
};
use fdlink_mock::{End, Link};

/// The check that failed; its number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub(crate) enum Failed {
    Options = 1,
    WrittenWhileDetached = 2,
    Attach = 3,
    Receiver = 4,
    Write = 5,
    Written = 6,
    Status = 7,
    Full = 8,
    Poll = 9,
    Delivered = 10,
    Content = 11,
    Bytes = 12,
    Balance = 13,
    Drops = 14,
    Transmit = 15,
    Detach = 16,
    End = 17,
    State = 18,
    Reattach = 19,
}

type Wire = Link<FRAMES, FRAME_LEN>;
type Io<'w> = End<'w, FRAMES, FRAME_LEN>;
type Side<'w> = Endpoint<Io<'w>>;

/// Runs every check, the first failure ends it.
pub(crate) fn prove() -> Result<(), Failed> {
    let wire = Wire::new();
    let (near, far) = wire.ends();
    let near = endpoint(near, NEAR)?;
    let far = endpoint(far, FAR)?;
    let mut seen = Seen::default();

    refuses_while_detached(&near)?;
    near.attach().map_err(|_| Failed::Attach)?;
    far.attach().map_err(|_| Failed::Attach)?;
    writes_what_fits(&near)?;
    leaves_pending_what_the_wire_does_not_take(&near)?;
    let mut receiver = far.receiver(0).map_err(|_| Failed::Receiver)?;
    receives(&mut receiver, &mut seen)?;
    accounts_for_every_frame(&near, &far, &seen)?;
    detaches(&far, receiver, &mut seen)?;
    attaches_again(&far)
}

fn endpoint(io: Io<'_>, address: LinkAddress) -> Result<Side<'_>, Failed> {
    let options = Options { mtu: MTU, address, ..Options::default() };
    Endpoint::new([Queue::new(io)], options).map_err(|_| Failed::Options)
}

fn refuses_while_detached(near: &Side<'_>) -> Result<(), Failed> {
    let written = near.write_packets(&mut [Packet::new(EtherType::IPV4, &[b"early"])]);
    check(written == Err(WriteError::NotAttached), Failed::WrittenWhileDetached)
}

/// Six packets: three for the peer, one for somebody else, one without a byte, one too long.
fn writes_what_fits(near: &Side<'_>) -> Result<(), Failed> {
    let long = [0x55; MTU as usize + 1];
    let (longest, too_long): (&[u8], &[u8]) = (&long[..MTU as usize], &long);
    let (longest, too_long) = ([longest], [too_long]);
    let mut packets = [
        Packet::new(EtherType::IPV4, &[b"hel", b"", b"lo"]).to(FAR),
        Packet::new(EtherType::IPV6, &longest).to(FAR),
        Packet::new(EtherType::IPV4, &[b"astray"]).to(STRANGER),
        Packet::new(EtherType::IPV4, &[]).to(FAR),
        Packet::new(EtherType::IPV4, &too_long).to(FAR),
        Packet::new(EtherType::ARP, &[b"who has"]).to(LinkAddress::BROADCAST),
    ];
    let written = near.write_packets(&mut packets).map_err(|_| Failed::Write)?;
    check((written.sent, written.refused, written.pending) == (4, 2, 0), Failed::Written)?;
    let (empty, exceeds) = (TxStatus::Refused(Refusal::Empty), TxStatus::Refused(Refusal::ExceedsMtu));
    let expected = [TxStatus::Sent, TxStatus::Sent, TxStatus::Sent, empty, exceeds, TxStatus::Sent];
    check(packets.each_ref().map(Packet::status) == expected, Failed::Status)
}

fn leaves_pending_what_the_wire_does_not_take(near: &Side<'_>) -> Result<(), Failed> {
    let mut packets: [_; FRAMES] = array::from_fn(|_| Packet::new(EtherType::IPV4, &[b"more"]).to(FAR));
    let written = near.write_packets(&mut packets).map_err(|_| Failed::Write)?;
    check((written.sent, written.refused, written.pending) == (FRAMES - 4, 0, 4), Failed::Full)
}

fn receives(receiver: &mut Receiver<'_, Io<'_>>, seen: &mut Seen) -> Result<(), Failed> {
    let mut taken = 0;
    loop {
        match receiver.poll(seen).map_err(|_| Failed::Poll)? {
            0 => break,
            n => taken += n,
        }
    }
    check(taken == FRAMES, Failed::Poll)?;
    check((seen.ipv4, seen.ipv6, seen.arp) == (1 + FRAMES - 4, 1, 1), Failed::Delivered)?;
    check(seen.spoiled == 0, Failed::Content)?;
    check(seen.bytes == 5 + MTU as usize + 7 + 4 * (FRAMES - 4), Failed::Bytes)
}

fn accounts_for_every_frame(near: &Side<'_>, far: &Side<'_>, seen: &Seen) -> Result<(), Failed> {
    let (tx, rx) = (near.counters().tx, far.counters().rx);
    check(rx.is_balanced() && rx.received == FRAMES, Failed::Balance)?;
    check(rx.delivered == seen.ipv4 + seen.ipv6 + seen.arp, Failed::Balance)?;
    check((rx.dropped_total(), rx.dropped(DropCause::ForeignAddress)) == (1, 1), Failed::Drops)?;
    check((tx.sent, tx.sent_bytes) == (rx.received, rx.received_bytes), Failed::Transmit)?;
    check((tx.refused_total(), tx.refused(RefusalCause::Unfit)) == (2, 2), Failed::Transmit)
}

fn detaches(far: &Side<'_>, mut receiver: Receiver<'_, Io<'_>>, seen: &mut Seen) -> Result<(), Failed> {
    far.detach();
    check(far.state() == State::Detaching, Failed::Detach)?;
    check(receiver.poll(seen) == Err(Ended::Detached) && receiver.poll(seen) == Err(Ended::Detached), Failed::Detach)?;
    check(seen.ends == 1, Failed::End)?;
    drop(receiver);
    check(far.state() == State::Detached, Failed::State)
}

fn attaches_again(far: &Side<'_>) -> Result<(), Failed> {
    far.attach().map_err(|_| Failed::Reattach)?;
    far.detach();
    check(far.state() == State::Detached, Failed::Reattach)
}

/// What was delivered.
#[derive(Debug, Default)]
struct Seen {
    ipv4: usize,
    ipv6: usize,
    arp: usize,
    bytes: usize,
    spoiled: usize,
    ends: usize,
}

impl NetworkDispatcher for Seen {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let payload = packet.payload();
        self.bytes += payload.len();
        let intact = match protocol {
            EtherType::IPV4 => {
                self.ipv4 += 1;
                payload == if self.ipv4 == 1 { &b"hello"[..] } else { b"more" }
            }
            EtherType::IPV6 => {
                self.ipv6 += 1;
                payload.iter().all(|byte| *byte == 0x55)
            }
            EtherType::ARP => {
                self.arp += 1;
                payload == b"who has"
            }
            _ => false,
        };
        self.spoiled += usize::from(!intact);
    }

    fn notify(&mut self, event: LinkEvent) {
        self.ends += usize::from(event.is_end());
    }
}

fn check(holds: bool, otherwise: Failed) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Frames that the wire holds.
const FRAMES: usize = 16;
const MTU: u32 = 1500;
const FRAME_LEN: usize = MTU as usize + 14;
const NEAR: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
const FAR: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
const STRANGER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 9]);
