//! Settings of one interface, in the namespace of the calling thread.
//!
//! Every function sends one or two messages of `rtnetlink(7)` and fails with
//! [`LabError::Kernel`] when the kernel refuses: no such interface in this
//! namespace, no [`enter`](super::enter) before, or a value out of range.

use super::{LabError, netlink};
pub use super::{
    ethtool::disable_offloads,
    route::{add_ipv4, add_ipv6, add_neighbour, add_route},
    statistics::LinkStatistics,
};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{LinkAttribute, LinkFlags, LinkMessage},
};
use std::{
    io, thread,
    time::{Duration, Instant},
};

/// The number of the interface, for `sockaddr_ll` of `packet(7)` and the like.
pub fn index(name: &str) -> Result<u32, LabError> {
    Ok(get(name)?.header.index)
}

/// The MAC address of an Ethernet interface.
pub fn address(name: &str) -> Result<[u8; 6], LabError> {
    find(name, "MAC address", |attribute| match attribute {
        LinkAttribute::Address(bytes) => bytes.as_slice().try_into().ok(),
        _ => None,
    })
}

/// The counters of the interface.
pub fn statistics(name: &str) -> Result<LinkStatistics, LabError> {
    find(name, "statistics", |attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(stats.into()),
        _ => None,
    })
}

/// Switches the interface on.
pub fn set_up(name: &str) -> Result<(), LabError> {
    change(name, "set up", |link| {
        link.header.flags = LinkFlags::Up;
        link.header.change_mask = LinkFlags::Up;
    })
}

/// Switches the interface off.
pub fn set_down(name: &str) -> Result<(), LabError> {
    change(name, "set down", |link| {
        link.header.change_mask = LinkFlags::Up;
    })
}

/// Sets the largest payload of a frame, without its Ethernet header.
pub fn set_mtu(name: &str, mtu: u32) -> Result<(), LabError> {
    change(name, "set the MTU of", |link| {
        link.attributes.push(LinkAttribute::Mtu(mtu));
    })
}

/// Sets the MAC address.
pub fn set_address(name: &str, mac: [u8; 6]) -> Result<(), LabError> {
    change(name, "set the MAC address of", |link| {
        link.attributes.push(LinkAttribute::Address(mac.to_vec()));
    })
}

/// Removes the interface; the other end of a veth pair goes with it.
pub fn delete(name: &str) -> Result<(), LabError> {
    netlink::route(RouteNetlinkMessage::DelLink(named(name)), 0)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("delete {name}"), source))
}

/// Waits until frames can pass: the interface is up, has a carrier and the
/// kernel has taken notice of it.
///
/// # Errors
///
/// [`LabError::NoCarrier`] when `timeout` is over.
pub fn wait_up(name: &str, timeout: Duration) -> Result<(), LabError> {
    let ready = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running;
    let started = Instant::now();
    while !get(name)?.header.flags.contains(ready) {
        if started.elapsed() >= timeout {
            let (name, waited) = (name.to_owned(), timeout);
            return Err(LabError::NoCarrier { name, waited });
        }
        thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

fn change(name: &str, doing: &str, edit: impl FnOnce(&mut LinkMessage)) -> Result<(), LabError> {
    let mut link = named(name);
    edit(&mut link);
    netlink::route(RouteNetlinkMessage::SetLink(link), 0)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("{doing} {name}"), source))
}

fn find<T>(name: &str, what: &str, pick: impl FnMut(&LinkAttribute) -> Option<T>) -> Result<T, LabError> {
    let link = get(name)?;
    link.attributes.iter().find_map(pick).ok_or_else(|| {
        let source = io::Error::other("the interface has none");
        LabError::kernel(format!("read the {what} of {name}"), source)
    })
}

fn get(name: &str) -> Result<LinkMessage, LabError> {
    netlink::route(RouteNetlinkMessage::GetLink(named(name)), 0)
        .and_then(|answers| {
            let link = answers.into_iter().find_map(|answer| match answer {
                RouteNetlinkMessage::NewLink(link) => Some(link),
                _ => None,
            });
            link.ok_or_else(|| io::Error::other("the kernel's answer is empty"))
        })
        .map_err(|source| LabError::kernel(format!("look up {name}"), source))
}

pub(super) fn named(name: &str) -> LinkMessage {
    let mut link = LinkMessage::default();
    link.attributes.push(LinkAttribute::IfName(name.to_owned()));
    link
}
