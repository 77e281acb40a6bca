//! From a descriptor to the wire.

use alloc::vec::Vec;
use core::time::Duration;

use fdlink_core::io::{ErrorKind, Offloads, TxFrame, Wake};
use fdlink_core::wire::vnet::{ByteOrder, GSO_NONE, VirtioNetHdr};

use super::port::{Link, Port};
use super::{Frame, State};
use crate::fault::{Fault, Op};
use crate::record::{Direction, Event, Loss};

impl State {
    /// Sends a prefix of `frames`, which are not none.
    pub(crate) fn send(&mut self, port: usize, frames: &[TxFrame<'_>]) -> Result<usize, ErrorKind> {
        let fault = self.ask(port, Op::Send, frames.len());
        let cap = self.frames_per_call(port);
        let mut sent = 0;
        for frame in frames.iter().take(cap) {
            let frame = self.read(port, frame);
            self.note_asked(port, &frame);
            match self.refuse(port, &frame, sent, fault) {
                None => self.transmit(port, frame),
                Some(kind) if sent == 0 => return Err(self.refused(port, &frame, kind)),
                Some(_) => break,
            }
            sent += 1;
        }
        self.sent(port, sent);
        Ok(sent)
    }

    /// Why the frame behind `sent` others of a call is refused, if so.
    fn refuse(&mut self, port: usize, frame: &Frame, sent: usize, fault: Option<Fault>) -> Option<ErrorKind> {
        match fault {
            Some(Fault::Refuse { after, kind }) if after <= sent => {
                return Some(self.refuse_by_plan(port, kind, sent));
            }
            Some(Fault::Revoke { after, kind }) if after == sent => self.revoke(port, kind),
            _ => {}
        }
        self.refuse_now(port, frame)
    }

    /// The offloads are gone, and `kind` is what frames are told that ask for one.
    fn revoke(&mut self, port: usize, kind: ErrorKind) {
        if let Some(port) = self.ports.get_mut(port) {
            (port.options.offloads, port.lacks_offload) = (Offloads::empty(), kind);
        }
    }

    /// The frame, its virtio-net header taken off. One that is shorter than that has none, and says what nobody does.
    fn read(&self, port: usize, frame: &TxFrame<'_>) -> Frame {
        let vnet_header_len = self.ports.get(port).map_or(0, |port| port.options.vnet_header_len);
        let mut bytes = Vec::with_capacity(frame.len());
        frame.slices().for_each(|slice| bytes.extend_from_slice(slice));
        if vnet_header_len == 0 {
            return Frame { bytes, ..Frame::default() };
        }
        let rest = bytes.split_off(vnet_header_len.min(bytes.len()));
        let vnet = VirtioNetHdr::decode(&bytes, ByteOrder::Native).unwrap_or(UNREADABLE);
        Frame { bytes: rest, vnet, ..Frame::default() }
    }

    fn note_asked(&mut self, port: usize, frame: &Frame) {
        if let Some(port) = self.ports.get_mut(port).filter(|_| frame.asks()) {
            port.ledger.asked |= frame.needs(port.kind.link_header_len());
        }
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

    fn refused(&mut self, port: usize, frame: &Frame, kind: ErrorKind) -> ErrorKind {
        if let Some(Port { ledger, .. }) = self.ports.get_mut(port) {
            ledger.send_calls += 1;
            let counts = if frame.asks() { &mut ledger.refused_offloads } else { &mut ledger.refused };
            counts.count(kind);
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
    fn refuse_now(&mut self, port: usize, frame: &Frame) -> Option<ErrorKind> {
        let peer = self.peer(port);
        let unread = peer.and_then(|peer| self.ports.get(peer)).map_or(0, Port::unread);
        let state = self.ports.get_mut(port)?;
        if let Some(kind) = state.send_end.or(state.send_error.take()) {
            return Some(kind);
        }
        let mtu = self.segments.get(state.segment)?.wire.mtu;
        match state.link {
            Link::Gone => Some(ErrorKind::Closed),
            Link::Down => Some(ErrorKind::LinkDown),
            Link::Up => state.refuses(frame, mtu),
        }
        .or_else(|| (state.kind.is_unix() && unread >= state.options.send_buffer).then_some(ErrorKind::WouldBlock))
    }

    fn transmit(&mut self, port: usize, frame: Frame) {
        let frame = Frame { number: self.numbers, ..frame };
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
        let echo = Frame { echo: true, ..frame.clone() }.received(&state.options);
        if state.buffer.push(echo, now) {
            state.ledger.echoed += 1;
        } else {
            state.untold_drops += 1;
            state.ledger.overrun += 1;
            state.ledger.carried += 1;
        }
    }

    /// Puts a frame on the wire, as far as the plan lets it. What is damaged has crossed a real one, for which it was cut and completed.
    fn carry(&mut self, from: usize, mut frame: Frame) {
        let fault = self.ask(from, Op::Carry, frame.bytes.len());
        let arrival = self.arrival(from, frame.bytes.len());
        let Some(port) = self.ports.get(from) else { return };
        let network = port.kind.link_header_len();
        let Some(segment) = self.segments.get_mut(port.segment) else { return };
        let targets = segment.targets(from, &frame.bytes);
        match fault {
            Some(damage @ (Fault::Corrupt { .. } | Fault::Truncate(_))) => {
                let mut frames = frame.on_the_wire(network);
                damage_one(&mut frames, damage);
                for (frame, target) in frames.iter().flat_map(|frame| targets.iter().map(move |to| (frame, *to))) {
                    self.enqueue(target, frame.clone(), arrival);
                }
                return;
            }
            Some(Fault::Lie(lie)) => frame.lie = Some(lie),
            _ => {}
        }
        for target in targets {
            match fault {
                Some(Fault::Drop) => self.lose_on_the_wire(target, &frame),
                Some(Fault::Duplicate(later)) => {
                    self.pass(target, frame.clone(), arrival);
                    self.pass(target, frame.clone(), arrival.saturating_add(later));
                }
                Some(Fault::Delay(time)) => self.pass(target, frame.clone(), arrival.saturating_add(time)),
                _ => self.pass(target, frame.clone(), arrival),
            }
        }
    }

    /// As it is, if the target takes it so; otherwise as the system makes it.
    fn pass(&mut self, target: usize, frame: Frame, arrival: Duration) {
        let Some(port) = self.ports.get(target) else { return };
        let network = port.kind.link_header_len();
        if port.takes_whole(&frame) {
            return self.enqueue(target, frame, arrival);
        }
        frame.on_the_wire(network).into_iter().for_each(|frame| self.enqueue(target, frame, arrival));
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
        let is_super_frame = frame.vnet.gso_type != GSO_NONE;
        let longest = wire.mtu + port.kind.link_header_len();
        let too_long = port.kind.has_interface() && !is_super_frame && frame.bytes.len() > longest;
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

/// What cannot be read: a kind of segmentation that there is not.
const UNREADABLE: VirtioNetHdr =
    VirtioNetHdr { flags: 0, gso_type: 0x7f, hdr_len: 0, gso_size: 0, csum_start: 0, csum_offset: 0 };

/// Changes or cuts the frame in which the place lies, of frames that were one.
fn damage_one(frames: &mut [Frame], damage: Fault) {
    let (mut at, mut frames) = match damage {
        Fault::Corrupt { at, .. } | Fault::Truncate(at) => (at, frames.iter_mut()),
        _ => return,
    };
    let hit = frames.find(|frame| {
        let is_here = at < frame.bytes.len();
        at -= if is_here { 0 } else { frame.bytes.len() };
        is_here
    });
    let Some(frame) = hit else { return };
    match damage {
        Fault::Corrupt { mask, .. } => frame.bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= mask),
        _ => frame.bytes.truncate(at),
    }
}
