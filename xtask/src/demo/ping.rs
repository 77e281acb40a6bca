use std::time::{Duration, Instant};

use super::THEIRS;
use super::progress::Progress;
use super::report::Count;
use super::stack::Stack;
use anyhow::anyhow;
use fdlink_core::io::RawIo;
use smoltcp::iface::SocketHandle;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::socket::icmp;
use smoltcp::wire::{Icmpv4Packet, Icmpv4Repr};

/// Pings the other side, one request after the other.
pub(super) fn run<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    progress: &mut Progress,
    count: &mut Count,
) -> anyhow::Result<()> {
    let handle = open(stack)?;
    let mut fastest = Duration::MAX;
    for number in 0..REQUESTS {
        count.tried += 1;
        let time = ping(stack, handle, number)?;
        count.ok += 1;
        fastest = fastest.min(time);
        progress.live(|| format!("ping       {count}"));
    }
    stack.sockets.remove(handle);
    progress.done(&format!("ping       {count} replies, the fastest after {fastest:.0?}"));
    Ok(())
}

fn open<IO: RawIo>(stack: &mut Stack<'_, IO>) -> anyhow::Result<SocketHandle> {
    let buffer = || icmp::PacketBuffer::new(vec![icmp::PacketMetadata::EMPTY; 8], vec![0; 1024]);
    let mut socket = icmp::Socket::new(buffer(), buffer());
    socket.bind(icmp::Endpoint::Ident(IDENT)).map_err(|error| anyhow!("ping: {error}"))?;
    Ok(stack.sockets.add(socket))
}

fn ping<IO: RawIo>(stack: &mut Stack<'_, IO>, handle: SocketHandle, number: u16) -> anyhow::Result<Duration> {
    let started = Instant::now();
    send(stack.sockets.get_mut(handle), number)?;
    stack.drive("ping", LIMIT, |stack| {
        let socket = stack.sockets.get_mut::<icmp::Socket<'_>>(handle);
        while socket.can_recv() {
            let (reply, _) = socket.recv()?;
            if is_reply(reply, number) {
                return Ok(Some(started.elapsed()));
            }
        }
        Ok(None)
    })
}

fn send(socket: &mut icmp::Socket<'_>, number: u16) -> anyhow::Result<()> {
    let request = Icmpv4Repr::EchoRequest { ident: IDENT, seq_no: number, data: DATA };
    let buffer = socket.send(request.buffer_len(), THEIRS.into())?;
    request.emit(&mut Icmpv4Packet::new_unchecked(buffer), &ChecksumCapabilities::default());
    Ok(())
}

fn is_reply(packet: &[u8], number: u16) -> bool {
    let reply = Icmpv4Packet::new_checked(packet).and_then(|packet| {
        Icmpv4Repr::parse(&packet, &ChecksumCapabilities::default()).map(|repr| repr == expected(number))
    });
    reply.unwrap_or(false)
}

const fn expected(number: u16) -> Icmpv4Repr<'static> {
    Icmpv4Repr::EchoReply { ident: IDENT, seq_no: number, data: DATA }
}

const REQUESTS: u16 = 10;
const IDENT: u16 = 0xfd;
const DATA: &[u8] = b"fdlink demo: fifty-six bytes, as many as ping(8) sends.";
const LIMIT: Duration = Duration::from_secs(5);
