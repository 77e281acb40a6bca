//! Descriptors of a simulated [`Network`], each a [`RawIo`] that behaves like one of Linux.

mod kind;
mod rx;
mod tx;

use fdlink_core::io::{Channel, Limits, Offloads, RawIo, Stop};

pub(crate) use kind::truesize;
pub use kind::{Kind, Ring};
pub use rx::{DescriptorBatch, DescriptorRx};
pub use tx::DescriptorTx;

use crate::MockError;
use crate::network::Network;

/// How a descriptor is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescriptorOptions {
    /// Longest frame in bytes that is received whole.
    pub receive_len: usize,
    /// Frames that one call receives at most, where one call receives many.
    pub slots: usize,
    /// Frames that wait in the system: the queue of an interface, the receive buffer of a packet socket.
    pub receive_frames: usize,
    /// Send buffer of a unix socket in bytes (`SO_SNDBUF`, as the kernel doubles it).
    pub send_buffer: usize,
    /// Frames that one call sends at most, where one call sends many.
    pub frames_per_send: usize,
    /// A packet socket also receives what it sent itself (without `PACKET_IGNORE_OUTGOING`).
    pub echoes: bool,
    /// A packet socket takes the outermost VLAN tag out of a frame and tells it, as Linux does; otherwise it stays in.
    pub takes_tags_out: bool,
    /// Bytes of virtio-net header in front of each frame, both ways: 10, 12 or more, or 0 for none. Both ends of unix sockets have to agree.
    pub vnet_header_len: usize,
    /// What is done for frames with a virtio-net header: by the system for those that are sent, and by the receiver for those that come
    /// (`TUNSETOFFLOAD`). Frames that ask for more are refused on the one side, and cut and completed on the other.
    pub offloads: Offloads,
    /// Leaves out frames that the endpoint does not take, as a filter in the kernel does.
    pub filters: bool,
}

impl Default for DescriptorOptions {
    /// What Linux has: 1514 bytes, 8 slots, 1000 frames, 212,992 bytes, 64 frames, no echoes, tags left in, no virtio-net header, no filter.
    fn default() -> Self {
        Self {
            receive_len: 1514,
            slots: 8,
            receive_frames: 1000,
            send_buffer: 212_992,
            frames_per_send: 64,
            echoes: false,
            takes_tags_out: false,
            vnet_header_len: 0,
            offloads: Offloads::empty(),
            filters: false,
        }
    }
}

/// A descriptor at a port of a [`Network`].
#[derive(Debug)]
pub struct Descriptor {
    network: Network,
    port: usize,
    kind: Kind,
    options: DescriptorOptions,
}

impl Descriptor {
    pub(crate) const fn new(network: Network, port: usize, kind: Kind, options: DescriptorOptions) -> Self {
        Self { network, port, kind, options }
    }

    /// The number by which the network and its fault plan know this descriptor.
    #[must_use]
    pub const fn port(&self) -> usize {
        self.port
    }
}

impl RawIo for Descriptor {
    type Error = MockError;
    type Rx = DescriptorRx;
    type Tx = DescriptorTx;
    type Stop = DescriptorStop;

    fn limits(&self) -> Limits {
        let many = if self.kind.is_read() { 1 } else { self.options.frames_per_send };
        let DescriptorOptions { receive_len, vnet_header_len, offloads, .. } = self.options;
        Limits::new(receive_len).with_frames_per_send(many).with_vnet_header(vnet_header_len, offloads)
    }

    fn split(self) -> Channel<DescriptorRx, DescriptorTx, DescriptorStop> {
        let Self { network, port, kind, options } = self;
        Channel {
            rx: DescriptorRx::new(network.clone(), port, kind, options.receive_len),
            tx: DescriptorTx::new(network.clone(), port),
            stop: DescriptorStop { network, port },
        }
    }
}

/// Ends the waits of a [`Descriptor`].
#[derive(Debug, Clone)]
pub struct DescriptorStop {
    network: Network,
    port: usize,
}

impl Stop for DescriptorStop {
    fn stop(&self) {
        self.network.set_stopped(self.port, true);
    }

    fn rearm(&self) {
        self.network.set_stopped(self.port, false);
    }
}
