//! A long stream of data over TCP, hashed on both sides.

use std::hash::Hasher as _;
use std::time::Instant;

use anyhow::bail;
use smoltcp::socket::tcp::{RecvError, Socket, State};
use twox_hash::XxHash64;

/// What one side saw of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Transfer {
    pub(super) bytes: u64,
    pub(super) hash: u64,
}

/// Counts and hashes a stream.
pub(super) struct Digest {
    hash: XxHash64,
    bytes: u64,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { hash: XxHash64::with_seed(0), bytes: 0 }
    }

    pub(super) fn add(&mut self, data: &[u8]) {
        self.hash.write(data);
        self.bytes += data.len() as u64;
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn transfer(&self) -> Transfer {
        Transfer { bytes: self.bytes, hash: self.hash.finish() }
    }
}

/// Endless data, the same on every run: a block of pseudo-random bytes over and over. Its length is prime, so that no loss or repetition
/// of whole segments or buffers goes unseen.
pub(super) struct Data {
    block: Vec<u8>,
    at: usize,
}

impl Data {
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed | 1;
        let block = (0..BLOCK_LEN).map(|_| xorshift(&mut state)).collect();
        Self { block, at: 0 }
    }

    /// What comes next, at most `most` bytes of it. It comes again until it is taken.
    pub(super) fn next(&self, most: usize) -> &[u8] {
        let rest = self.block.get(self.at..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    pub(super) fn take(&mut self, len: usize) {
        self.at = (self.at + len) % BLOCK_LEN;
    }
}

/// The high byte of Marsaglia's xorshift64.
fn xorshift(state: &mut u64) -> u8 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    state.to_be_bytes()[0]
}

const BLOCK_LEN: usize = 1_048_573;

/// Sends data over a connection until its time is over, then closes it.
pub(super) struct Source {
    data: Data,
    digest: Digest,
    until: Instant,
}

impl Source {
    pub(super) fn new(seed: u64, until: Instant) -> Self {
        Self { data: Data::new(seed), digest: Digest::new(), until }
    }

    /// Hands the socket what it takes. The result is there when all was handed over; the socket goes on sending it.
    pub(super) fn step(&mut self, socket: &mut Socket<'_>) -> anyhow::Result<Option<Transfer>> {
        if Instant::now() >= self.until {
            socket.close();
            return Ok(Some(self.digest.transfer()));
        }
        if is_opening(socket) {
            return Ok(None);
        }
        if !socket.may_send() {
            bail!("the connection was cut off after {} bytes", self.bytes());
        }
        while socket.can_send() {
            let len = socket.send(|room| copy_some(&self.data, room))?;
            self.digest.add(self.data.next(len));
            self.data.take(len);
        }
        Ok(None)
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.digest.bytes()
    }
}

fn copy_some(data: &Data, room: &mut [u8]) -> (usize, usize) {
    let piece = data.next(room.len());
    if let Some(room) = room.get_mut(..piece.len()) {
        room.copy_from_slice(piece);
    }
    (piece.len(), piece.len())
}

/// Receives from a connection until the other side closes it.
pub(super) struct Sink(Digest);

impl Sink {
    pub(super) fn new() -> Self {
        Self(Digest::new())
    }

    /// Takes what is there. The result is there at the end of the stream.
    pub(super) fn step(&mut self, socket: &mut Socket<'_>) -> anyhow::Result<Option<Transfer>> {
        if is_opening(socket) {
            return Ok(None);
        }
        while socket.can_recv() {
            socket.recv(|data| {
                self.0.add(data);
                (data.len(), ())
            })?;
        }
        if socket.may_recv() {
            return Ok(None);
        }
        match socket.recv(|_| (0, ())) {
            Err(RecvError::Finished) => Ok(Some(self.0.transfer())),
            _ => bail!("the connection was cut off after {} bytes", self.bytes()),
        }
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.0.bytes()
    }
}

/// True while the connection is on its way to being established.
pub(super) fn is_opening(socket: &Socket<'_>) -> bool {
    matches!(socket.state(), State::Listen | State::SynSent | State::SynReceived)
}
