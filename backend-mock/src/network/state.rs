use alloc::vec::Vec;
use core::time::Duration;

use fdlink_core::io::ErrorKind;

use super::port::{Link, Port};
use super::segment::{Segment, SegmentId, Topology, Wire};
use super::{Frame, Ledger};
use crate::clock::Clock;
use crate::descriptor::{DescriptorOptions, Kind};
use crate::fault::{Fault, FaultPlan, Op};
use crate::record::{Direction, Event, Loss, Record};

/// Everything there is in a network, behind its lock. Receiving and sending have files of their own.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) clock: Clock,
    pub(super) plan: FaultPlan,
    pub(super) segments: Vec<Segment>,
    pub(super) ports: Vec<Port>,
    pub(super) record: Option<Record>,
    pub(super) numbers: u64,
}

impl State {
    pub(super) const fn new(clock: Clock, plan: FaultPlan) -> Self {
        Self { clock, plan, segments: Vec::new(), ports: Vec::new(), record: None, numbers: 0 }
    }

    pub(super) fn add_segment(&mut self, topology: Topology, wire: Wire) -> SegmentId {
        self.segments.push(Segment::new(topology, wire));
        SegmentId(self.segments.len() - 1)
    }

    pub(super) fn add_port(&mut self, SegmentId(segment): SegmentId, kind: Kind, options: DescriptorOptions) -> usize {
        let port = self.ports.len();
        self.ports.push(Port::new(segment, kind, options));
        if let Some(segment) = self.segments.get_mut(segment) {
            segment.add(port);
        }
        if let Some(record) = &mut self.record {
            record.add_port(kind.link_type());
        }
        port
    }

    pub(super) fn step(&mut self) {
        for port in 0..self.ports.len() {
            if let Some(fault) = self.ask(port, Op::Step, 0) {
                self.apply(port, fault);
            }
        }
    }

    /// Lets something happen to a port.
    pub(super) fn apply(&mut self, port: usize, fault: Fault) {
        let Some(state) = self.ports.get_mut(port) else { return };
        match fault {
            Fault::LinkDown if state.kind.has_interface() && state.link == Link::Up => {
                state.link = Link::Down;
                state.receive_error = state.kind.is_packet().then_some(ErrorKind::LinkDown);
            }
            Fault::LinkUp if state.link == Link::Down => state.link = Link::Up,
            Fault::HangUp => self.hang_up(port),
            Fault::Stop => state.stopped = true,
            _ => {}
        }
    }

    /// The interface is deleted, or the connection of a unix socket is gone at both ends. What waits in a TAP or TUN interface goes with it;
    /// what a socket has received stays, and nothing of it is on the wire any more.
    pub(super) fn hang_up(&mut self, port: usize) {
        let Some(state) = self.ports.get_mut(port).filter(|port| port.link != Link::Gone) else { return };
        state.link = Link::Gone;
        if state.kind.is_read() {
            let lost = state.buffer.drain();
            state.ledger.arrived -= lost.len();
            lost.iter().for_each(|frame| self.lose(port, frame, Loss::Nobody));
        } else if state.kind.is_unix() {
            let now = self.clock.now();
            state.in_flight =
                core::mem::take(&mut state.in_flight).into_iter().map(|((_, n), f)| ((now, n), f)).collect();
            self.arrive(port);
            self.lose_empty_tail(port);
            let peer = self.peer(port);
            peer.into_iter().for_each(|peer| self.hang_up(peer));
        }
    }

    /// Nobody can tell an empty message from the end of a stream that follows it.
    fn lose_empty_tail(&mut self, port: usize) {
        while let Some(state) = self.ports.get_mut(port).filter(|port| port.kind == Kind::Seqpacket)
            && let Some(frame) = state.buffer.pop_empty_tail()
        {
            state.ledger.arrived -= 1;
            self.lose(port, &frame, Loss::Nobody);
        }
    }

    /// Once both halves are dropped the descriptor is closed, which the peer of a unix socket sees.
    pub(crate) fn half_dropped(&mut self, port: usize) {
        let Some(state) = self.ports.get_mut(port) else { return };
        state.halves_dropped += 1;
        if state.is_closed() {
            self.hang_up(port);
        }
    }

    pub(super) fn peer(&self, port: usize) -> Option<usize> {
        let segment = self.ports.get(port)?.segment;
        self.segments.get(segment)?.peer(port)
    }

    pub(super) fn next_event(&self) -> Option<Duration> {
        let now = self.clock.now();
        let arrivals = |port: &Port| port.in_flight.keys().map(|(time, _)| *time).find(|time| *time > now);
        let times = self.ports.iter().flat_map(|port| [arrivals(port), port.buffer.deadline()]);
        times.flatten().filter(|time| *time > now).min()
    }

    pub(super) fn ask(&mut self, port: usize, op: Op, size: usize) -> Option<Fault> {
        let fault = self.plan.ask(port, op, size)?;
        if let Some((site, fault)) = self.plan.fired().last().copied() {
            self.log(port, &Event::Fault(site, fault));
        }
        Some(fault)
    }

    pub(super) fn log(&mut self, port: usize, event: &Event<'_>) {
        if let Some(record) = &mut self.record {
            record.transcript.add(self.clock.now(), port, event);
        }
    }

    pub(super) fn capture(&mut self, port: usize, direction: Direction, bytes: &[u8]) {
        if let Some(record) = &mut self.record {
            record.frame(self.clock.now(), port, direction, bytes);
        }
    }

    pub(super) fn lose(&mut self, port: usize, frame: &Frame, loss: Loss) {
        if let Some(Port { ledger, untold_drops, .. }) = self.ports.get_mut(port) {
            match loss {
                Loss::Fault => ledger.lost += 1,
                Loss::Overflow => ledger.overflowed += 1,
                Loss::Overrun => {
                    ledger.overrun += 1;
                    *untold_drops += 1;
                }
                Loss::Nobody => ledger.undeliverable += 1,
                Loss::Filtered => ledger.filtered += 1,
            }
        }
        self.log(port, &Event::Lost { frame: frame.number, loss });
    }

    pub(super) fn ledger(&self, port: usize) -> Ledger {
        self.ports.get(port).map(|port| port.ledger).unwrap_or_default()
    }

    pub(super) fn set_stopped(&mut self, port: usize, stopped: bool) {
        if let Some(port) = self.ports.get_mut(port) {
            port.stopped = stopped;
        }
    }

    pub(crate) fn is_stopped(&self, port: usize) -> bool {
        self.ports.get(port).is_some_and(|port| port.stopped)
    }
}
