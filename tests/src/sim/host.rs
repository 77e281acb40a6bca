//! One smoltcp host on one queue of an endpoint, with some TCP connections.

use fdlink_mock::rng::Rng;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpCidr, IpListenEndpoint};

use super::nic::Nic;

/// A host with some streams to the other one.
pub(super) struct Host<D> {
    device: D,
    interface: Interface,
    sockets: SocketSet<'static>,
    streams: Vec<Stream>,
    in_turns: bool,
    /// When bytes came or went last.
    progress_at: Instant,
    gave_up: bool,
}

/// A connection over which `len` bytes go, and as many are expected.
struct Stream {
    socket: SocketHandle,
    pattern: Pattern,
    len: usize,
    sent: usize,
    received: usize,
}

/// Which end of the connections a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// What hosts with any card can do.
pub(super) trait Party {
    /// Takes and sends what there is now; true if that was something. Gives up after a long time of nothing, as a program does.
    fn poll(&mut self, now: Instant) -> bool;

    fn poll_at(&mut self, now: Instant) -> Option<Instant>;

    /// True once everything has come and gone, and the other end knows.
    fn is_done(&self) -> bool;

    /// True once a connection or the queue has failed, which the program above is told.
    fn has_failed(&self) -> bool;
}

impl<D: Nic> Host<D> {
    /// `lens` are those of the streams.
    pub(super) fn new(mut device: D, queue: usize, side: Side, lens: &[usize], rng: &mut Rng) -> Self {
        let mut config = Config::new(device.hardware_address());
        config.random_seed = rng.number();
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(address(side), 24)).expect("there is room"));
        let mut sockets = SocketSet::new(Vec::new());
        let stream = |(number, len): (usize, &usize)| Stream {
            socket: sockets.add(open(&mut interface, side, number as u16, *len)),
            pattern: Pattern((queue + 4 * number) as u64),
            len: *len,
            sent: 0,
            received: 0,
        };
        let streams = lens.iter().enumerate().map(stream).collect();
        Self { device, interface, sockets, streams, in_turns: false, progress_at: Instant::ZERO, gave_up: false }
    }

    /// The card's own way to send and receive, if it has one.
    pub(super) fn in_turns(self) -> Self {
        Self { in_turns: true, ..self }
    }
}

impl<D: Nic> Party for Host<D> {
    fn poll(&mut self, now: Instant) -> bool {
        let Self { device, interface, sockets, streams, .. } = self;
        let left = |sockets: &SocketSet<'_>, streams: &[Stream]| {
            streams.iter().map(|stream| stream.socket(sockets).send_queue()).sum::<usize>()
        };
        let before = left(sockets, streams);
        device.work(now, interface, sockets, self.in_turns);
        let is_acknowledged = left(sockets, streams) != before;
        let moved = streams.iter_mut().fold(0, |sum, stream| sum + stream.turn(sockets));
        let has_progress = moved > 0 || is_acknowledged;
        if has_progress {
            self.progress_at = now;
        }
        self.gave_up |= now - self.progress_at > PATIENCE;
        has_progress
    }

    fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        if self.device.is_behind() { Some(now) } else { self.interface.poll_at(now, &self.sockets) }
    }

    fn is_done(&self) -> bool {
        self.streams.iter().all(|stream| stream.is_done(&self.sockets))
    }

    fn has_failed(&self) -> bool {
        let has_failed = |stream: &Stream| {
            stream.socket(&self.sockets).state() == tcp::State::Closed && !stream.is_done(&self.sockets)
        };
        self.gave_up || self.device.has_ended() || self.streams.iter().any(has_failed)
    }
}

impl Stream {
    /// Takes and hands in what it can; how many bytes that was.
    fn turn(&mut self, sockets: &mut SocketSet<'_>) -> usize {
        let before = self.sent + self.received;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(self.socket);
        while socket.can_recv() {
            self.received += receive(socket, &self.pattern, self.received);
        }
        assert!(self.received <= self.len, "{} bytes of {}", self.received, self.len);
        if socket.can_send() && self.sent < self.len {
            self.sent += send(socket, &self.pattern, self.sent, self.len - self.sent);
        }
        if self.sent == self.len && socket.may_send() {
            socket.close();
        }
        self.sent + self.received - before
    }

    fn is_done(&self, sockets: &SocketSet<'_>) -> bool {
        self.received == self.len && self.sent == self.len && self.socket(sockets).send_queue() == 0
    }

    fn socket<'s>(&self, sockets: &'s SocketSet<'_>) -> &'s tcp::Socket<'s> {
        sockets.get(self.socket)
    }
}

/// Checks and counts the bytes that are there.
fn receive(socket: &mut tcp::Socket<'_>, pattern: &Pattern, at: usize) -> usize {
    let check = |bytes: &mut [u8]| {
        assert!(pattern.is_at(at, bytes), "wrong bytes behind {at} right ones");
        (bytes.len(), bytes.len())
    };
    socket.recv(check).expect("it can receive")
}

/// Fills the room that is there with at most `left` bytes.
fn send(socket: &mut tcp::Socket<'_>, pattern: &Pattern, at: usize, left: usize) -> usize {
    let fill = |room: &mut [u8]| {
        let len = room.len().min(left);
        pattern.fill(at, &mut room[..len]);
        (len, len)
    };
    socket.send(fill).expect("it can send")
}

fn open(interface: &mut Interface, side: Side, number: u16, len: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; len.min(65_535)]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_timeout(Some(TIMEOUT));
    // One that has failed is told by the silence of the other.
    socket.set_keep_alive(Some(KEEP_ALIVE));
    match side {
        Side::Server => socket.listen(IpListenEndpoint::from(PORT + number)).expect("a new socket"),
        Side::Client => {
            socket
                .connect(interface.context(), (address(Side::Server), PORT + number), 49152 + number)
                .expect("a new socket");
        }
    }
    socket
}

fn address(side: Side) -> IpAddress {
    IpAddress::v4(10, 0, 0, 1 + side as u8)
}

/// Bytes that differ from stream to stream, and whose period, 251, divides no segment size.
struct Pattern(u64);

impl Pattern {
    fn byte(&self, at: usize) -> u8 {
        ((at as u64 * 7 + at as u64 / 251 + self.0 * 31) % 251) as u8
    }

    fn fill(&self, at: usize, bytes: &mut [u8]) {
        for (byte, at) in bytes.iter_mut().zip(at..) {
            *byte = self.byte(at);
        }
    }

    fn is_at(&self, at: usize, bytes: &[u8]) -> bool {
        bytes.iter().zip(at..).all(|(byte, at)| *byte == self.byte(at))
    }
}

const PORT: u16 = 80;
/// Longer than a wrong answer stays in a neighbour cache, and some retransmissions at a minute each.
const TIMEOUT: Duration = Duration::from_secs(300);
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(400);
