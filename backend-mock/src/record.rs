//! What happened: a transcript for people, and a capture for tools.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::time::Duration;

use fdlink_core::io::ErrorKind;

use crate::fault::{Fault, Site};
pub use crate::pcapng::{Direction, LinkType, PcapNg};

/// One line of a [`Transcript`].
#[derive(Debug, Clone, Copy)]
pub enum Event<'e> {
    /// The descriptor took a frame to send.
    Sent {
        /// The frame's number; its copies have the same.
        frame: u64,
        /// Its length in bytes.
        len: usize,
    },
    /// The descriptor refused a frame.
    Refused(ErrorKind),
    /// A frame is in the receive buffer of the descriptor.
    Arrived {
        /// The frame's number.
        frame: u64,
        /// Its length in bytes, as it arrived.
        len: usize,
    },
    /// A frame was lost, and why.
    Lost {
        /// The frame's number.
        frame: u64,
        /// Why.
        loss: Loss,
    },
    /// A frame was handed to the receiver.
    Taken {
        /// The frame's number.
        frame: u64,
    },
    /// A receive failed.
    Failed(ErrorKind),
    /// Something went wrong by plan.
    Fault(Site, Fault),
    /// What the author of a simulation wants to see.
    Note(fmt::Arguments<'e>),
}

/// Where a frame was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// By plan.
    Fault,
    /// The wire's queue was full.
    Overflow,
    /// The receive buffer was full.
    Overrun,
    /// The receiver's filter left it out.
    Filtered,
    /// Nobody was there: the interface was down or gone, the descriptor dropped.
    Nobody,
}

impl fmt::Display for Event<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent { frame, len } => write!(f, "sent frame {frame}, {len} bytes"),
            Self::Refused(kind) => write!(f, "refused a frame: {kind}"),
            Self::Arrived { frame, len } => write!(f, "arrived frame {frame}, {len} bytes"),
            Self::Lost { frame, loss } => write!(f, "lost frame {frame}: {loss:?}"),
            Self::Taken { frame } => write!(f, "taken frame {frame}"),
            Self::Failed(kind) => write!(f, "failed to receive: {kind}"),
            Self::Fault(site, fault) => write!(f, "fault at {:?} #{}: {fault:?}", site.op, site.nth),
            Self::Note(text) => f.write_fmt(*text),
        }
    }
}

/// A run as text, a line for each event: the same seed gives the same text, byte for byte.
///
/// ```text
///  seconds  port  event
/// 0.001500     0  sent frame 7, 54 bytes
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transcript(String);

impl Transcript {
    /// A transcript without lines.
    #[must_use]
    pub const fn new() -> Self {
        Self(String::new())
    }

    /// Adds a line.
    pub fn add(&mut self, time: Duration, port: usize, event: &Event<'_>) {
        // A `String` takes everything.
        let _ = writeln!(self.0, "{}.{:09} {port:>3}  {event}", time.as_secs(), time.subsec_nanos());
    }

    /// The text so far.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// A transcript and a capture of every frame that was sent or arrived.
#[derive(Debug, Clone)]
pub struct Record {
    /// For people.
    pub transcript: Transcript,
    /// For tools: an interface for each port.
    pub capture: PcapNg,
    interfaces: Vec<u32>,
}

impl Default for Record {
    fn default() -> Self {
        Self { transcript: Transcript::new(), capture: PcapNg::new(), interfaces: Vec::new() }
    }
}

impl Record {
    pub(crate) fn add_port(&mut self, link_type: LinkType) {
        let name = alloc::format!("port {}", self.interfaces.len());
        self.interfaces.push(self.capture.interface(&name, link_type));
    }

    pub(crate) fn frame(&mut self, time: Duration, port: usize, direction: Direction, bytes: &[u8]) {
        if let Some(interface) = self.interfaces.get(port) {
            self.capture.packet(*interface, time, direction, bytes.len(), &[bytes]);
        }
    }
}
