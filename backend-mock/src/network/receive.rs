//! From the wire to a descriptor.

use alloc::collections::VecDeque;

use fdlink_core::io::{ErrorKind, RxFilter, Wake};

use super::port::Link;
use super::{Frame, State};
use crate::descriptor::Kind;
use crate::fault::{Fault, Op};
use crate::record::{Direction, Event, Loss};

impl State {
    /// Moves what has arrived by now from the wire into the receive buffer.
    pub(super) fn arrive(&mut self, port: usize) {
        let now = self.clock.now();
        while let Some(frame) = self.next_arrival(port) {
            let Some(state) = self.ports.get_mut(port) else { return };
            let number = frame.number;
            // The far end of a unix socket is gone only after what it had sent.
            let nobody = state.kind.has_interface() && state.link != Link::Up;
            if nobody || state.is_closed() {
                self.lose(port, &frame, Loss::Nobody);
                continue;
            }
            let frame = frame.taken_apart(state.kind, &state.options);
            if state.filter.is_some_and(|filter| filter.parse(&frame.bytes, frame.tag).is_err()) {
                self.lose(port, &frame, Loss::Filtered);
                continue;
            }
            let bytes = self.record.is_some().then(|| frame.bytes.clone());
            let frame = frame.received(&state.options);
            let len = frame.bytes.len();
            if state.buffer.push(frame.clone(), now) {
                state.ledger.arrived += 1;
                self.log(port, &Event::Arrived { frame: number, len });
                self.capture(port, Direction::Inbound, &bytes.unwrap_or_default());
            } else {
                let loss = if state.kind.is_packet() { Loss::Overrun } else { Loss::Overflow };
                self.lose(port, &frame, loss);
            }
        }
    }

    fn next_arrival(&mut self, port: usize) -> Option<Frame> {
        let now = self.clock.now();
        let first = self.ports.get_mut(port)?.in_flight.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    /// Receives into `frames`, at most as many as one call would or, where a call receives one, `budget`; returns the number of calls.
    pub(crate) fn receive(
        &mut self,
        port: usize,
        budget: usize,
        frames: &mut VecDeque<Frame>,
    ) -> Result<usize, ErrorKind> {
        self.arrive(port);
        let fault = self.ask(port, Op::Poll, 0);
        if let Some(kind) = self.receive_error(port, fault) {
            return Err(self.failed(port, kind));
        }
        let received = self.receive_frames(port, budget, fault, frames);
        if received == 0
            && let Some(kind) = self.receive_end(port)
        {
            return Err(self.failed(port, kind));
        }
        let Some(state) = self.ports.get_mut(port) else { return Ok(0) };
        let interrupted = if let Some(Fault::Interrupt(times)) = fault { times } else { 0 };
        let calls = interrupted + calls_for(state.kind, received, budget);
        state.ledger.receive_calls += calls;
        Ok(calls)
    }

    /// An error that comes instead of frames. The loss of the link is told behind what was received before it.
    fn receive_error(&mut self, port: usize, fault: Option<Fault>) -> Option<ErrorKind> {
        let now = self.clock.now();
        let state = self.ports.get_mut(port)?;
        if state.has_ended() {
            return None;
        }
        if let Some(Fault::Fail(kind)) = fault {
            state.receive_end = state.receive_end.or((kind == ErrorKind::Fatal).then_some(kind));
            return Some(state.receive_end.unwrap_or(kind));
        }
        if state.buffer.has_frame(now) {
            return state.receive_end;
        }
        state.receive_end.or(state.receive_error.take())
    }

    /// An error that comes when nothing is left.
    fn receive_end(&mut self, port: usize) -> Option<ErrorKind> {
        self.ports.get(port)?.has_ended().then_some(ErrorKind::Closed)
    }

    fn failed(&mut self, port: usize, kind: ErrorKind) -> ErrorKind {
        if let Some(port) = self.ports.get_mut(port) {
            port.ledger.receive_calls += 1;
            port.ledger.failed.count(kind);
        }
        self.log(port, &Event::Failed(kind));
        kind
    }

    fn receive_frames(
        &mut self,
        port: usize,
        budget: usize,
        fault: Option<Fault>,
        frames: &mut VecDeque<Frame>,
    ) -> usize {
        let now = self.clock.now();
        let Some(state) = self.ports.get_mut(port) else { return 0 };
        let most = match (state.kind, fault) {
            (_, Some(Fault::Short(most))) => most.min(budget),
            (Kind::PacketRing(_), _) => usize::MAX,
            (kind, _) if kind.is_read() => budget.min(state.options.slots.max(1)),
            _ => state.options.slots.max(1),
        };
        let before = frames.len();
        while frames.len() - before < most
            && let Some(frame) = state.buffer.pop(now)
        {
            frames.push_back(frame);
        }
        frames.len() - before
    }

    /// The receiver has seen the frame.
    pub(crate) fn taken(&mut self, port: usize, frame: &Frame) {
        if let Some(port) = self.ports.get_mut(port) {
            let len = frame.bytes.len().min(port.options.receive_len);
            port.ledger.taken += 1;
            port.ledger.taken_bytes += len.saturating_sub(port.options.vnet_header_len);
        }
        self.log(port, &Event::Taken { frame: frame.number });
    }

    /// Returns whether frames are left out by this filter from now on.
    pub(crate) fn set_filter(&mut self, port: usize, filter: &RxFilter) -> Result<bool, ErrorKind> {
        if self.ports.get(port).is_none_or(|port| !port.options.filters) {
            return Ok(false);
        }
        if let Some(Fault::Fail(kind)) = self.ask(port, Op::Filter, 0) {
            return Err(kind);
        }
        if let Some(port) = self.ports.get_mut(port) {
            port.filter = Some(*filter);
        }
        Ok(true)
    }

    pub(crate) fn release(&mut self, port: usize, frame: &Frame) {
        if let Some(port) = self.ports.get_mut(port) {
            port.buffer.release(frame);
        }
    }

    pub(crate) fn wait_for_frames(&mut self, port: usize, kept: usize) -> Wake {
        self.arrive(port);
        let fault = self.ask(port, Op::WaitRx, kept);
        let now = self.clock.now();
        let Some(state) = self.ports.get(port) else { return Wake::Stopped };
        let told = state.receive_error.is_some() || state.receive_end.is_some() || state.has_ended();
        match fault {
            _ if state.stopped => Wake::Stopped,
            _ if kept > 0 => Wake::Ready,
            Some(Fault::SpuriousWake) => Wake::Ready,
            Some(Fault::MissedWake) => Wake::TimedOut,
            _ if told || state.buffer.has_frame(now) => Wake::Ready,
            _ => Wake::TimedOut,
        }
    }

    pub(crate) fn tell_drops(&mut self, port: usize) -> usize {
        self.arrive(port);
        self.ports.get_mut(port).map_or(0, |port| core::mem::take(&mut port.untold_drops))
    }
}

/// A read for each frame and one that finds nothing; one call for many messages; none for what lies in the ring.
const fn calls_for(kind: Kind, received: usize, budget: usize) -> usize {
    match kind {
        Kind::Tap | Kind::Tun if received < budget => received + 1,
        Kind::Tap | Kind::Tun => received,
        Kind::PacketRing(_) => 0,
        _ => 1,
    }
}
