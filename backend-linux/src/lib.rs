//! Linux backend of [fdlink](fdlink_core): link endpoints over file descriptors.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use fdlink_core::{EtherType, LinkAddress, LinkEndpoint, NetworkDispatcher, Options, Packet, RxPacket};
//! use fdlink_linux::tuntap::TunTap;
//! use fdlink_linux::{FdOptions, Runner, endpoint};
//!
//! struct Print;
//!
//! impl NetworkDispatcher for Print {
//!     fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
//!         println!("{protocol}: {} bytes", packet.payload().len());
//!     }
//! }
//!
//! let tap = TunTap::tap("fdlink0").open()?;
//! tap.up()?;
//! let options = Options { address: LinkAddress([2, 0, 0, 0, 0, 1]), ..Options::default() };
//! let endpoint = Arc::new(endpoint([tap], options, &FdOptions::default())?);
//!
//! let runner = Runner::attach(Arc::clone(&endpoint), |_queue| Print)?; // one thread for each descriptor
//! let packet = Packet::new(EtherType::ARP, &[b"who has"]).to(LinkAddress::BROADCAST);
//! println!("{:?}", endpoint.write_packets(&mut [packet])?);
//! runner.stop()?;
//! println!("{}", endpoint.counters());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What works on which descriptor
//!
//! | descriptor | receive | send | end of the link | interface down |
//! |---|---|---|---|---|
//! | TAP, TUN ([`tuntap`]) | `read` | `writev` | interface deleted | nothing comes; sent frames are refused |
//! | `AF_PACKET` ([`packet`]) | `recv`, `recvmmsg`, ring | `sendmmsg` | interface deleted | told once; goes on by itself when up again |
//! | seqpacket socket | `recv`, `recvmmsg` | `sendmmsg` | peer closed, after what it had sent | |
//! | datagram socket | `recv`, `recvmmsg` | `sendmmsg` | peer closed: only found when something is sent | |
//!
//! [`probe::probe`] says what a descriptor is. A mode that it cannot do is an error, unless [`FdOptions::fallback`] is set.
//!
//! # From descriptor to dispatcher, and back
//!
//! ```text
//! fd ─► readv.rs | recvmmsg.rs ─► slots.rs ┐
//! fd ─► rx_ring.rs ───────────────────────┴► rx.rs (lent) ─► fdlink_core ─► dispatcher    runner.rs: the thread
//!                                                               └► by flow ─► dispatcher   processors.rs: more threads
//! packet ─► fdlink_core ─► send.rs (sendmmsg | writev) ─► fd                              wait.rs: poll and stop
//! ```

#![deny(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod classify;
mod endpoint;
mod error;
pub mod fanout;
mod fd;
mod filter;
pub mod iovec_buffer;
mod kernel_filter;
mod mode;
pub mod packet;
pub mod probe;
mod processors;
mod readv;
mod recvmmsg;
mod ring_options;
mod runner;
mod rx;
mod rx_ring;
mod send;
mod slots;
mod source;
mod sys;
pub mod tuntap;
mod vlan;
mod vnet;
mod wait;

pub use endpoint::{FdEndpoint, endpoint, injectable, restore};
pub use error::{FdError, SetupError};
pub use fd::{FdIo, FdStop};
pub use mode::{DispatchMode, FdOptions, MAX_MSGS_PER_RECV};
pub use ring_options::{RingOptions, RingVersion};
pub use runner::{Runner, RunnerError};
pub use rx::{FdBatch, FdRx};
pub use send::FdTx;
#[cfg(feature = "reference")]
#[doc(hidden)]
pub use sys::reference;
