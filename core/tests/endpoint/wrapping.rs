//! An endpoint as a trait object, and one that wraps another: no method knows what is below.

use std::cell::Cell;

use fdlink_core::{
    ArpHardwareType, Capabilities, ConfigError, Counters, DropCause, Endpoint, EtherType, GsoSupport, LinkAddress,
    LinkEndpoint, OnCloseAction, Options, Packet, Parsed, Queue, State, StateError, WriteError, Written,
};

use crate::scripted::{Script, Scripted};
use crate::{OTHER, OWN};

/// Counts the packets that pass and hands everything on.
struct Counting<'e> {
    below: &'e dyn LinkEndpoint,
    packets: Cell<usize>,
}

impl LinkEndpoint for Counting<'_> {
    fn write_packets(&self, packets: &mut [Packet<'_>]) -> Result<Written, WriteError> {
        self.packets.set(self.packets.get() + packets.len());
        self.below.write_packets(packets)
    }

    fn mtu(&self) -> u32 {
        self.below.mtu()
    }

    fn set_mtu(&self, mtu: u32) -> Result<(), ConfigError> {
        self.below.set_mtu(mtu)
    }

    fn link_address(&self) -> LinkAddress {
        self.below.link_address()
    }

    fn set_link_address(&self, address: LinkAddress) -> Result<(), ConfigError> {
        self.below.set_link_address(address)
    }

    fn capabilities(&self) -> Capabilities {
        self.below.capabilities()
    }

    fn max_header_length(&self) -> usize {
        self.below.max_header_length()
    }

    fn arp_hardware_type(&self) -> ArpHardwareType {
        self.below.arp_hardware_type()
    }

    fn supported_gso(&self) -> GsoSupport {
        self.below.supported_gso()
    }

    fn gso_max_size(&self) -> u32 {
        self.below.gso_max_size()
    }

    fn attach(&self) -> Result<(), StateError> {
        self.below.attach()
    }

    fn detach(&self) {
        self.below.detach();
    }

    fn state(&self) -> State {
        self.below.state()
    }

    fn close(&self) {
        self.below.close();
    }

    fn set_on_close_action(&self, action: Option<OnCloseAction>) {
        self.below.set_on_close_action(action);
    }

    fn add_header(&self, packet: &mut Packet<'_>) {
        self.below.add_header(packet);
    }

    fn parse_header(&self, frame: &[u8]) -> Result<Parsed, DropCause> {
        self.below.parse_header(frame)
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }
}

/// What a stack does with an endpoint, without knowing which.
fn use_as_a_stack(endpoint: &dyn LinkEndpoint) -> Result<Written, WriteError> {
    endpoint.attach().unwrap();
    assert!(endpoint.is_attached());
    assert_eq!((endpoint.mtu(), endpoint.max_header_length(), endpoint.link_address()), (1500, 14, OWN));
    let written = endpoint
        .write_packets(&mut core::array::from_fn::<_, 2, _>(|_| Packet::new(EtherType::IPV4, &[b"x"]).to(OTHER)));
    endpoint.detach();
    endpoint.wait(&mut || panic!("no receiver is out"));
    endpoint.close();
    written
}

#[test]
fn stack_uses_any_endpoint_and_a_wrapper_twice_around_it() {
    for layers in 0..3 {
        let script = Script::default();
        let options = Options { address: OWN, ..Options::default() };
        let endpoint = Endpoint::new([Queue::new(Scripted(&script))], options).unwrap();
        let inner = Counting { below: &endpoint, packets: Cell::new(0) };
        let outer = Counting { below: &inner, packets: Cell::new(0) };
        let top: &dyn LinkEndpoint = [&endpoint as &dyn LinkEndpoint, &inner, &outer][layers];
        assert_eq!(use_as_a_stack(top).unwrap().sent, 2);
        assert_eq!((inner.packets.get(), outer.packets.get()), ([0, 2, 2][layers], [0, 0, 2][layers]));
        assert_eq!((top.counters().tx.sent, top.state()), (2, State::Closed));
    }
}
