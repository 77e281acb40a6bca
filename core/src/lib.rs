//! Link endpoints over boundary-preserving file descriptors: one read or write is one frame.
//!
//! This crate is the core of fdlink: `no_std`, without allocation, without unsafe code, without a file descriptor. It knows what to do with
//! frames; a backend ([`io::RawIo`]) knows how to get them: `fdlink-linux` for TUN/TAP, `AF_PACKET` and unix sockets, `fdlink-mock` for
//! tests and simulations, your own for a unikernel.
//!
//! # Data flow
//!
//! ```text
//! receive   channel ─► RxQueue::poll: a batch of frames, on loan           io/rx.rs, the backend
//!             ─► link header, accept? (no ─► counted drop)                 rx/parse.rs
//!             ─► successive segments merged (Options::gro)                 rx/gro/
//!             ─► super-frames cut, checksums completed, verified           rx/finish.rs, rx/split.rs   (wrong ─► counted drop)
//!             ─► NetworkDispatcher::deliver                                rx/receiver.rs, dispatcher.rs
//!                  or Steering: flow key ─► a processor's Feed            wire/flow.rs, rx/steer.rs
//!                    ─► Handoff: another thread, the Processor            rx/handoff.rs   (full ─► counted drop)
//!             ─► batch dropped: every slot back to its owner
//!
//! transmit  LinkEndpoint::write_packets ─► unfit? (yes ─► refused)         tx/write.rs
//!             ─► link header                                               tx/header.rs, wire/ethernet.rs
//!             ─► grouped by queue (flow hash), order kept                  tx/write.rs, tx/batch.rs
//!                successive packets merged (Options::tx_coalesce)          tx/coalesce.rs
//!                virtio-net header, or cut and summed up here              tx/offloaded.rs, tx/gso.rs, wire/vnet.rs
//!                refused for what it asked? in software                    tx/downgrade.rs
//!             ─► TxQueue::send: many frames, one call; wait? drop?         tx/sender.rs, io/tx.rs, the backend
//!             ─► what became of each packet                                packet/status.rs
//! ```
//!
//! # Example
//!
//! Two endpoints at the ends of an in-memory link:
//!
//! ```
//! use fdlink_core::{
//!     Endpoint, EtherType, LinkAddress, LinkEndpoint, NetworkDispatcher, Options, Packet, Queue, RxPacket,
//! };
//!
//! struct Print;
//!
//! impl NetworkDispatcher for Print {
//!     fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
//!         assert_eq!((protocol, packet.payload()), (EtherType::IPV4, &b"hello"[..]));
//!     }
//! }
//!
//! let link = fdlink_mock::Link::<8, 1514>::new();
//! let (a, b) = link.ends();
//! let address = LinkAddress([2, 0, 0, 0, 0, 2]);
//! let sender = Endpoint::new([Queue::new(a)], Options::default())?;
//! let receiver = Endpoint::new([Queue::new(b)], Options { address, ..Options::default() })?;
//! sender.attach()?;
//! receiver.attach()?;
//!
//! let written = sender.write_packets(&mut [Packet::new(EtherType::IPV4, &[b"hel", b"lo"]).to(address)])?;
//! assert_eq!(written.sent, 1);
//!
//! let taken = receiver.receiver(0)?.poll(&mut Print).expect("attached");
//! assert_eq!(taken, 1);
//! assert!(receiver.counters().rx.is_balanced());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::panic, clippy::expect_used))]

#[cfg(test)]
extern crate std;

pub mod counters;
pub mod dispatcher;
pub mod endpoint;
pub mod error;
pub mod io;
pub mod offload;
pub mod packet;
pub mod rx;
#[cfg(feature = "smoltcp")]
pub mod smoltcp;
pub mod tx;
pub mod wire;

pub use counters::{Counters, DropCause, RefusalCause};
pub use dispatcher::{LinkEvent, NetworkDispatcher};
pub use endpoint::snapshot::{QueueSnapshot, Snapshot};
pub use endpoint::state::{State, StateError};
pub use endpoint::{
    ArpHardwareType, BATCH_SIZE, Capabilities, Endpoint, GSO_HEADER_ALLOWANCE, GSO_MAX_SIZE, GsoSupport,
    InjectableEndpoint, InjectableLinkEndpoint, LinkEndpoint, MuxedInjectableEndpoint, OnCloseAction, Options, Queue,
    TxPolicy,
};
pub use error::{ConfigError, ReceiverError, SnapshotError, WriteError};
pub use offload::{ChecksumState, Gso, GsoType, Offload};
pub use packet::{Packet, Refusal, RxPacket, TxStatus};
pub use rx::{Ended, Parsed, Receiver, Steering, WakePolicy};
pub use tx::Written;
pub use wire::{EtherType, FlowHasher, FlowKey, LinkAddress};
