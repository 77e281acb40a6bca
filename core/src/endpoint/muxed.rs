use core::net::IpAddr;

use super::state::{State, StateError};
use super::{ArpHardwareType, Capabilities, GsoSupport, InjectableLinkEndpoint, LinkEndpoint, OnCloseAction};
use crate::counters::{Counters, DropCause};
use crate::dispatcher::NetworkDispatcher;
use crate::error::{ConfigError, WriteError};
use crate::packet::{Packet, TxStatus};
use crate::rx::Parsed;
use crate::tx::Written;
use crate::wire::{EtherType, LinkAddress};

/// Several injectable endpoints behind one: a packet goes to the endpoint that is registered for its remote address (origin:
/// `muxed.InjectableEndpoint`).
pub struct MuxedInjectableEndpoint<'e> {
    routes: &'e [Route<'e>],
}

/// True if both are the same endpoint.
fn is_same(a: &dyn InjectableLinkEndpoint, b: &dyn InjectableLinkEndpoint) -> bool {
    core::ptr::addr_eq(a, b)
}

/// Where packets for one address go.
pub type Route<'e> = (IpAddr, &'e dyn InjectableLinkEndpoint);

impl<'e> MuxedInjectableEndpoint<'e> {
    /// An endpoint over `routes`. The first route of an address wins.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoQueues`] if there is no route.
    pub const fn new(routes: &'e [Route<'e>]) -> Result<Self, ConfigError> {
        if routes.is_empty() {
            return Err(ConfigError::NoQueues);
        }
        Ok(Self { routes })
    }

    /// Each endpoint once, however many addresses lead to it.
    fn endpoints(&self) -> impl Iterator<Item = &'e dyn InjectableLinkEndpoint> {
        let is_first = |(at, (_, endpoint)): &(usize, &Route<'e>)| {
            !self.routes.iter().take(*at).any(|(_, earlier)| is_same(*earlier, *endpoint))
        };
        self.routes.iter().enumerate().filter(is_first).map(|(_, (_, endpoint))| *endpoint)
    }

    fn route(&self, destination: Option<IpAddr>) -> Result<&'e dyn InjectableLinkEndpoint, WriteError> {
        let route = self.routes.iter().find(|(address, _)| Some(*address) == destination);
        route.map(|(_, endpoint)| *endpoint).ok_or(WriteError::HostUnreachable)
    }

    fn first(&self) -> Option<&'e dyn InjectableLinkEndpoint> {
        self.endpoints().next()
    }
}

impl InjectableLinkEndpoint for MuxedInjectableEndpoint<'_> {
    fn inject_inbound(
        &self,
        protocol: EtherType,
        packet: &mut [u8],
        dispatcher: &mut dyn NetworkDispatcher,
    ) -> Result<(), WriteError> {
        let endpoint = self.first().ok_or(WriteError::HostUnreachable)?;
        endpoint.inject_inbound(protocol, packet, dispatcher)
    }

    fn inject_outbound(&self, destination: IpAddr, packet: &[u8]) -> Result<Written, WriteError> {
        self.route(Some(destination))?.inject_outbound(destination, packet)
    }
}

impl LinkEndpoint for MuxedInjectableEndpoint<'_> {
    /// The smallest of all.
    fn mtu(&self) -> u32 {
        self.endpoints().map(LinkEndpoint::mtu).min().unwrap_or(0)
    }

    fn set_mtu(&self, mtu: u32) -> Result<(), ConfigError> {
        self.endpoints().try_for_each(|endpoint| endpoint.set_mtu(mtu))
    }

    fn link_address(&self) -> LinkAddress {
        LinkAddress::ZERO
    }

    fn set_link_address(&self, address: LinkAddress) -> Result<(), ConfigError> {
        self.endpoints().try_for_each(|endpoint| endpoint.set_link_address(address))
    }

    /// What all of them can do.
    fn capabilities(&self) -> Capabilities {
        self.endpoints().map(LinkEndpoint::capabilities).fold(Capabilities::all(), Capabilities::intersection)
    }

    /// The largest of all, so that the room suffices whichever endpoint the packet takes (the origin answers the smallest).
    fn max_header_length(&self) -> usize {
        self.endpoints().map(LinkEndpoint::max_header_length).max().unwrap_or(0)
    }

    fn arp_hardware_type(&self) -> ArpHardwareType {
        self.first().map_or(ArpHardwareType::None, LinkEndpoint::arp_hardware_type)
    }

    fn supported_gso(&self) -> GsoSupport {
        GsoSupport::None
    }

    fn gso_max_size(&self) -> u32 {
        0
    }

    /// All of them or none.
    fn attach(&self) -> Result<(), StateError> {
        for (at, endpoint) in self.endpoints().enumerate() {
            if let Err(error) = endpoint.attach() {
                self.endpoints().take(at).for_each(LinkEndpoint::detach);
                return Err(error);
            }
        }
        Ok(())
    }

    fn detach(&self) {
        self.endpoints().for_each(LinkEndpoint::detach);
    }

    fn state(&self) -> State {
        self.first().map_or(State::Closed, LinkEndpoint::state)
    }

    fn close(&self) {
        self.endpoints().for_each(LinkEndpoint::close);
    }

    fn set_on_close_action(&self, action: Option<OnCloseAction>) {
        if let Some(endpoint) = self.first() {
            endpoint.set_on_close_action(action);
        }
    }

    /// Left to the endpoint that the packet will take.
    fn add_header(&self, packet: &mut Packet<'_>) {
        if let Ok(endpoint) = self.route(packet.remote()) {
            endpoint.add_header(packet);
        }
    }

    fn parse_header(&self, frame: &[u8]) -> Result<Parsed, DropCause> {
        self.first().ok_or(DropCause::ForeignAddress)?.parse_header(frame)
    }

    /// One by one, each to the endpoint of its [`Packet::remote`].
    ///
    /// # Errors
    ///
    /// [`WriteError::HostUnreachable`] where nothing was sent because no pending packet has a route; other packets without a route stay pending.
    fn write_packets(&self, packets: &mut [Packet<'_>]) -> Result<Written, WriteError> {
        let mut total = Written::default();
        let mut error = None;
        for at in 0..packets.len() {
            let (earlier, rest) = packets.split_at_mut(at);
            let Some(packet) = rest.first_mut().filter(|packet| packet.status() == TxStatus::Pending) else { continue };
            if total.pending > 0 && self.must_wait(packet, earlier) {
                total.pending += 1;
                continue;
            }
            match self.write_packet(packet) {
                Ok(written) => total = total + written,
                Err(e) => {
                    total.pending += 1;
                    error = Some(e);
                }
            }
        }
        match error {
            Some(error) if total.sent + total.refused == 0 => Err(error),
            _ => Ok(total),
        }
    }

    fn counters(&self) -> Counters {
        self.endpoints().map(LinkEndpoint::counters).fold(Counters::default(), |sum, c| sum + c)
    }
}

impl MuxedInjectableEndpoint<'_> {
    /// True if an earlier packet for the same endpoint is still pending: this one must not overtake it.
    fn must_wait(&self, packet: &Packet<'_>, earlier: &[Packet<'_>]) -> bool {
        let Ok(endpoint) = self.route(packet.remote()) else { return false };
        let pending = earlier.iter().filter(|earlier| earlier.status() == TxStatus::Pending);
        pending.filter_map(|earlier| self.route(earlier.remote()).ok()).any(|other| is_same(other, endpoint))
    }

    fn write_packet(&self, packet: &mut Packet<'_>) -> Result<Written, WriteError> {
        let endpoint = self.route(packet.remote())?;
        endpoint.write_packets(core::slice::from_mut(packet))
    }
}
