//! One smoltcp host on one queue of an endpoint, with one TCP connection.

use fdlink_core::io::RawIo;
use fdlink_core::smoltcp::Device;
use fdlink_core::{Endpoint, Queue};
use fdlink_mock::rng::Rng;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{IpAddress, IpCidr, IpListenEndpoint};

/// A host that sends `len` bytes and expects as many.
pub(super) struct Host<'e, IO: RawIo> {
    pub(super) device: Device<'e, IO, Vec<Queue<IO>>>,
    interface: Interface,
    sockets: SocketSet<'static>,
    socket: SocketHandle,
    pattern: Pattern,
    len: usize,
    sent: usize,
    received: usize,
    /// When bytes came or went last.
    progress_at: Instant,
    gave_up: bool,
}

/// Which end of the connection a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

impl<'e, IO: RawIo> Host<'e, IO> {
    pub(super) fn new(
        endpoint: &'e Endpoint<IO, Vec<Queue<IO>>>,
        queue: usize,
        side: Side,
        len: usize,
        rng: &mut Rng,
    ) -> Self {
        let mut device = Device::with_frame_len(endpoint, queue).expect("attached, and nobody has the queue");
        let mut config = Config::new(device.hardware_address());
        config.random_seed = rng.number();
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|list| list.push(IpCidr::new(address(side), 24)).expect("there is room"));
        let mut sockets = SocketSet::new(Vec::new());
        let socket = sockets.add(open(&mut interface, side, len));
        let pattern = Pattern(queue as u64);
        Self {
            device,
            interface,
            sockets,
            socket,
            pattern,
            len,
            sent: 0,
            received: 0,
            progress_at: Instant::ZERO,
            gave_up: false,
        }
    }

    /// Takes and sends what there is now; true if that was something. Gives up after a long time of nothing, as a program does.
    pub(super) fn poll(&mut self, now: Instant) -> bool {
        let before = (self.received, self.sent, self.is_acknowledged());
        self.interface.poll(now, &mut self.device, &mut self.sockets);
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(self.socket);
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
        let has_progress = before != (self.received, self.sent, self.is_acknowledged());
        if has_progress {
            self.progress_at = now;
        }
        self.gave_up |= now - self.progress_at > PATIENCE;
        has_progress
    }

    pub(super) fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        self.interface.poll_at(now, &self.sockets)
    }

    /// True once everything has come and gone, and the other end knows.
    pub(super) fn is_done(&self) -> bool {
        self.received == self.len && self.sent == self.len && self.is_acknowledged()
    }

    fn is_acknowledged(&self) -> bool {
        self.sockets.get::<tcp::Socket<'_>>(self.socket).send_queue() == 0
    }

    /// True once the connection or the queue has failed, which the program above is told.
    pub(super) fn has_failed(&self) -> bool {
        let state = self.sockets.get::<tcp::Socket<'_>>(self.socket).state();
        self.gave_up || self.device.ended().is_some() || state == tcp::State::Closed && !self.is_done()
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

fn open(interface: &mut Interface, side: Side, len: usize) -> tcp::Socket<'static> {
    let buffer = || tcp::SocketBuffer::new(vec![0; len.min(65_535)]);
    let mut socket = tcp::Socket::new(buffer(), buffer());
    socket.set_timeout(Some(TIMEOUT));
    // One that has failed is told by the silence of the other.
    socket.set_keep_alive(Some(KEEP_ALIVE));
    match side {
        Side::Server => socket.listen(IpListenEndpoint::from(PORT)).expect("a new socket"),
        Side::Client => {
            socket.connect(interface.context(), (address(Side::Server), PORT), 49152).expect("a new socket");
        }
    }
    socket
}

fn address(side: Side) -> IpAddress {
    IpAddress::v4(10, 0, 0, 1 + side as u8)
}

/// Bytes that differ from queue to queue, and whose period, 251, divides no segment size.
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
