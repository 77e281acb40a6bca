//! What tests on real descriptors share: socket pairs, a dispatcher that keeps what it gets, a count of what the process holds.
//!
//! Nothing here waits without a deadline.

mod cable;
mod census;
mod coalescing;
mod collect;
mod flood;
mod frames;
mod patience;
mod rig;
mod segments;
mod sockets;
mod storm;
mod tap;
mod trials;

pub use cable::Cable;
pub use census::{Census, memory};
pub use coalescing::{Offloaded, coalesced, in_one_form, make_checksum, on_the_wire};
pub use collect::{Collector, Entry, Received};
pub use flood::Flood;
pub use frames::{OWN, PEER, STRANGER, TEST_PROTOCOL, ethernet, marked, to_own};
pub use patience::{PATIENCE, until, within};
pub use rig::{FdRunner, MODES, PAIRS, attach, attach_in, drain, in_mode, plain, write};
pub use segments::Segments;
pub use sockets::{ClosedFd, Pair, Peer, datagram, seqpacket};
pub use storm::Storm;
pub use tap::Tap;
pub use trials::Trials;
