//! Whole stacks against each other.

use std::cell::RefCell;
use std::num::NonZeroUsize;

use fdlink_core::io::RawIo;
use fdlink_core::smoltcp::Device;
use fdlink_core::{Endpoint, GsoSupport, LinkEndpoint, Options, Queue, TxPolicy};
use smoltcp::iface::{Config, Interface, PollResult, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{ChecksumCapabilities, Device as _};
use smoltcp::socket::{icmp, tcp, udp};
use smoltcp::time::Instant;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr, IpAddress, IpCidr, IpListenEndpoint};

use crate::{NOW, OURS, THEIRS, attached, ethernet, ip, wire};

#[test]
fn least_mtu_lets_smoltcp_work() {
    let link = wire::<8>();
    let (a, b) = link.ends();
    let small = |address| Options { mtu: 68, ..ethernet(address) };
    let (a, b) = (attached(a, small(OURS)), attached(b, small(THEIRS)));
    let mut pair = [Stack::new(&a, 1), Stack::new(&b, 2)];
    assert_eq!(transfer(&mut pair, 4096), pattern(4096));
}

#[test]
fn ping_over_ethernet() {
    let link = wire::<8>();
    let (a, b) = link.ends();
    let (a, b) = (attached(a, ethernet(OURS)), attached(b, ethernet(THEIRS)));
    let mut pair = [Stack::new(&a, 1), Stack::new(&b, 2)];
    let handle = pair[0].sockets.add(icmp_socket());
    let socket = pair[0].sockets.get_mut::<icmp::Socket<'_>>(handle);
    socket.bind(icmp::Endpoint::Ident(PING.0)).unwrap();
    let request = Icmpv4Repr::EchoRequest { ident: PING.0, seq_no: PING.1, data: PING.2 };
    let room = socket.send(request.buffer_len(), address(2)).unwrap();
    request.emit(&mut Icmpv4Packet::new_unchecked(room), &ChecksumCapabilities::default());

    let (payload, from) = run(&mut pair, 2000, |pair| {
        let socket = pair[0].sockets.get_mut::<icmp::Socket<'_>>(handle);
        socket.recv().ok().map(|(payload, from)| (payload.to_vec(), from))
    });
    assert_eq!(from, address(2));
    let packet = Icmpv4Packet::new_checked(&payload).unwrap();
    let reply = Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).unwrap();
    assert_eq!(reply, Icmpv4Repr::EchoReply { ident: PING.0, seq_no: PING.1, data: PING.2 });
    for stack in &pair {
        assert!(stack.device.counters().rx.is_balanced());
    }
}

#[test]
fn udp_echo_without_link_header() {
    let link = wire::<8>();
    let (a, b) = link.ends();
    let (a, b) = (attached(a, ip()), attached(b, ip()));
    let mut pair = [Stack::new(&a, 1), Stack::new(&b, 2)];
    let [ours, theirs] = [0, 1].map(|side| pair[side].add_udp(7));
    let sent = pattern(1000);
    pair[0].udp(ours).send_slice(&sent, (address(2), 7)).unwrap();

    let echoed = run(&mut pair, 10, |pair| {
        let request = pair[1].udp(theirs).recv().ok().map(|(data, from)| (data.to_vec(), from));
        if let Some((data, from)) = request {
            pair[1].udp(theirs).send_slice(&data, from.endpoint).unwrap();
        }
        pair[0].udp(ours).recv().ok().map(|(data, _)| data.to_vec())
    });
    assert_eq!(echoed, sent);
    assert_eq!(a.counters().rx.delivered, 1);
}

#[test]
fn tcp_moves_a_mebibyte_over_a_short_link() {
    let link = wire::<4>();
    let (a, b) = link.ends();
    let (a, b) = (attached(a, ethernet(OURS)), attached(b, ethernet(THEIRS)));
    let mut pair = [Stack::new(&a, 1), Stack::new(&b, 2)];
    let arrived = transfer(&mut pair, MEBIBYTE);
    assert!(arrived == pattern(MEBIBYTE), "{} bytes arrived, some of them wrong", arrived.len());

    let (sender, receiver) = (a.counters(), b.counters());
    assert!(sender.tx.calls > sender.tx.sent, "the link was never full: nothing was held back");
    assert_eq!((sender.tx.refused_total(), receiver.tx.refused_total()), (0, 0));
    assert_eq!(receiver.rx.received, sender.tx.sent);
    assert!(sender.rx.is_balanced() && receiver.rx.is_balanced());
    assert_eq!(receiver.rx.dropped_total(), 0);
}

#[test]
fn super_frames_of_smoltcp_are_cut_and_go_on_where_a_short_link_was_full() {
    let link = wire::<8>();
    let (a, b) = link.ends();
    let with_gso = |address| Options { gso: GsoSupport::Software, tx_checksum_offload: true, ..ethernet(address) };
    let (a, b) = (attached(a, with_gso(OURS)), attached(b, with_gso(THEIRS)));
    let mut pair = [Stack::<_, SUPER_FRAME>::with_frame_len(&a, 1), Stack::with_frame_len(&b, 2)];
    let longest = pair[0].device.capabilities().segmentation.tcpv4;
    assert_eq!(longest.map(NonZeroUsize::get), Some(SUPER_FRAME));
    let arrived = transfer(&mut pair, MEBIBYTE);
    assert!(arrived == pattern(MEBIBYTE), "{} bytes arrived, some of them wrong", arrived.len());

    let (sender, receiver) = (a.counters(), b.counters());
    assert_eq!((sender.tx.refused_total(), receiver.rx.dropped_total()), (0, 0));
    assert!(
        sender.tx.calls < sender.tx.sent,
        "{} calls for {} frames: nothing was cut",
        sender.tx.calls,
        sender.tx.sent
    );
    let least = MEBIBYTE.div_ceil(1460);
    assert!(sender.tx.sent < least + least / 4, "{} frames for {least} segments: some left twice", sender.tx.sent);
}

#[test]
fn two_full_ends_go_on_if_one_drops() {
    assert_eq!(flood_both_ways(TxPolicy::Drop), [FLOOD, FLOOD + 1], "the end that drops lost its last");
}

#[test]
fn two_full_ends_that_hold_back_go_on() {
    assert_eq!(flood_both_ways(TxPolicy::Return), [FLOOD + 1, FLOOD + 1]);
}

/// How many datagrams each end got after both filled the link; `policy` is that of the second end.
fn flood_both_ways(policy: TxPolicy) -> [usize; 2] {
    let link = wire::<FLOOD>();
    let (a, b) = link.ends();
    let (a, b) = (attached(a, ip()), attached(b, Options { tx_policy: policy, ..ip() }));
    let mut pair = [Stack::new(&a, 1), Stack::new(&b, 2)];
    let sockets = [0, 1].map(|side| pair[side].add_udp(7));
    for (side, socket) in sockets.into_iter().enumerate() {
        for fill in 0..=FLOOD as u8 {
            pair[side].udp(socket).send_slice(&[fill], (address(2 - side as u8), 7)).unwrap();
        }
        let Stack { device, interface, sockets, .. } = &mut pair[side];
        while interface.poll_egress(NOW, device, sockets) == PollResult::SocketStateChanged {}
    }
    let mut got = [0; 2];
    for _ in 0..4 {
        for (side, stack) in pair.iter_mut().enumerate().rev() {
            stack.poll(NOW);
            while stack.udp(sockets[side]).recv().is_ok() {
                got[side] += 1;
            }
        }
    }
    got
}

/// One smoltcp host, `10.0.0.host`.
pub(crate) struct Stack<'e, IO: RawIo, const N: usize = 1514> {
    pub(crate) device: Device<'e, IO, [Queue<IO>; 1], N>,
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    /// It is polled in turns of its device.
    pub(crate) in_turns: bool,
}

impl<'e, IO: RawIo> Stack<'e, IO> {
    pub(crate) fn new(endpoint: &'e Endpoint<IO>, host: u8) -> Self {
        Self::with_frame_len(endpoint, host)
    }
}

impl<'e, IO: RawIo, const N: usize> Stack<'e, IO, N> {
    pub(crate) fn with_frame_len(endpoint: &'e Endpoint<IO>, host: u8) -> Self {
        let mut device = Device::with_frame_len(endpoint, 0).unwrap();
        let mut interface = Interface::new(Config::new(device.hardware_address()), &mut device, NOW);
        interface.update_ip_addrs(|list| {
            list.push(IpCidr::new(address(host), 24)).unwrap();
            list.push(IpCidr::new(IpAddress::v6(0xfd00, 0, 0, 0, 0, 0, 0, host.into()), 64)).unwrap();
        });
        let sockets = SocketSet::new(room(|| SocketStorage::EMPTY, 2));
        Self { device, interface, sockets, in_turns: false }
    }

    pub(crate) fn poll(&mut self, now: Instant) {
        let Self { device, interface, sockets, in_turns } = self;
        if *in_turns {
            let _ = device.turn(now, interface, sockets, |_, _| {});
        } else {
            interface.poll(now, device, sockets);
        }
    }

    pub(crate) fn add_udp(&mut self, port: u16) -> SocketHandle {
        let buffer = || udp::PacketBuffer::new(room(|| udp::PacketMetadata::EMPTY, 16), room(|| 0, 4096));
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).unwrap();
        self.sockets.add(socket)
    }

    pub(crate) fn udp(&mut self, handle: SocketHandle) -> &mut udp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn add_tcp(&mut self) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(room(|| 0, 65536));
        self.sockets.add(tcp::Socket::new(buffer(), buffer()))
    }

    pub(crate) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

/// Polls both hosts, a simulated millisecond each turn, until `done` gives a value.
fn run<'e, IO: RawIo, const N: usize, T>(
    pair: &mut [Stack<'e, IO, N>; 2],
    turns: i64,
    mut done: impl FnMut(&mut [Stack<'e, IO, N>; 2]) -> Option<T>,
) -> T {
    for turn in 0..turns {
        for stack in pair.iter_mut() {
            stack.poll(Instant::from_millis(turn));
        }
        if let Some(value) = done(pair) {
            return value;
        }
    }
    panic!("nothing came within {turns} ms");
}

/// What arrives of `len` bytes that the first host sends to the second until it closes.
fn transfer<IO: RawIo, const N: usize>(pair: &mut [Stack<'_, IO, N>; 2], len: usize) -> Vec<u8> {
    transfer_to(pair, address(2), len)
}

/// The same to this address of the second host.
pub(crate) fn transfer_to<IO: RawIo, const N: usize>(
    pair: &mut [Stack<'_, IO, N>; 2],
    address: IpAddress,
    len: usize,
) -> Vec<u8> {
    let [from, to] = [0, 1].map(|side| pair[side].add_tcp());
    pair[1].tcp(to).listen(IpListenEndpoint::from(80)).unwrap();
    let Stack { interface, sockets, .. } = &mut pair[0];
    sockets.get_mut::<tcp::Socket<'_>>(from).connect(interface.context(), (address, 80), 49152).unwrap();

    let (data, mut sent, arrived) = (pattern(len), 0, RefCell::new(Vec::new()));
    run(pair, 60_000, |pair| {
        let socket = pair[0].tcp(from);
        if socket.can_send() {
            sent += socket.send_slice(&data[sent..]).unwrap();
        }
        if sent == len {
            socket.close();
        }
        let socket = pair[1].tcp(to);
        while socket.can_recv() {
            socket.recv(|bytes| (bytes.len(), arrived.borrow_mut().extend_from_slice(bytes))).unwrap();
        }
        (socket.state() == tcp::State::CloseWait).then_some(())
    });
    arrived.into_inner()
}

/// Bytes whose period, 251, divides no segment size.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

pub(crate) fn address(host: u8) -> IpAddress {
    IpAddress::v4(10, 0, 0, host)
}

fn icmp_socket() -> icmp::Socket<'static> {
    let buffer = || icmp::PacketBuffer::new(room(|| icmp::PacketMetadata::EMPTY, 4), room(|| 0, 256));
    icmp::Socket::new(buffer(), buffer())
}

/// smoltcp is built without an allocator here, as it is under the device, so it borrows.
fn room<T>(empty: impl FnMut() -> T, len: usize) -> &'static mut [T] {
    std::iter::repeat_with(empty).take(len).collect::<Vec<_>>().leak()
}

const MEBIBYTE: usize = 1 << 20;
/// The longest IPv4 packet behind an Ethernet header.
const SUPER_FRAME: usize = 14 + 65_535;
/// Datagrams that fill one direction.
const FLOOD: usize = 8;
/// Identifier, sequence number and data.
const PING: (u16, u16, &[u8]) = (0x1234, 1, b"are you there");
