use super::{LabError, Namespace, link, netlink};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoData, InfoKind, InfoVeth, LinkAttribute, LinkInfo},
};
use std::{
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

const CARRIER_TIMEOUT: Duration = Duration::from_secs(5);

/// A pair of Ethernet interfaces joined by a cable (`veth(4)`). This only tells
/// about them: they live until [`link::delete`] removes one of them or the
/// namespace of one of them ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// The first end.
    pub a: VethEnd,
    /// The second end.
    pub b: VethEnd,
}

/// One end of a [`Veth`] pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VethEnd {
    /// The name of the interface.
    pub name: String,
    /// Its number in its namespace.
    pub index: u32,
    /// Its MAC address.
    pub address: [u8; 6],
}

impl Veth {
    /// Makes a pair with one end in each namespace, which may be the same, and
    /// returns when both are up and pass frames.
    ///
    /// # Errors
    ///
    /// [`LabError::Kernel`] when a name is taken, too long (15 bytes at most),
    /// or the kernel has no veth.
    pub fn pair(a: (&Namespace, &str), b: (&Namespace, &str)) -> Result<Self, LabError> {
        a.0.run(|| create(a.1, b))?;
        a.0.run(|| link::set_up(a.1))?;
        b.0.run(|| link::set_up(b.1))?;
        Ok(Self { a: a.0.run(|| VethEnd::ready(a.1))?, b: b.0.run(|| VethEnd::ready(b.1))? })
    }
}

impl VethEnd {
    /// Carrier comes when the second end is up, but the kernel activates the
    /// queue of the first a little later and until then drops what is sent.
    fn ready(name: &str) -> Result<Self, LabError> {
        link::wait_up(name, CARRIER_TIMEOUT)?;
        Ok(Self { name: name.to_owned(), index: link::index(name)?, address: link::address(name)? })
    }
}

fn create(name: &str, (peer_namespace, peer_name): (&Namespace, &str)) -> Result<(), LabError> {
    let mut peer = link::named(peer_name);
    let handle = peer_namespace.as_fd().as_raw_fd();
    peer.attributes.push(LinkAttribute::NetNsFd(handle));

    let mut message = link::named(name);
    message.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    netlink::route(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
        .map(drop)
        .map_err(|source| LabError::kernel(format!("make veth {name} to {peer_name}"), source))
}
