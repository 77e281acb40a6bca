//! A smoltcp [`phy::Device`] over one queue of an endpoint: no allocation, received frames lent in place.
//!
//! ```
//! use fdlink_core::{Endpoint, LinkAddress, LinkEndpoint, Options, Queue, smoltcp::{Device, Turn}};
//! use smoltcp::iface::{Config, Interface, SocketSet, SocketStorage};
//! use smoltcp::socket::tcp;
//! use smoltcp::time::Instant;
//! use smoltcp::wire::{IpAddress, IpCidr};
//!
//! # use fdlink_core::io::RawIo;
//! let link = fdlink_mock::Link::<8, 1514>::new();
//! let (ours, theirs) = link.ends();
//! let options = Options { address: LinkAddress([2, 0, 0, 0, 0, 1]), ..Options::default() };
//! let endpoint = Endpoint::new([Queue::new(ours)], options)?;
//! endpoint.attach()?;
//!
//! let mut device = Device::new(&endpoint, 0)?;
//! let config = Config::new(device.hardware_address());
//! let mut interface = Interface::new(config, &mut device, Instant::ZERO);
//! interface.update_ip_addrs(|list| _ = list.push(IpCidr::new(IpAddress::v4(10, 0, 0, 2), 24)));
//!
//! const BUFFER: usize = 0xffff << 2;
//! let (mut received, mut sent) = (vec![0; BUFFER], vec![0; BUFFER]); // or statics
//! let mut socket = tcp::Socket::new(tcp::SocketBuffer::new(&mut received[..]), tcp::SocketBuffer::new(&mut sent[..]));
//! socket.set_ack_delay(None);
//! socket.listen(80)?;
//! let mut storage = [SocketStorage::EMPTY];
//! let mut sockets = SocketSet::new(&mut storage[..]);
//! let handle = sockets.add(socket);
//! # drop(theirs.split()); // or this would run for ever
//!
//! loop {
//!     let now = Instant::ZERO; // from a clock
//!     let turn = device.turn(now, &mut interface, &mut sockets, |_, sockets| {
//!         let socket = sockets.get_mut::<tcp::Socket>(handle);
//!         while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
//!     });
//!     match turn {
//!         Turn::Again => {}
//!         Turn::Dry(timeout) => _ = device.wait(timeout),
//!         Turn::Ended => break,
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Bulk TCP
//!
//! What makes it fast, in the order of what it brings:
//!
//! | | why |
//! |---|---|
//! | virtio-net header, [`GsoSupport::Host`](crate::GsoSupport), [`Options::tx_checksum_offload`](crate::Options::tx_checksum_offload), `N` of 65,549 | one frame of 64 KiB instead of 45 |
//! | [`turn`](Device::turn) instead of `Interface::poll` | both ends work at once |
//! | socket buffers of 256 KiB or more | at 64 KiB the window is one super-frame, and the ends take turns |
//! | `set_ack_delay(None)` | one acknowledgement each turn, and no timer of 10 ms after a lone super-frame |
//! | [`WakePolicy::BusyPoll`](crate::WakePolicy::BusyPoll) with a budget of 100 to 200, on a core of its own | an acknowledgement from another core comes sooner than a sleep and a wake-up take in processor time: 10 to 30 % less for uploads whose buffer is one super-frame; downloads gain nothing |
//! | receive buffers of `0xffff << n` | the most that a scaled window can say: none of it is taken back by rounding |
//!
//! # Super-frames
//!
//! Received ones of TCP are lent whole, and smoltcp takes them as they are. One of UDP it would take for a single datagram, so the device lends its
//! datagrams one after another, from a copy: it has room for `N` bytes, and a longer one is dropped
//! ([`Truncated`](crate::DropCause::Truncated)). With an `N` below 65,549 do not ask the system for [`USO4`](crate::io::Offloads::USO4) and
//! [`USO6`](crate::io::Offloads::USO6), and it cuts them. Datagrams that are left when a device is dropped are counted as given up
//! ([`BacklogFull`](crate::DropCause::BacklogFull)).
//!
//! Sent ones come about in two ways. TCP over IPv4 is smoltcp's own segmentation offload, in any loop. Whatever else smoltcp makes one by one, TCP
//! over IPv6 above all, is merged in the buffer of the device by the rules of [receive offload](crate::rx::gro), without a copy of payload: within a
//! [`turn`](Device::turn), since somebody has to say that no more is to come, where the system cuts such frames and `N` has room for two. Segments of
//! one socket merge if no other socket has something to send in between. A super-frame of smoltcp's own that follows merged ones which the
//! descriptor does not take now gets their place, as a reply does (see below).
//!
//! # Checksums
//!
//! Where frames have a virtio-net header, or with [`Options::rx_checksum_offload`](crate::Options::rx_checksum_offload), the device verifies the
//! transport checksums of received frames that nobody has verified, drops wrong ones, and tells smoltcp not to look: a partial checksum is no
//! fault, but smoltcp has no word for it. TCP and UDP in fragments are not verified then.
//!
//! # Frames that do not fit the token model
//!
//! smoltcp's tokens can neither fail nor decline, so what goes wrong is counted by the endpoint and told beside them:
//!
//! - A received frame that the endpoint drops (truncated, a runt, for another address, a wrong checksum) is counted there and shown to smoltcp as an
//!   empty one, which it passes over. A token that is not used takes nothing: the frame comes again.
//! - A frame that the descriptor does not take now stays in the device's one transmit buffer and is tried again first. Until it has left,
//!   [`transmit`](phy::Device::transmit) gives no token, so smoltcp keeps its data. [`receive`](phy::Device::receive) goes on, or two stacks that
//!   face each other with both directions full would wait for each other for ever; a reply then takes the place of the frame that was
//!   held back, which is counted as refused, like a frame that a full network card drops.
//! - A frame that is refused is counted and kept as [`take_refusal`](Device::take_refusal).
//! - The end of the queue is kept as [`ended`](Device::ended); there are no tokens after it.

mod datagrams;
mod egress;
mod ingress;
mod merge;
mod turn;

use core::fmt;
use core::num::NonZeroUsize;
use core::time::Duration;

use ::smoltcp::phy::{self, Checksum, ChecksumCapabilities, DeviceCapabilities, Medium};
use ::smoltcp::time::Instant;
use ::smoltcp::wire::{EthernetAddress, HardwareAddress};

pub use egress::TxToken;
pub use ingress::RxToken;
pub use turn::{INGRESS_BUDGET, Turn};

use crate::counters::Counters;
use crate::dispatcher::LinkEvent;
use crate::endpoint::{Capabilities, Endpoint, LinkEndpoint as _, Queue};
use crate::error::ReceiverError;
use crate::io::{RawIo, Wake};
use crate::packet::Refusal;
use crate::rx::Ended;
use egress::Egress;
use ingress::Ingress;

/// A smoltcp device over one queue of an attached endpoint; see the [module](self).
///
/// `N` is the size of the transmit buffer in bytes: the longest frame, link header included. It is also the room for a received super-frame of
/// UDP, so the device takes twice as much memory.
pub struct Device<'e, IO: RawIo, Q: AsRef<[Queue<IO>]> = [Queue<IO>; 1], const N: usize = 1514> {
    ingress: Ingress<'e, IO, N>,
    egress: Egress<'e, IO, Q, N>,
    /// The MTU at the start: smoltcp asks once, and computes with it unchecked.
    max_frame_len: usize,
    /// Most frames that a turn receives.
    ingress_budget: usize,
}

impl<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>> Device<'e, IO, Q> {
    /// A device over queue `index` for frames of up to 1514 bytes: the usual MTU of 1500 behind an Ethernet header.
    ///
    /// # Errors
    ///
    /// As for [`with_frame_len`](Device::with_frame_len).
    pub fn new(endpoint: &'e Endpoint<IO, Q>, index: usize) -> Result<Self, DeviceError> {
        Self::with_frame_len(endpoint, index)
    }
}

impl<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Device<'e, IO, Q, N> {
    /// A device over queue `index` for frames of up to `N` bytes: `Device::<_, _, 9014>::with_frame_len(&endpoint, 0)`.
    ///
    /// It takes the queue's receiver out until it is dropped, and sends on the same queue. It announces the endpoint's MTU of this
    /// moment; after [`set_mtu`](crate::LinkEndpoint::set_mtu), make a new device and a new interface.
    ///
    /// # Errors
    ///
    /// [`DeviceError`]: the receiver could not be had, or the MTU suits `N` or smoltcp badly.
    pub fn with_frame_len(endpoint: &'e Endpoint<IO, Q>, index: usize) -> Result<Self, DeviceError> {
        let mtu = endpoint.mtu();
        let max_frame_len = endpoint.max_header_length() + mtu.min(MAX_MTU) as usize;
        if mtu < MIN_MTU {
            return Err(DeviceError::MtuTooSmall { mtu });
        }
        if max_frame_len > N {
            return Err(DeviceError::BufferTooSmall { len: N, needed: max_frame_len });
        }
        let receiver = endpoint.receiver(index).map_err(DeviceError::Receiver)?;
        let queue = endpoint.queues().get(index).ok_or(DeviceError::Receiver(ReceiverError::NoSuchQueue))?;
        Ok(Self {
            ingress: Ingress::new(receiver),
            egress: Egress::new(endpoint, queue, index),
            max_frame_len,
            ingress_budget: INGRESS_BUDGET,
        })
    }

    /// The endpoint's address as smoltcp's `Config` wants it: frames for any other are dropped unless the endpoint is promiscuous.
    #[must_use]
    pub fn hardware_address(&self) -> HardwareAddress {
        let endpoint = self.egress.endpoint;
        match medium(endpoint) {
            Medium::Ethernet => HardwareAddress::Ethernet(EthernetAddress(endpoint.link_address().0)),
            _ => HardwareAddress::Ip,
        }
    }

    /// Waits until a poll of the interface may get further, or `timeout` has passed (`None`: for ever).
    ///
    /// That is: until a frame has come or, while one is held back, until the descriptor may take it, for 10 ms at most. In the latter case
    /// smoltcp's own `poll_delay` is often zero, because it has more to send: ask [`flush`](Device::flush) first and give a longer time, as
    /// [`turn`](Device::turn) does.
    ///
    /// [`Wake::Stopped`]: poll once more, then [`ended`](Device::ended) says why.
    pub fn wait(&mut self, timeout: Option<Duration>) -> Wake {
        if self.ingress.ended.is_some() {
            return Wake::Stopped;
        }
        if self.egress.flush() { self.ingress.wait(timeout) } else { self.egress.wait(timeout) }
    }

    /// Tries the frame that is held back, if there is one. True if none is now. A device that is dropped counts its frame as refused.
    pub fn flush(&mut self) -> bool {
        self.egress.flush()
    }

    /// Why nothing more comes, once that is so. It shows when a poll or a [`wait`](Device::wait) meets the end.
    #[must_use]
    pub const fn ended(&self) -> Option<&Ended<IO::Error>> {
        self.ingress.ended.as_ref()
    }

    /// The newest link event that was not taken yet. An end ([`LinkEvent::is_end`]) comes once for each attachment and queue.
    pub const fn take_event(&mut self) -> Option<LinkEvent> {
        self.ingress.events.newest.take()
    }

    /// Why the last refused frame was refused, if that was not taken yet. Each refusal is in [`counters`](Device::counters).
    pub const fn take_refusal(&mut self) -> Option<Refusal> {
        self.egress.refusal.take()
    }

    /// What passed through the queue so far, by this device and others. What the system dropped in front of the queue is in it for good once
    /// the device was dropped.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.egress.queue.counters()
    }
}

impl<'e, IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> phy::Device for Device<'e, IO, Q, N> {
    type RxToken<'t>
        = RxToken<'t, 'e, IO, N>
    where
        Self: 't;
    type TxToken<'t>
        = TxToken<'t, 'e, IO, Q, N>
    where
        Self: 't;

    /// Both tokens if a frame is there.
    fn receive(&mut self, _timestamp: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.egress.flush();
        if self.ingress.ended.is_some() || !self.ingress.has_frame() {
            return None;
        }
        Some((RxToken(&mut self.ingress), TxToken { egress: &mut self.egress, gso_size: None }))
    }

    /// A token if the transmit buffer is free.
    fn transmit(&mut self, _timestamp: Instant) -> Option<Self::TxToken<'_>> {
        if self.ingress.ended.is_some() || !self.egress.has_room(self.max_frame_len) {
            return None;
        }
        Some(TxToken { egress: &mut self.egress, gso_size: None })
    }

    /// The medium follows [`Options::ethernet_header`](crate::Options::ethernet_header); the length includes the link header. smoltcp computes the
    /// checksums of TCP and UDP unless [`Options::tx_checksum_offload`](crate::Options::tx_checksum_offload) is on, verifies those that the
    /// [device](self#checksums) does not, and makes super-frames of TCP over IPv4 where it leaves checksums alone, the endpoint takes them
    /// ([`Options::gso`](crate::Options::gso)) and `N` has room for them.
    fn capabilities(&self) -> DeviceCapabilities {
        let endpoint = self.egress.endpoint;
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = medium(endpoint);
        capabilities.max_transmission_unit = self.max_frame_len;
        let completed = endpoint.capabilities().contains(Capabilities::TX_CHECKSUM_OFFLOAD);
        capabilities.checksum = checksum_capabilities(self.ingress.verifies_checksums(), completed);
        if completed {
            capabilities.segmentation.tcpv4 =
                longest_super_frame(endpoint, N).filter(|len| len.get() > self.max_frame_len);
        }
        capabilities
    }
}

/// What smoltcp does about checksums: those of TCP and UDP, where they are not `verified` below on receive, or `completed` below on send.
fn checksum_capabilities(verified: bool, completed: bool) -> ChecksumCapabilities {
    let transport = || match (verified, completed) {
        (false, false) => Checksum::Both,
        (true, false) => Checksum::Tx,
        (false, true) => Checksum::Rx,
        (true, true) => Checksum::None,
    };
    let mut capabilities = ChecksumCapabilities::default();
    (capabilities.tcp, capabilities.udp) = (transport(), transport());
    capabilities
}

/// In bytes, link header included; beyond 65,535 bytes of packet smoltcp would write a length of 0.
fn longest_super_frame<IO: RawIo, Q: AsRef<[Queue<IO>]>>(
    endpoint: &Endpoint<IO, Q>,
    room: usize,
) -> Option<NonZeroUsize> {
    match endpoint.gso_max_size() {
        0 => None,
        size => NonZeroUsize::new((endpoint.max_header_length() + size.min(MAX_MTU) as usize).min(room)),
    }
}

fn medium<IO: RawIo, Q: AsRef<[Queue<IO>]>>(endpoint: &Endpoint<IO, Q>) -> Medium {
    if endpoint.max_header_length() == 0 { Medium::Ip } else { Medium::Ethernet }
}

/// Why a device could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceError {
    /// The receiver of the queue could not be had.
    Receiver(ReceiverError),
    /// `N` is too small for the endpoint's MTU and link header.
    BufferTooSmall {
        /// `N`, in bytes.
        len: usize,
        /// What it takes, in bytes.
        needed: usize,
    },
    /// The endpoint's MTU is below 68 bytes, the least that IPv4 allows (RFC 791): smoltcp subtracts headers from it unchecked.
    MtuTooSmall {
        /// The endpoint's MTU, in bytes.
        mtu: u32,
    },
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Receiver(error) => error.fmt(f),
            Self::BufferTooSmall { len, needed } => {
                write!(
                    f,
                    "a frame of {needed} bytes does not fit the transmit buffer of {len}: raise N or lower the MTU"
                )
            }
            Self::MtuTooSmall { mtu } => write!(f, "mtu: {mtu} is below {MIN_MTU}, the least that smoltcp works with"),
        }
    }
}

impl core::error::Error for DeviceError {}

/// Also the most that smoltcp 0.14 subtracts: 60 bytes of IPv4 header and 8 of UDP, in its DHCP client.
const MIN_MTU: u32 = 68;
/// What the length field of IPv4 can say.
const MAX_MTU: u32 = 65535;
