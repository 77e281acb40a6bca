//! Generic receive offload: successive segments of a flow become one packet, which a stack takes in one go.
//!
//! ```text
//! received      │ headers │ payload 1 │    │ headers │ payload 2 │    │ headers │ payload 3 │
//!                    │         │                          │                         │
//! delivered     │ headers │ payload 1 │         │ payload 2 │         │ payload 3 │
//!               └ frame, headers changed ┘      └ tail[0]  ┘          └ tail[1]  ┘
//! ```
//!
//! No payload is copied: the frames of a batch are on loan until the batch is dropped, so a run is a list of slices of them. That bounds how
//! long a packet is held back, to the batch that it came in.
//!
//! Segments that come one by one are held where they cost nothing, in front of the batch: [`WakePolicy::Coalesce`](crate::WakePolicy::Coalesce)
//! lets those of up to `max_delay` gather in the channel, to become one batch (kernel: `gro_flush_timeout` with `napi_defer_hard_irqs`). A receiver that
//! does not run dry has a backlog, and fills its batches; what holding runs from one full batch to the next could win is one packet in each, for
//! a copy of what is held.
//!
//! # Rules
//!
//! Those of Linux (`tcp_gro_receive`, `udp_gro_receive_segment`), see [`Options::gro`](crate::Options::gro). Apart from them:
//!
//! | | Linux | here | why |
//! |---|---|---|---|
//! | not fit to be merged | overtakes what is held of its flow | closes the runs of its flow first | order |
//! | one that states no ports (fragment) | the same | closes the runs between its addresses | order |
//! | other flow label, other IPv6 extension header | another flow | closes the run | order |
//! | bytes behind the IP packet | not merged | merged without them | they are padding of the link |
//! | `DATA_VALID` | verified again | believed | it comes from the kernel that lends the frames |
//! | UDP without checksum | `DATA_VALID` | nothing is claimed | nothing was verified |
//! | the same IPv4 ID throughout, DF clear | merged | not merged | a super-frame cannot say so: cut, its segments count up |
//! | VLAN tag in the frame | depends on the kernel's build | part of the link header | |
//! | TCP segments in a packet | any number | 64, as for UDP | bounded state |

mod finish;
mod flow;
mod frame;
mod head;
mod like;
mod prediction;
mod run;
mod segment;
mod verify;

use crate::dispatcher::NetworkDispatcher;
use crate::packet::RxPacket;
use crate::wire::EtherType;
use flow::Related;
pub(crate) use frame::{Frame, Headers};
pub(crate) use head::{Head, Next};
#[cfg(feature = "smoltcp")]
pub(crate) use prediction::Prediction;
use run::Run;
pub(crate) use segment::Segment;
use segment::is_single;

/// Merges successive segments of TCP and UDP flows.
///
/// What [`Options::gro`](crate::Options::gro) puts between a batch and a dispatcher, for a receive loop of your own. Packets are
/// [taken](Coalescer::take) in the order in which they arrived; those of one flow are delivered in that order. [Flush](Coalescer::flush) at
/// the end: what is still held when a coalescer is dropped is lost.
///
/// Up to 8 flows are held at a time, and each is compared with each: there are no buckets that traffic could be steered into. A ninth
/// flow closes the run that is the oldest.
pub struct Coalescer<'b> {
    runs: [Run<'b>; MAX_FLOWS],
    started: usize,
}

impl<'b> Coalescer<'b> {
    /// Holds nothing.
    #[must_use]
    #[inline]
    pub fn new() -> Self {
        // Not a constant: that would be copied whole, room for slices included.
        Self { runs: core::array::from_fn(|_| Run::new()), started: 0 }
    }

    /// Takes a packet, and delivers what it completes: held packets, the packet itself, or nothing.
    #[inline]
    pub fn take<D: NetworkDispatcher + ?Sized>(
        &mut self,
        protocol: EtherType,
        mut packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        if is_single(&packet) {
            for run in &mut self.runs {
                packet = match run.append_predicted(packet, dispatcher) {
                    Ok(()) => return,
                    Err(packet) => packet,
                };
            }
        }
        self.take_unpredicted(protocol, packet, dispatcher);
    }

    /// Delivers whatever is held, oldest first.
    pub fn flush<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) {
        while let Some(oldest) = self.oldest() {
            oldest.close(dispatcher);
        }
    }

    #[inline(never)]
    fn take_unpredicted<D: NetworkDispatcher + ?Sized>(
        &mut self,
        protocol: EtherType,
        packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        match self.next(&packet) {
            Some((run, next)) => run.append(&next, packet, dispatcher),
            None => self.take_first(protocol, packet, dispatcher),
        }
    }

    /// The run that a packet continues, and what it adds.
    fn next(&mut self, packet: &RxPacket<'b>) -> Option<(&mut Run<'b>, Next)> {
        if !is_single(packet) {
            return None;
        }
        self.runs.iter_mut().find_map(|run| run.next(packet).map(|next| (run, next)))
    }

    /// Takes a packet that continues no run.
    fn take_first<D: NetworkDispatcher + ?Sized>(
        &mut self,
        protocol: EtherType,
        mut packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        let Some(segment) = Segment::parse(&mut packet) else {
            return self.pass(protocol, packet, dispatcher);
        };
        if let Some(run) = self.runs.iter_mut().find(|run| run.is_of_flow(&segment, &packet)) {
            run.close(dispatcher);
        }
        self.begin(protocol, packet, segment, dispatcher);
    }

    fn begin<D: NetworkDispatcher + ?Sized>(
        &mut self,
        protocol: EtherType,
        packet: RxPacket<'b>,
        segment: Segment,
        dispatcher: &mut D,
    ) {
        if segment.is_alone() {
            return dispatcher.deliver(protocol, packet);
        }
        self.started = self.started.wrapping_add(1);
        if self.runs.iter().all(Run::is_held)
            && let Some(oldest) = self.oldest()
        {
            oldest.close(dispatcher);
        }
        if let Some(run) = self.runs.iter_mut().find(|run| !run.is_held()) {
            run.begin(protocol, packet, segment, self.started);
        }
    }

    /// Delivers a packet as it came, behind those of its flow.
    fn pass<D: NetworkDispatcher + ?Sized>(&mut self, protocol: EtherType, packet: RxPacket<'b>, dispatcher: &mut D) {
        if let Some(related) = Related::of(&packet) {
            self.runs.iter_mut().filter(|run| run.is_related(related)).for_each(|run| run.close(dispatcher));
        }
        dispatcher.deliver(protocol, packet);
    }

    fn oldest(&mut self) -> Option<&mut Run<'b>> {
        let started = self.started;
        self.runs.iter_mut().filter(|run| run.is_held()).max_by_key(|run| run.age(started))
    }
}

impl Default for Coalescer<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// Most flows that are held at a time (origin: 8 buckets of 8 flows; Linux: the same).
const MAX_FLOWS: usize = 8;

/// Most segments in a packet: what Linux allows for UDP (`UDP_GRO_CNT_MAX`).
pub const MAX_SEGMENTS: usize = 64;
