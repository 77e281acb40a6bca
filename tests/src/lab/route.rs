use super::{LabError, link, netlink};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressFlags, AddressMessage},
    neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState},
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Gives the interface an IPv4 address and a route to its subnet.
pub fn add_ipv4(name: &str, address: Ipv4Addr, prefix_length: u8) -> Result<(), LabError> {
    let local = AddressAttribute::Local(address.into());
    add_address(name, address.into(), prefix_length, local)
}

/// Gives the interface an IPv6 address, usable at once (no duplicate address
/// detection), and a route to its subnet. The namespace has to be one of
/// [`Namespace::with_ipv6`](super::Namespace::with_ipv6).
pub fn add_ipv6(name: &str, address: Ipv6Addr, prefix_length: u8) -> Result<(), LabError> {
    let at_once = AddressAttribute::Flags(AddressFlags::Nodad);
    add_address(name, address.into(), prefix_length, at_once)
}

/// Tells the interface for good which MAC address `ip` has, in place of ARP or
/// neighbour discovery.
pub fn add_neighbour(name: &str, ip: IpAddr, mac: [u8; 6]) -> Result<(), LabError> {
    let mut message = NeighbourMessage::default();
    message.header.family = family(ip);
    message.header.ifindex = link::index(name)?;
    message.header.state = NeighbourState::Permanent;
    message.attributes =
        vec![NeighbourAttribute::Destination(ip.into()), NeighbourAttribute::LinkLayerAddress(mac.to_vec())];
    netlink::route(RouteNetlinkMessage::NewNeighbour(message), NLM_F_CREATE | NLM_F_REPLACE)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("add neighbour {ip} to {name}"), source))
}

/// Sends what is for `destination/prefix_length` to the router `via`, which has
/// to be in the subnet of an interface that is up.
pub fn add_route(destination: IpAddr, prefix_length: u8, via: IpAddr) -> Result<(), LabError> {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination);
    message.header.destination_prefix_length = prefix_length;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![RouteAttribute::Destination(destination.into()), RouteAttribute::Gateway(via.into())];
    netlink::route(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("add a route to {destination}/{prefix_length} via {via}"), source))
}

fn add_address(name: &str, address: IpAddr, prefix_length: u8, extra: AddressAttribute) -> Result<(), LabError> {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix_length;
    message.header.index = link::index(name)?;
    message.attributes = vec![AddressAttribute::Address(address), extra];
    netlink::route(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("add {address}/{prefix_length} to {name}"), source))
}

fn family(ip: IpAddr) -> AddressFamily {
    match ip {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}
