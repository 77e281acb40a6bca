//! Bulk TCP between a kernel socket and a smoltcp stack on a TAP interface, for tests that compare what arrives and for measures of what it
//! takes.

mod connection;
mod kernel;
mod net;
mod rounds;
mod stream;

pub use connection::Connection;
pub use kernel::{Kernel, Received};
pub use net::{Family, Net};
pub use rounds::{Own, Rounds};
pub use stream::Stream;

/// Which way the bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the kernel to smoltcp.
    Download,
    /// From smoltcp to the kernel.
    Upload,
}

/// One transfer.
#[derive(Debug, Clone, Copy)]
pub struct Transfer {
    /// Which way.
    pub direction: Direction,
    /// Over which IP.
    pub family: Family,
    /// Bytes of each of the buffers of the smoltcp socket.
    pub buffer: usize,
    /// Bytes of stream.
    pub len: u64,
    /// Both ends hash what passes.
    pub is_hashed: bool,
}
