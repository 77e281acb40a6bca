//! From a descriptor to the wire.

use alloc::vec::Vec;
use core::time::Duration;

use fdlink_core::io::{ErrorKind, TxFrame, Wake};

use super::port::{Link, Port};
use super::{Frame, State};
use crate::descriptor::Kind;
use crate::fault::{Fault, Op};
use crate::record::{Direction, Event, Loss};

impl State {
    /// Sends a prefix of `frames`, which are not none.
    pub(crate) fn send(&mut self, port: usize, frames: &[TxFrame<'_>]) -> Result<usize, ErrorKind> {
        let fault = self.ask(port, Op::Send, frames.len());
        let refusal = match fault {
            Some(Fault::Refuse { after, kind }) => Some((after, kind)),
            _ => None,
        };
        let cap = self.frames_per_call(port);
        let mut sent = 0;
        for frame in frames.iter().take(cap) {
            let refused = match refusal {
                Some((after, kind)) if after <= sent => Some(self.refuse_by_plan(port, kind, sent)),
                _ => self.refuse(port, frame),
            };
            match refused {
                None => self.transmit(port, frame),
                Some(kind) if sent == 0 => return Err(self.refused(port, kind)),
                Some(_) => break,
            }
            sent += 1;
        }
        self.sent(port, sent);
        Ok(sent)
    }

    /// Where each frame is a call of its own, all of them are tried one after the other.
    fn frames_per_call(&self, port: usize) -> usize {
        let sockets = self.ports.get(port).filter(|port| !port.kind.is_read());
        sockets.map_or(usize::MAX, |port| port.options.frames_per_send.max(1))
    }

    fn sent(&mut self, port: usize, frames: usize) {
        if let Some(port) = self.ports.get_mut(port) {
            port.ledger.send_calls += if port.kind.is_read() { frames } else { 1 };
        }
    }

    fn refused(&mut self, port: usize, kind: ErrorKind) -> ErrorKind {
        if let Some(port) = self.ports.get_mut(port) {
            port.ledger.send_calls += 1;
            port.ledger.refused.count(kind);
        }
        self.log(port, &Event::Refused(kind));
        kind
    }

    /// Behind frames that left, the error waits for the next call; an end stays.
    fn refuse_by_plan(&mut self, port: usize, kind: ErrorKind, sent: usize) -> ErrorKind {
        if kind == ErrorKind::Closed {
            self.hang_up(port);
        }
        if let Some(port) = self.ports.get_mut(port) {
            match kind {
                ErrorKind::Fatal => port.send_end = Some(kind),
                ErrorKind::Closed => {}
                _ => port.send_error = (sent > 0).then_some(kind),
            }
        }
        kind
    }

    /// Why the system does not take this frame now, if so.
    fn refuse(&mut self, port: usize, frame: &TxFrame<'_>) -> Option<ErrorKind> {
        let peer = self.peer(port);
        let unread = peer.and_then(|peer| self.ports.get(peer)).map_or(0, Port::unread);
        let state = self.ports.get_mut(port)?;
        if let Some(kind) = state.send_end.or(state.send_error.take()) {
            return Some(kind);
        }
        let mtu = self.segments.get(state.segment)?.wire.mtu;
        let first = frame.slices().next().and_then(|slice| slice.first().copied());
        match state.link {
            Link::Gone => Some(ErrorKind::Closed),
            Link::Down => Some(ErrorKind::LinkDown),
            Link::Up => state.kind.refuses(frame.len(), first, mtu, state.options.send_buffer),
        }
        .or_else(|| (state.kind.is_unix() && unread >= state.options.send_buffer).then_some(ErrorKind::WouldBlock))
    }

    fn transmit(&mut self, port: usize, frame: &TxFrame<'_>) {
        let mut bytes = Vec::with_capacity(frame.len());
        frame.slices().for_each(|slice| bytes.extend_from_slice(slice));
        let frame = Frame { number: self.numbers, bytes, echo: false, block: 0 };
        self.numbers += 1;
        self.capture(port, Direction::Outbound, &frame.bytes);
        self.log(port, &Event::Sent { frame: frame.number, len: frame.bytes.len() });
        let Some(state) = self.ports.get_mut(port) else { return };
        state.ledger.sent += 1;
        state.ledger.sent_bytes += frame.bytes.len();
        if state.options.echoes && state.kind.is_packet() {
            self.echo(port, &frame);
        }
        self.carry(port, frame);
    }

    fn echo(&mut self, port: usize, frame: &Frame) {
        let now = self.clock.now();
        let Some(state) = self.ports.get_mut(port) else { return };
        if state.buffer.push(Frame { echo: true, ..frame.clone() }, now) {
            state.ledger.echoed += 1;
        } else {
            state.untold_drops += 1;
            state.ledger.overrun += 1;
            state.ledger.carried += 1;
        }
    }

    /// Puts a frame on the wire, as far as the plan lets it.
    fn carry(&mut self, from: usize, mut frame: Frame) {
        let fault = self.ask(from, Op::Carry, frame.bytes.len());
        let arrival = self.arrival(from, frame.bytes.len());
        let Some(segment) = self.ports.get(from).and_then(|port| self.segments.get_mut(port.segment)) else { return };
        let targets = segment.targets(from, &frame.bytes);
        let mut delay = Duration::ZERO;
        match fault {
            Some(Fault::Corrupt { at, mask }) => {
                frame.bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask);
            }
            Some(Fault::Truncate(len)) => frame.bytes.truncate(len),
            Some(Fault::Delay(time)) => delay = time,
            _ => {}
        }
        for target in targets {
            match fault {
                Some(Fault::Drop) => self.lose_on_the_wire(target, &frame),
                Some(Fault::Duplicate(later)) => {
                    self.enqueue(target, frame.clone(), arrival);
                    self.enqueue(target, frame.clone(), arrival.saturating_add(later));
                }
                _ => self.enqueue(target, frame.clone(), arrival.saturating_add(delay)),
            }
        }
    }

    /// When a frame that is sent now arrives: behind those sent before it.
    fn arrival(&mut self, from: usize, len: usize) -> Duration {
        let now = self.clock.now();
        let Some(port) = self.ports.get_mut(from) else { return now };
        let Some(segment) = self.segments.get(port.segment) else { return now };
        port.busy_until = port.busy_until.max(now).saturating_add(segment.wire.time_to_send(len));
        port.busy_until.saturating_add(segment.wire.latency)
    }

    fn lose_on_the_wire(&mut self, target: usize, frame: &Frame) {
        if let Some(port) = self.ports.get_mut(target) {
            port.ledger.carried += 1;
        }
        self.lose(target, frame, Loss::Fault);
    }

    fn enqueue(&mut self, target: usize, frame: Frame, arrival: Duration) {
        let order = self.numbers;
        self.numbers += 1;
        let Some(port) = self.ports.get_mut(target) else { return };
        port.ledger.carried += 1;
        let wire = self.segments.get(port.segment).map(|segment| segment.wire).unwrap_or_default();
        let header = if port.kind == Kind::Tun { 0 } else { ETHERNET_HEADER };
        let too_long = port.kind.has_interface() && frame.bytes.len() > wire.mtu + header;
        let overflows = port.kind.has_interface() && port.in_flight.len() >= wire.queue_frames;
        if too_long || overflows {
            return self.lose(target, &frame, Loss::Overflow);
        }
        port.in_flight.insert((arrival, order), frame);
    }

    pub(crate) fn wait_for_room(&mut self, port: usize, refused: ErrorKind) -> Wake {
        let fault = self.ask(port, Op::WaitTx, 0);
        let Some(state) = self.ports.get(port) else { return Wake::Stopped };
        if state.stopped {
            return Wake::Stopped;
        }
        // A unix socket is writable once three quarters of its send buffer are free (`unix_writable`).
        let unread = self.peer(port).and_then(|peer| self.ports.get(peer)).map_or(0, Port::unread);
        let is_full = state.kind.is_unix() && unread.saturating_mul(4) > state.options.send_buffer;
        match fault {
            Some(Fault::SpuriousWake) => Wake::Ready,
            Some(Fault::MissedWake) => Wake::TimedOut,
            _ if refused != ErrorKind::NoBuffers && is_full => Wake::TimedOut,
            _ => Wake::Ready,
        }
    }
}

const ETHERNET_HEADER: usize = 14;
