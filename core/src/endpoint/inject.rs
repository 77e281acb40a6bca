use core::net::IpAddr;

use super::{Endpoint, LinkEndpoint, Options, Queue};
use crate::dispatcher::NetworkDispatcher;
use crate::error::{ConfigError, WriteError};
use crate::io::{RawIo, RxMeta};
use crate::packet::{Packet, RxPacket};
use crate::tx::Written;
use crate::wire::EtherType;

/// An endpoint into which packets can be put by hand, in both directions (origin: `stack.InjectableLinkEndpoint`).
pub trait InjectableLinkEndpoint: LinkEndpoint {
    /// Hands a packet to `dispatcher` as if it had been received, a batch of its own, and counts it.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where nothing is attached; the packet was not delivered.
    fn inject_inbound(
        &self,
        protocol: EtherType,
        packet: &mut [u8],
        dispatcher: &mut dyn NetworkDispatcher,
    ) -> Result<(), WriteError>;

    /// Sends a packet that has all its headers but the link header towards `destination`.
    ///
    /// # Errors
    ///
    /// [`WriteError`], before anything was tried.
    fn inject_outbound(&self, destination: IpAddr, packet: &[u8]) -> Result<Written, WriteError>;
}

/// An endpoint that nobody polls: it receives what is injected and writes to its channel (origin: `fdbased.InjectableEndpoint`).
pub type InjectableEndpoint<IO> = Endpoint<IO>;

impl<IO: RawIo> InjectableEndpoint<IO> {
    /// An endpoint without link header that writes packets of up to `mtu` bytes to `io` (origin: `NewInjectable`).
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: the MTU is zero or above what the channel carries.
    pub fn injectable(io: IO, mtu: u32) -> Result<Self, ConfigError> {
        let options = Options { mtu, ethernet_header: false, ..Options::default() };
        Self::new([Queue::new(io)], options)
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> InjectableLinkEndpoint for Endpoint<IO, Q> {
    fn inject_inbound(
        &self,
        protocol: EtherType,
        packet: &mut [u8],
        dispatcher: &mut dyn NetworkDispatcher,
    ) -> Result<(), WriteError> {
        self.shared.check_writable()?;
        let meta = RxMeta::new(packet.len());
        self.shared.injected.lock().rx.count_delivered(1, packet.len());
        dispatcher.deliver(protocol, RxPacket::new(packet, 0, meta));
        let given_up = dispatcher.end_of_batch();
        self.shared.injected.lock().rx.count_given_up(given_up);
        Ok(())
    }

    /// The packet goes to queue 0, as it is; one channel has one other end, so the destination does not matter here.
    fn inject_outbound(&self, _destination: IpAddr, packet: &[u8]) -> Result<Written, WriteError> {
        self.write_packets(&mut [Packet::framed(&[packet])])
    }
}
