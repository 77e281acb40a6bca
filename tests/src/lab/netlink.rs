use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NLMSG_ALIGNTO, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io;

/// Asks the kernel for one thing of `rtnetlink(7)` and returns what it answered
/// before its acknowledgement.
pub(super) fn route(message: RouteNetlinkMessage, flags: u16) -> io::Result<Vec<RouteNetlinkMessage>> {
    request(NETLINK_ROUTE, message, flags)
}

/// Asks the kernel for one thing of the netlink family `protocol`. The socket is
/// made anew each time, so it is always one of the thread's namespace.
pub(super) fn request<M>(protocol: isize, message: M, flags: u16) -> io::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    let socket = Socket::new(protocol)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&encode(message, flags), 0)?;
    let mut answers = Vec::new();
    while !read(&socket.recv_from_full()?.0, &mut answers)? {}
    Ok(answers)
}

fn encode<M: NetlinkSerializable>(message: M, flags: u16) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Returns whether the acknowledgement, the last message of every answer, was
/// in this datagram.
fn read<M: NetlinkDeserializable>(mut datagram: &[u8], answers: &mut Vec<M>) -> io::Result<bool> {
    while !datagram.is_empty() {
        let message = NetlinkMessage::deserialize(datagram).map_err(io::Error::other)?;
        let length = (message.header.length as usize).next_multiple_of(usize::from(NLMSG_ALIGNTO));
        match message.payload {
            NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
            NetlinkPayload::Error(_) => return Ok(true),
            NetlinkPayload::InnerMessage(answer) => answers.push(answer),
            _ => {}
        }
        datagram = datagram.get(length..).unwrap_or_default();
    }
    Ok(false)
}
