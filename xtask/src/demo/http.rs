//! One page over HTTP/1.0, served and fetched by smoltcp sockets.

use super::stack::Stack;
use super::transfer::is_opening;
use anyhow::{bail, ensure};
use fdlink_core::io::RawIo;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{RecvError, Socket, State};

pub(super) const PORT: u16 = 80;
pub(super) const REQUEST: &str = "GET / HTTP/1.0\r\nHost: 10.9.0.2\r\n\r\n";
const HEAD: &str = "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n";
const BODY: &str =
    "Hello from a smoltcp stack over fdlink: every byte of this came through one descriptor, a frame a write.\n";

/// Checks an answer to [`REQUEST`].
pub(super) fn check(answer: &[u8]) -> anyhow::Result<usize> {
    let body = answer.strip_prefix(HEAD.as_bytes());
    ensure!(body == Some(BODY.as_bytes()), "http: the page is not the one that was served");
    Ok(BODY.len())
}

/// Serves the page to a few clients at a time.
pub(super) struct Server(Vec<SocketHandle>);

impl Server {
    /// Clients may connect from now on; they are answered by [`step`](Server::step).
    pub(super) fn open<IO: RawIo>(stack: &mut Stack<'_, IO>) -> anyhow::Result<Self> {
        let clients: Vec<_> = (0..CLIENTS).map(|_| stack.add_tcp(BUFFER)).collect();
        clients.iter().try_for_each(|handle| stack.tcp(*handle).listen(PORT))?;
        Ok(Self(clients))
    }

    /// Answers what has come; returns how many requests that was.
    pub(super) fn step<IO: RawIo>(&self, stack: &mut Stack<'_, IO>) -> anyhow::Result<usize> {
        self.0.iter().try_fold(0, |answered, handle| Ok(answered + usize::from(serve(stack.tcp(*handle))?)))
    }
}

fn serve(socket: &mut Socket<'_>) -> anyhow::Result<bool> {
    match socket.state() {
        // Its wait is over for us: a late segment would meet a listening socket, which resets it.
        State::TimeWait => socket.abort(),
        State::Closed => socket.listen(PORT)?,
        State::CloseWait => socket.close(),
        State::Established if socket.can_recv() => return answer(socket),
        _ => {}
    }
    Ok(false)
}

fn answer(socket: &mut Socket<'_>) -> anyhow::Result<bool> {
    let complete = socket.recv(|data| if is_complete(data) { (data.len(), true) } else { (0, false) })?;
    if complete {
        socket.send_slice([HEAD, BODY].concat().as_bytes())?;
        socket.close();
    } else if socket.recv_queue() == BUFFER {
        socket.abort();
    }
    Ok(complete)
}

fn is_complete(request: &[u8]) -> bool {
    request.windows(4).any(|bytes| bytes == b"\r\n\r\n")
}

/// Fetches the page.
#[derive(Default)]
pub(super) struct Client {
    asked: bool,
    answer: Vec<u8>,
}

impl Client {
    /// The result is there when the server has closed the connection.
    pub(super) fn step(&mut self, socket: &mut Socket<'_>) -> anyhow::Result<Option<Vec<u8>>> {
        if is_opening(socket) {
            return Ok(None);
        }
        if !self.asked {
            socket.send_slice(REQUEST.as_bytes())?;
            self.asked = true;
        }
        while socket.can_recv() {
            socket.recv(|data| (data.len(), self.answer.extend_from_slice(data)))?;
        }
        match socket.recv(|_| (0, ())) {
            Ok(()) => Ok(None),
            Err(RecvError::Finished) => Ok(Some(std::mem::take(&mut self.answer))),
            Err(error) => bail!("http: {error}"),
        }
    }
}

const CLIENTS: usize = 8;
const BUFFER: usize = 8 << 10;
