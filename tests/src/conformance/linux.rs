//! Linux descriptors as kinds of channels.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;
use fdlink_linux::{DispatchMode, FdIo, FdOptions, RingOptions, RingVersion};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};

use super::{Bench, FarEnd, Shape, Traits};
use crate::lab::{Namespace, Veth, link};

/// Pairs of unix sockets.
#[derive(Debug, Clone, Copy)]
pub struct UnixBench {
    /// With connections (`SOCK_SEQPACKET`) or without (`SOCK_DGRAM`).
    pub seqpacket: bool,
    /// How frames are received.
    pub mode: DispatchMode,
}

impl Bench for UnixBench {
    type Io = FdIo<OwnedFd>;
    type Far = FarSocket;

    fn open(&self, receive_len: usize) -> (Self::Io, FarSocket) {
        let kind = if self.seqpacket { SocketType::SEQPACKET } else { SocketType::DGRAM };
        let (near, far) = socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).expect("a socket pair");
        (channel(near, self.mode, receive_len), FarSocket { socket: far, interfaces: Vec::new(), _veth: None })
    }

    fn traits(&self) -> Traits {
        Traits {
            shape: Shape::Any,
            longest: 65_535,
            too_long: Some(1 << 20),
            rejected: None,
            zero_length: true,
            close_is_received: self.seqpacket,
            close_refuses: true,
            fills: true,
            interface: false,
            ..of_mode(self.mode)
        }
    }
}

/// TAP and TUN interfaces. The far end is a packet socket on the same interface: what it sends goes out through the descriptor, and what
/// the descriptor writes comes in.
#[derive(Debug, Clone, Copy)]
pub struct TunTapBench {
    /// Ethernet frames or IP packets.
    pub tap: bool,
}

impl Bench for TunTapBench {
    type Io = FdIo<OwnedFd>;
    type Far = FarSocket;

    fn open(&self, receive_len: usize) -> (Self::Io, FarSocket) {
        let kind = if self.tap { TunTap::tap } else { TunTap::tun };
        let device = kind("conf%d").open().expect("a TUN/TAP interface");
        device.up().expect("the interface goes up");
        let name = device.name().to_owned();
        link::wait_up(&name, CARRIER).expect("the interface is up");
        let socket = PacketSocket::on(&name).open().expect("a packet socket");
        let far = FarSocket { socket, interfaces: vec![name], _veth: None };
        (channel(device.into(), DispatchMode::Readv, receive_len), far)
    }

    fn traits(&self) -> Traits {
        let (shape, longest, rejected): (_, _, &[u8]) =
            if self.tap { (Shape::Ethernet, 1514, &[2; 13]) } else { (Shape::Ipv4, 1500, &[0; 40]) };
        let mode = of_mode(DispatchMode::Readv);
        Traits { shape, longest, rejected: Some(rejected), tells_real_length: false, ..mode }
    }
}

/// Packet sockets at both ends of a veth pair.
#[derive(Debug, Clone, Copy)]
pub struct PacketBench {
    /// How frames are received.
    pub mode: DispatchMode,
    /// By which ring, in that mode.
    pub ring: RingVersion,
}

impl PacketBench {
    /// Not by a ring.
    #[must_use]
    pub fn socket(mode: DispatchMode) -> Self {
        Self { mode, ring: RingVersion::V2 }
    }

    /// By a ring.
    #[must_use]
    pub fn ring(ring: RingVersion) -> Self {
        Self { mode: DispatchMode::PacketMmap, ring }
    }
}

impl Bench for PacketBench {
    type Io = FdIo<Kept>;
    type Far = FarSocket;

    fn open(&self, receive_len: usize) -> (Self::Io, FarSocket) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [near, far] = ["near", "far"].map(|end| format!("{end}{number}"));
        let here = Namespace::current().expect("a namespace");
        Veth::pair((&here, &near), (&here, &far)).expect("a veth pair");
        let veth = Arc::new(DeletedAtLast(near.clone()));
        let [fd, socket] = [&near, &far].map(|end| PacketSocket::on(end).open().expect("a packet socket"));
        let kept = Kept { fd, _veth: Arc::clone(&veth) };
        let ring = RingOptions { version: self.ring, frames: Some(256), ..RingOptions::default() };
        let options = FdOptions { ring, ..options(self.mode, receive_len) };
        let near_io = FdIo::new(kept, &options).expect("a channel");
        (near_io, FarSocket { socket, interfaces: vec![near, far], _veth: Some(veth) })
    }

    fn traits(&self) -> Traits {
        Traits {
            shape: Shape::Ethernet,
            longest: 1514,
            too_long: Some(1600),
            rejected: Some(&[2; 13]),
            ..of_mode(self.mode)
        }
    }
}

/// What is the same for every kind with an interface.
fn of_mode(mode: DispatchMode) -> Traits {
    let many = mode != DispatchMode::Readv;
    Traits {
        shape: Shape::Any,
        longest: 0,
        too_long: None,
        rejected: None,
        zero_length: false,
        zero_length_before_close: false,
        tells_real_length: true,
        close_is_received: false,
        close_refuses: false,
        fills: false,
        keeps: many,
        blocks: true,
        interface: true,
    }
}

fn channel<F: AsFd>(fd: F, mode: DispatchMode, receive_len: usize) -> FdIo<F> {
    FdIo::new(fd, &options(mode, receive_len)).expect("a channel")
}

fn options(mode: DispatchMode, receive_len: usize) -> FdOptions {
    FdOptions { dispatch_mode: Some(mode), max_frame_len: Some(receive_len), ..FdOptions::default() }
}

/// A socket at the far end, used without fdlink.
#[derive(Debug)]
pub struct FarSocket {
    socket: OwnedFd,
    /// Below the channel under test, and those that are up only if it is.
    interfaces: Vec<String>,
    /// Kept for as long as this end is there.
    _veth: Option<Arc<DeletedAtLast>>,
}

impl FarSocket {
    fn interface(&self) -> &str {
        self.interfaces.first().expect("this kind has an interface")
    }
}

impl FarEnd for FarSocket {
    fn send(&mut self, frame: &[u8]) {
        let sent = send(&self.socket, frame, SendFlags::DONTWAIT).expect("the far end has room");
        assert_eq!(sent, frame.len());
    }

    fn receive(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 17];
        let (len, _) = recv(&self.socket, buffer.as_mut_slice(), RecvFlags::DONTWAIT).ok()?;
        buffer.truncate(len);
        Some(buffer)
    }

    fn set_interface(&mut self, up: bool) {
        let name = self.interface();
        if !up {
            return link::set_down(name).expect("the interface goes down");
        }
        link::set_up(name).expect("the interface goes up");
        for name in &self.interfaces {
            link::wait_up(name, CARRIER).expect("the interface is up");
        }
        // A socket on an interface that went down tells it once; this takes it.
        let _ = rustix::net::sockopt::socket_error(&self.socket);
    }

    fn delete_interface(&mut self) {
        link::delete(self.interface()).expect("the interface goes");
    }
}

/// A descriptor whose veth pair stays as long as it does.
#[derive(Debug)]
pub struct Kept {
    fd: OwnedFd,
    _veth: Arc<DeletedAtLast>,
}

impl AsFd for Kept {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A veth pair, by the name of one end, that goes when nobody needs it any more.
#[derive(Debug)]
struct DeletedAtLast(String);

impl Drop for DeletedAtLast {
    fn drop(&mut self) {
        // A rule may have deleted it.
        let _ = link::delete(&self.0);
    }
}

const CARRIER: Duration = Duration::from_secs(5);
