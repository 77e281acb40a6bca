//! A simulated network: wires with latency, bandwidth, queue limit and MTU, and descriptors of every kind at their ends.
//!
//! Nothing happens by itself: frames that are sent arrive when the [`Clock`] says so, and the clock moves only when asked.
//!
//! ```
//! use core::time::Duration;
//! use fdlink_core::io::{RawIo, RxBatch, RxQueue, TxFrame, TxQueue};
//! use fdlink_mock::descriptor::Kind;
//! use fdlink_mock::fault::FaultPlan;
//! use fdlink_mock::network::{Network, Topology, Wire};
//!
//! let network = Network::new(FaultPlan::none());
//! let wire = Wire { latency: Duration::from_millis(5), ..Wire::default() };
//! let segment = network.segment(Topology::Hub, wire);
//! let [a, b] = [(); 2].map(|()| network.open(segment, Kind::Seqpacket).split());
//!
//! a.tx.send(&[TxFrame { header: &[], parts: &[b"frame"] }])?;
//! let mut rx = b.rx;
//! assert_eq!(rx.poll(1)?.len(), 0);
//! network.clock().advance_to(network.next_event().unwrap());
//! assert_eq!(rx.poll(1)?.frames().next().unwrap().bytes, b"frame");
//! # Ok::<(), fdlink_mock::MockError>(())
//! ```

mod buffer;
mod ledger;
mod offload;
mod port;
mod receive;
mod segment;
mod state;
mod transmit;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use fdlink_core::io::VlanTag;
use fdlink_core::wire::vnet::VirtioNetHdr;
use spin::Mutex;

pub use ledger::Ledger;
pub use segment::{SegmentId, Topology, Wire};
pub(crate) use state::State;

use crate::clock::Clock;
use crate::descriptor::{Descriptor, DescriptorOptions, Kind};
use crate::fault::{Fault, FaultPlan, Rates, Site, VnetLie};
use crate::record::{Event, Record};

/// A frame on its way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frame {
    /// In the order of sending; copies have the number of their original.
    pub(crate) number: u64,
    /// Without virtio-net header while it is on the wire.
    pub(crate) bytes: Vec<u8>,
    /// What is left to do to it, and what is said of that falsely.
    pub(crate) vnet: VirtioNetHdr,
    pub(crate) lie: Option<VnetLie>,
    /// The VLAN tag that was taken out of it.
    pub(crate) tag: Option<VlanTag>,
    /// What a packet socket sent itself.
    pub(crate) echo: bool,
    /// Of the ring that it lies in.
    pub(crate) block: u64,
}

/// A simulated network. Clones are the same network.
#[derive(Debug, Clone)]
pub struct Network {
    clock: Clock,
    state: Arc<Mutex<State>>,
}

impl Network {
    /// A network without segments, in which goes wrong what `plan` says.
    #[must_use]
    pub fn new(plan: FaultPlan) -> Self {
        let clock = Clock::new();
        Self { state: Arc::new(Mutex::new(State::new(clock.clone(), plan))), clock }
    }

    /// The same, and everything that happens from now on is recorded.
    #[must_use]
    pub fn recorded(self) -> Self {
        self.with(|state| state.record = Some(Record::default()));
        self
    }

    /// The clock that frames travel by.
    #[must_use]
    pub const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Adds a segment without ports. A hub with two ports is a cable.
    pub fn segment(&self, topology: Topology, wire: Wire) -> SegmentId {
        self.with(|state| state.add_segment(topology, wire))
    }

    /// Opens a descriptor at a new port of a segment.
    pub fn open(&self, segment: SegmentId, kind: Kind) -> Descriptor {
        self.open_with(segment, kind, DescriptorOptions::default())
    }

    /// Opens a descriptor with other options.
    pub fn open_with(&self, segment: SegmentId, kind: Kind, options: DescriptorOptions) -> Descriptor {
        let port = self.with(|state| state.add_port(segment, kind, options));
        Descriptor::new(self.clone(), port, kind, options)
    }

    /// Other fault rates for one port, so that the directions of a link differ. Changes nothing in a script.
    pub fn set_rates(&self, port: usize, rates: Rates) {
        self.with(|state| state.plan.set_rates(port, rates));
    }

    /// Lets the plan do what it has for this moment: links that go down, peers that hang up, stops. To be called once in each turn of a
    /// simulation's loop.
    pub fn step(&self) {
        self.with(State::step);
    }

    /// When the next frame arrives or the next block of a ring is handed over; nothing if nothing is on its way.
    #[must_use]
    pub fn next_event(&self) -> Option<Duration> {
        self.with(|state| state.next_event())
    }

    /// Takes the interface of a port down or up. Unix sockets have none, and nothing happens.
    pub fn set_link(&self, port: usize, up: bool) {
        self.with(|state| state.apply(port, if up { Fault::LinkUp } else { Fault::LinkDown }));
    }

    /// Deletes the interface of a port; for a unix socket, its peer goes away.
    pub fn hang_up(&self, port: usize) {
        self.with(|state| state.apply(port, Fault::HangUp));
    }

    /// What passed through a port so far; all zero for a port that does not exist.
    #[must_use]
    pub fn ledger(&self, port: usize) -> Ledger {
        self.with(|state| state.ledger(port))
    }

    /// What went wrong by plan so far.
    #[must_use]
    pub fn fired(&self) -> Vec<(Site, Fault)> {
        self.with(|state| state.plan.fired().to_vec())
    }

    /// Adds a line to the record, if there is one.
    pub fn note(&self, port: usize, text: fmt::Arguments<'_>) {
        self.with(|state| state.log(port, &Event::Note(text)));
    }

    /// What was recorded so far; nothing unless the network is [`recorded`](Network::recorded).
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        self.with(|state| state.record.clone())
    }

    pub(crate) fn set_stopped(&self, port: usize, stopped: bool) {
        self.with(|state| state.set_stopped(port, stopped));
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock())
    }
}
