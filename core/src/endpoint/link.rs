use super::options::{ArpHardwareType, Capabilities, GsoSupport};
use super::state::{State, StateError};
use crate::counters::{Counters, DropCause};
use crate::error::{ConfigError, WriteError};
use crate::packet::Packet;
use crate::rx::Parsed;
use crate::tx::Written;
use crate::wire::LinkAddress;

/// What runs when an endpoint is closed (origin: `SetOnCloseAction`).
pub type OnCloseAction = &'static (dyn Fn() + Sync);

/// What a network stack sees of an endpoint: everything but receiving, which is driven queue by queue with a
/// [`Receiver`](crate::Receiver) and handed to a [`NetworkDispatcher`](crate::NetworkDispatcher).
///
/// Object-safe, so that a stack can hold any endpoint, and endpoints can wrap one another (origin: `stack.LinkEndpoint`).
pub trait LinkEndpoint {
    /// Longest packet in bytes, link header excluded.
    fn mtu(&self) -> u32;

    /// Changes the MTU. The interface below keeps its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::MtuZero`], [`ConfigError::MtuAboveFrameLimit`].
    fn set_mtu(&self, mtu: u32) -> Result<(), ConfigError>;

    /// The endpoint's own address.
    fn link_address(&self) -> LinkAddress;

    /// Changes the endpoint's own address; takes effect with the next batch. The interface below keeps its own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::GroupAddress`]; [`ConfigError::RxFilterRefused`], where a filter of the system cannot follow.
    fn set_link_address(&self, address: LinkAddress) -> Result<(), ConfigError>;

    /// What a stack may rely on.
    fn capabilities(&self) -> Capabilities;

    /// Bytes that [`add_header`](LinkEndpoint::add_header) puts in front of a packet at most.
    fn max_header_length(&self) -> usize;

    /// The hardware type for ARP.
    fn arp_hardware_type(&self) -> ArpHardwareType;

    /// Who segments packets above the MTU.
    fn supported_gso(&self) -> GsoSupport;

    /// Longest packet in bytes that may be handed in for segmentation; 0 where nobody segments.
    fn gso_max_size(&self) -> u32;

    /// Opens the endpoint for receivers and writers. After a detach it can be attached again, once the receivers are back.
    ///
    /// # Errors
    ///
    /// [`StateError`]: attached already, draining, or closed.
    fn attach(&self) -> Result<(), StateError>;

    /// Ends the attachment: stops the receivers, each within one batch. Idempotent. Does not wait for them.
    fn detach(&self);

    /// Where the endpoint stands.
    fn state(&self) -> State;

    /// True from [`attach`](LinkEndpoint::attach) until [`detach`](LinkEndpoint::detach) or [`close`](LinkEndpoint::close).
    fn is_attached(&self) -> bool {
        self.state().is_attached()
    }

    /// Returns once no receiver is out after a detach or close, calling `relax` (yield, sleep, drive something) in between. Returns at
    /// once while attached.
    fn wait(&self, relax: &mut dyn FnMut()) {
        while matches!(self.state(), State::Detaching | State::Closing) {
            relax();
        }
    }

    /// Gives the endpoint up for good and runs the on-close action, once. Does not wait for the receivers.
    fn close(&self);

    /// Sets what [`close`](LinkEndpoint::close) runs.
    fn set_on_close_action(&self, action: Option<OnCloseAction>);

    /// Puts the link header in front of `packet`; a header that is there already is replaced, a framed packet is left alone.
    /// [`write_packets`](LinkEndpoint::write_packets) does this by itself where it is missing.
    fn add_header(&self, packet: &mut Packet<'_>);

    /// Reads the link header of a received frame and says whether it is for this endpoint.
    ///
    /// # Errors
    ///
    /// The cause for which the endpoint would drop the frame.
    fn parse_header(&self, frame: &[u8]) -> Result<Parsed, DropCause>;

    /// Sends the pending ones among `packets` and writes into each what became of it ([`Packet::status`]).
    ///
    /// Packets of one flow hash keep their order: a packet that stays pending keeps those behind it in its queue pending too, while a
    /// refused one takes no other with it. Hand the same slice in again to go on.
    ///
    /// # Errors
    ///
    /// [`WriteError`], before anything was tried.
    fn write_packets(&self, packets: &mut [Packet<'_>]) -> Result<Written, WriteError>;

    /// What passed so far, all queues together.
    fn counters(&self) -> Counters;
}
