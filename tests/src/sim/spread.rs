//! A card whose packets come from processors: the receiver spreads them over several, which the simulation lets work in any order, and a stack
//! takes what they deliver.

use std::collections::VecDeque;

use fdlink_core::io::RawIo;
use fdlink_core::rx::handoff::{Block, Feed, Handoff, Processor, Record};
use fdlink_core::wire::Layers;
use fdlink_core::{
    ChecksumState, Endpoint, EtherType, FlowHasher, LinkEndpoint as _, NetworkDispatcher, Options, Packet, Queue,
    Receiver, RxPacket, Steering, TxStatus,
};
use fdlink_mock::rng::Rng;
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy::{self, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, HardwareAddress};

use super::nic::Nic;
use crate::support::make_checksum;

pub(super) type Backlog = Handoff<Vec<u8>, Vec<Record>>;
pub(super) type Worker<'h> = Processor<'h, Vec<u8>, Vec<Record>>;
type FeedOf<'h> = Feed<'h, Vec<u8>, Vec<Record>, fn()>;

/// Hand-offs for the processors of one queue; none where its options have none.
pub(super) fn backlogs(options: &Options) -> Vec<Backlog> {
    (0..options.processors_per_channel).map(|_| Handoff::new(block(options))).collect()
}

fn block(options: &Options) -> Block<Vec<u8>, Vec<Record>> {
    let frames = options.processor_backlog;
    Block::new(vec![0; ROOM + frames * ROOM_PER_FRAME], vec![Record::default(); frames])
}

/// The processors behind one queue.
pub(super) struct Spread<'h> {
    steering: Steering<FeedOf<'h>, Vec<FeedOf<'h>>>,
    workers: Vec<Worker<'h>>,
    /// A processor did not work when it could have.
    is_behind: bool,
    rng: Rng,
}

impl<'h> Spread<'h> {
    pub(super) fn new(backlogs: &'h [Backlog], options: &Options, rng: &mut Rng) -> Self {
        let hasher = FlowHasher::new(options.flow_seed.unwrap_or([1, 2])).symmetric(options.symmetric_flow_hash);
        let wake: fn() = || {};
        let feeds = backlogs.iter().map(|backlog| backlog.feed(wake)).collect();
        let workers = backlogs.iter().map(|backlog| Processor::new(backlog, block(options))).collect();
        Self { steering: Steering::new(feeds, hasher), workers, is_behind: false, rng: rng.fork() }
    }

    pub(super) const fn dispatcher(&mut self) -> &mut impl NetworkDispatcher {
        &mut self.steering
    }

    /// True if a processor did not work when it was last asked to.
    pub(super) const fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Lets each processor work, or not, in an order of chance.
    pub(super) fn work(&mut self, mut work: impl FnMut(usize, &mut Worker<'h>)) {
        let first = self.rng.below(self.workers.len());
        self.is_behind = false;
        for step in 0..self.workers.len() {
            let at = (first + step) % self.workers.len();
            if self.rng.one_in(4) {
                self.is_behind = true;
            } else {
                work(at, &mut self.workers[at]);
            }
        }
    }
}

/// A card with processors.
pub(super) struct Processed<'e, IO: RawIo> {
    endpoint: &'e Endpoint<IO, Vec<Queue<IO>>>,
    queue: usize,
    receiver: Receiver<'e, IO>,
    spread: Spread<'e>,
    inbox: Inbox,
    /// What the descriptor did not take.
    held: Option<Vec<u8>>,
    has_ended: bool,
}

impl<'e, IO: RawIo> Processed<'e, IO> {
    pub(super) fn new(
        endpoint: &'e Endpoint<IO, Vec<Queue<IO>>>,
        queue: usize,
        backlogs: &'e [Backlog],
        rng: &mut Rng,
    ) -> Self {
        let receiver = endpoint.receiver(queue).expect("attached, and nobody has the queue");
        let spread = Spread::new(backlogs, endpoint.options(), rng);
        Self { endpoint, queue, receiver, spread, inbox: Inbox::default(), held: None, has_ended: false }
    }

    fn refill(&mut self) {
        self.has_ended |= self.receiver.poll(self.spread.dispatcher()).is_err();
        self.spread.work(|_, worker| {
            worker.poll(&mut self.inbox).expect("nobody closes it");
        });
    }

    /// True if nothing is held back.
    fn flush(&mut self) -> bool {
        if let Some(frame) = self.held.take() {
            self.send(frame);
        }
        self.held.is_none()
    }

    fn send(&mut self, frame: Vec<u8>) {
        let parts = [frame.as_slice()];
        let mut packets = [Packet::framed(&parts).with_hash(self.queue as u32)];
        let written = self.endpoint.write_packets(&mut packets);
        if written.is_ok() && packets[0].status() == TxStatus::Pending {
            self.held = Some(frame);
        }
    }
}

impl<IO: RawIo> Nic for Processed<'_, IO> {
    fn hardware_address(&self) -> HardwareAddress {
        match self.endpoint.max_header_length() {
            0 => HardwareAddress::Ip,
            _ => HardwareAddress::Ethernet(EthernetAddress(self.endpoint.link_address().0)),
        }
    }

    fn has_ended(&self) -> bool {
        self.has_ended
    }

    fn work(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>, _in_turns: bool) {
        interface.poll(now, self, sockets);
    }

    fn is_behind(&self) -> bool {
        self.spread.is_behind()
    }
}

impl<'e, IO: RawIo> phy::Device for Processed<'e, IO> {
    type RxToken<'t>
        = Taken
    where
        Self: 't;
    type TxToken<'t>
        = Room<'t, 'e, IO>
    where
        Self: 't;

    fn receive(&mut self, _timestamp: Instant) -> Option<(Taken, Room<'_, 'e, IO>)> {
        self.flush();
        if self.inbox.0.is_empty() {
            self.refill();
        }
        let frame = self.inbox.0.pop_front()?;
        Some((Taken(frame), Room(self)))
    }

    fn transmit(&mut self, _timestamp: Instant) -> Option<Room<'_, 'e, IO>> {
        self.flush().then_some(Room(self))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let header = self.endpoint.max_header_length();
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = if header == 0 { Medium::Ip } else { Medium::Ethernet };
        capabilities.max_transmission_unit = header + self.endpoint.mtu() as usize;
        capabilities
    }
}

/// Packets in one piece each, with complete checksums, which the stack verifies whatever was said of them.
#[derive(Default)]
struct Inbox(VecDeque<Vec<u8>>);

impl NetworkDispatcher for Inbox {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let mut frame = packet.parts().concat();
        if let ChecksumState::Partial { .. } = packet.offload().checksum
            && let Some(layers) = Layers::behind(&frame, packet.link_header().len())
        {
            make_checksum(&mut frame, &layers);
        }
        self.0.push_back(frame);
    }
}

/// A frame that was taken.
pub(super) struct Taken(Vec<u8>);

impl phy::RxToken for Taken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

/// Room for a frame to send; a reply displaces what is held back.
pub(super) struct Room<'t, 'e, IO: RawIo>(&'t mut Processed<'e, IO>);

impl<IO: RawIo> phy::TxToken for Room<'_, '_, IO> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        self.0.send(frame);
        result
    }
}

/// For a super-frame, and for the others. What does not fit is given up, as where there are too many.
const ROOM: usize = 20_100;
const ROOM_PER_FRAME: usize = 500;
