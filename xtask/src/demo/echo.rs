use std::time::Duration;

use super::THEIRS;
use super::far::ECHO_PORT;
use super::progress::Progress;
use super::report::Count;
use super::stack::Stack;
use super::transfer::Data;
use anyhow::{anyhow, ensure};
use fdlink_core::io::RawIo;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::udp;

/// Sends datagrams of all sizes to the echo service of the other side and compares what comes back.
pub(super) fn run<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    progress: &mut Progress,
    count: &mut Count,
) -> anyhow::Result<()> {
    let handle = open(stack, CLIENT_PORT)?;
    let data = Data::new(1);
    stack.drive("udp echo", LIMIT, |stack| {
        let socket = stack.sockets.get_mut::<udp::Socket<'_>>(handle);
        take_back(socket, &data, count)?;
        send_more(socket, &data, count)?;
        progress.live(|| format!("udp echo   {count}"));
        Ok((count.ok == DATAGRAMS).then_some(()))
    })?;
    stack.sockets.remove(handle);
    progress.done(&format!("udp echo   {count} datagrams came back as they were"));
    Ok(())
}

fn send_more(socket: &mut udp::Socket<'_>, data: &Data, count: &mut Count) -> anyhow::Result<()> {
    while count.tried < DATAGRAMS && count.tried - count.ok < IN_FLIGHT && socket.can_send() {
        socket.send_slice(datagram(data, count.tried), (THEIRS, ECHO_PORT))?;
        count.tried += 1;
    }
    Ok(())
}

/// One link and one echo thread keep the order.
fn take_back(socket: &mut udp::Socket<'_>, data: &Data, count: &mut Count) -> anyhow::Result<()> {
    while socket.can_recv() {
        let (payload, _) = socket.recv()?;
        ensure!(payload == datagram(data, count.ok), "udp echo: datagram {} came back changed", count.ok);
        count.ok += 1;
    }
    Ok(())
}

/// Its length differs from those of its neighbours.
fn datagram(data: &Data, number: u32) -> &[u8] {
    data.next(1 + (number as usize * 389) % LONGEST)
}

/// The echo service of a smoltcp stack.
pub(super) struct EchoServer(SocketHandle);

impl EchoServer {
    pub(super) fn open<IO: RawIo>(stack: &mut Stack<'_, IO>) -> anyhow::Result<Self> {
        open(stack, ECHO_PORT).map(Self)
    }

    pub(super) fn step<IO: RawIo>(&self, stack: &mut Stack<'_, IO>) -> anyhow::Result<()> {
        let socket = stack.sockets.get_mut::<udp::Socket<'_>>(self.0);
        while socket.can_recv() && socket.can_send() {
            let (payload, from) = socket.recv()?;
            let payload = payload.to_vec();
            socket.send_slice(&payload, from.endpoint)?;
        }
        Ok(())
    }
}

fn open<IO: RawIo>(stack: &mut Stack<'_, IO>, port: u16) -> anyhow::Result<SocketHandle> {
    let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; 64], vec![0; 64 << 10]);
    let mut socket = udp::Socket::new(buffer(), buffer());
    socket.bind(port).map_err(|error| anyhow!("udp port {port}: {error}"))?;
    Ok(stack.sockets.add(socket))
}

const DATAGRAMS: u32 = 1000;
const IN_FLIGHT: u32 = 16;
/// What fits a frame.
const LONGEST: usize = 1472;
const CLIENT_PORT: u16 = 50_007;
const LIMIT: Duration = Duration::from_secs(10);
