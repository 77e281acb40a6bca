//! Save and restore: what of an endpoint lives on when its descriptors do not.
//!
//! A [`Snapshot`] is plain data of a fixed size, without pointers and without a descriptor: it crosses processes and machines as bytes.
//!
//! | what | the origin (`stateify`) | here |
//! |---|---|---|
//! | options, MTU and link address as set | saved | saved |
//! | descriptors | as numbers, which must mean the same afterwards | not part of it: new ones are given |
//! | counters | has none | saved for each queue, and those of injected packets |
//! | offloads lost on the way | has none | saved: what turned out not to be done is not tried again |
//! | attached | the loops that read are gone | saved: packets can be written and receivers be taken at once |
//! | link down, as told | not known | saved: the first frame tells [`LinkEvent::Up`](crate::LinkEvent::Up) |
//! | flow seed | with the processors, which are closed | saved, also one that was drawn ([`Endpoint::flow_seed`]) |
//! | `ClosedFunc`, on-close action | lost without a word | code is no data: [`Snapshot::has_on_close_action`] tells that it has to be set again |
//! | ends: peer gone, failure, stop | saved with the number of the descriptor | those of the old descriptors, and gone with them |
//!
//! What is on its way is no part of an endpoint either. Packets to send are their owner's, and stay pending, sent or refused as they are.
//! Frames that a queue has taken from the system in one call and not lent yet go with its descriptor: poll a receiver until it finds nothing, and
//! none is lost; what waits for processors is delivered when their `Runner` is stopped.
//!
//! # Layout
//!
//! Little-endian. Lengths and offsets are in bytes; what is not used is zero.
//!
//! ```text
//! offset length
//!    0    8     "fdlsnap\0"
//!    8    4     version: 1
//!   12    4     length of the whole
//!   16    4     number of queues
//!   20    4     state, by its place in State::ALL
//!   24    4     flags, from bit 0: ethernet_header, promiscuous, gro, tx_coalesce, tx_checksum_offload, rx_checksum_offload,
//!               rx_split, complete_checksums, symmetric_flow_hash, save_restore, disconnect_ok, there is a flow seed, … an on-close action
//!   28    4     MTU made with              32    6     address made with
//!   38    6     link address as set        44    4     MTU as set
//!   48    4     gso: 0 None, 1 Host, 2 Software
//!   52    4     gso_max_size
//!   56    2     vlan: 0 Any, 1 Untagged, 2 Id
//!   58    2       its identifier
//!   60    4     number of EtherTypes       64   32     EtherTypes, 2 bytes each
//!   96    8     rx_budget                 104    8     processors_per_channel
//!  112    8     processor_backlog         120   16     flow seed
//!  136    4     wake: 0 Prompt, 1 Coalesce, 2 BusyPoll
//!  140    4       its budget
//!  144   12       its delay: 8 of seconds, 4 of nanoseconds
//!  156    4     tx_policy: 0 Return, 1 Drop, 2 Wait
//!  160    4       its attempts
//!  164   12       its timeout, as the delay
//!  176  232     counters of injected packets
//!  408          for each queue:
//!         4       offloads lost, the bits of Offloads
//!         4       flags: bit 0, link down
//!       232       counters
//!
//! counters, 8 bytes each: received, received_bytes, delivered, merged, split, 10 drops, truncated_bytes, calls, errors;
//!                         sent, sent_bytes, merged, 6 refusals, calls, waits
//! ```
//!
//! Any change of it is another [`VERSION`].

mod codec;
mod layout;

use codec::{Reader, Writer};
use heapless::Vec;
pub use layout::VERSION;

use super::state::State;
use super::{Endpoint, LinkEndpoint as _, Options, Queue};
use crate::counters::Counters;
use crate::error::{ConfigError, SnapshotError};
use crate::io::{Offloads, RawIo};
use crate::wire::LinkAddress;

/// What of an endpoint with up to `QUEUES` queues lives on; see the [module](self).
///
/// # Examples
///
/// ```
/// use fdlink_core::{Endpoint, LinkEndpoint, Options, Queue, Snapshot};
///
/// let (old, new) = (fdlink_mock::Link::<8, 1514>::new(), fdlink_mock::Link::<8, 1514>::new());
/// let endpoint = Endpoint::new([Queue::new(old.ends().0)], Options::default())?;
/// endpoint.set_mtu(1280)?;
/// endpoint.attach()?;
///
/// let snapshot: Snapshot = endpoint.snapshot()?;
/// drop(endpoint);
/// let mut buffer = [0; Snapshot::<1>::MAX_LEN];
/// let bytes = snapshot.encode(&mut buffer)?; // to a file, to another machine
///
/// let snapshot = Snapshot::<1>::decode(bytes)?;
/// let endpoint = Endpoint::restore([Queue::new(new.ends().0)], &snapshot)?;
/// assert!(endpoint.is_attached() && endpoint.mtu() == 1280);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot<const QUEUES: usize = 1> {
    /// The options that the endpoint was made with, and the flow seed that was drawn since. Change what other descriptors call for.
    pub options: Options,
    /// [`LinkEndpoint::mtu`](crate::LinkEndpoint::mtu).
    pub mtu: u32,
    /// [`LinkEndpoint::link_address`](crate::LinkEndpoint::link_address).
    pub link_address: LinkAddress,
    state: State,
    has_on_close_action: bool,
    injected: Counters,
    queues: Vec<QueueSnapshot, QUEUES>,
}

/// What of one queue lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueSnapshot {
    /// [`Queue::counters`].
    pub counters: Counters,
    /// Offloads that were granted and turned out not to be done. They stay lost, whatever another descriptor grants ([`Queue::offloads`]).
    pub offloads_lost: Offloads,
    /// The dispatcher was told that the link is down, and not yet that it is up.
    pub link_down: bool,
}

impl<const QUEUES: usize> Snapshot<QUEUES> {
    /// Most bytes that [`encode`](Self::encode) writes.
    pub const MAX_LEN: usize = layout::len(QUEUES);

    /// Where the endpoint stood.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// True if there was an on-close action, which has to be [set](crate::LinkEndpoint::set_on_close_action) again.
    #[must_use]
    pub const fn has_on_close_action(&self) -> bool {
        self.has_on_close_action
    }

    /// The queues in their order.
    #[must_use]
    pub fn queues(&self) -> &[QueueSnapshot] {
        &self.queues
    }

    /// What passed so far, all queues together ([`LinkEndpoint::counters`](crate::LinkEndpoint::counters)).
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.queues.iter().fold(self.injected, |sum, queue| sum + queue.counters)
    }

    /// Bytes that [`encode`](Self::encode) writes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        layout::len(self.queues.len())
    }

    /// Writes the snapshot to the start of `buffer` and returns the bytes written.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::BufferTooShort`].
    pub fn encode<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], SnapshotError> {
        let needed = self.encoded_len();
        let bytes = buffer.get_mut(..needed).ok_or(SnapshotError::BufferTooShort { needed })?;
        layout::snapshot(&mut Writer::new(bytes), &mut self.clone())?;
        Ok(bytes)
    }

    /// Reads a snapshot. Bytes that come from anybody are safe to hand in; whether the options can work is seen when it is restored.
    ///
    /// Counters from a machine with wider pointers wrap, as they would have here.
    ///
    /// # Errors
    ///
    /// Every [`SnapshotError`] but [`BufferTooShort`](SnapshotError::BufferTooShort).
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut snapshot = Self::empty();
        layout::snapshot(&mut Reader::new(bytes), &mut snapshot)?;
        Ok(snapshot)
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> Endpoint<IO, Q> {
    /// Takes down what lives on of the endpoint; at any time, whatever its state. The endpoint is as before.
    ///
    /// While packets pass on other threads, each queue is caught between two batches; what passes afterwards is not in the snapshot. The account of
    /// what the system dropped is complete when the receivers are back.
    ///
    /// # Errors
    ///
    /// [`SnapshotError::TooManyQueues`]: the endpoint has more than `QUEUES`.
    pub fn snapshot<const QUEUES: usize>(&self) -> Result<Snapshot<QUEUES>, SnapshotError> {
        let queues = self.queues();
        if queues.len() > QUEUES {
            return Err(SnapshotError::TooManyQueues { queues: queues.len(), room: QUEUES });
        }
        Ok(Snapshot {
            options: Options { flow_seed: *self.shared.flow_seed.lock(), ..self.shared.config.options },
            mtu: self.mtu(),
            link_address: self.link_address(),
            state: self.state(),
            has_on_close_action: self.shared.on_close.lock().is_some(),
            injected: *self.shared.injected.lock(),
            queues: queues.iter().map(Queue::save).collect(),
        })
    }

    /// Makes an endpoint of `queues` that goes on where another one was when `snapshot` was taken.
    ///
    /// One that was attached is attached: packets can be written at once, and receivers be taken (a `Runner` of `fdlink-linux` resumes). Ends and stops were
    /// those of the old descriptors, so that an endpoint whose queues had ended is attached too. One that was detaching is detached; one that was
    /// closing is closed.
    ///
    /// # Errors
    ///
    /// [`ConfigError`]: what the new channels cannot do, as for [`new`](Self::new); [`ConfigError::QueuesOfSnapshot`] if their number is another.
    pub fn restore<const QUEUES: usize>(queues: Q, snapshot: &Snapshot<QUEUES>) -> Result<Self, ConfigError> {
        let (saved, given) = (snapshot.queues.len(), queues.as_ref().len());
        if saved != given {
            return Err(ConfigError::QueuesOfSnapshot { saved, given });
        }
        let endpoint = Self::new(queues, snapshot.options)?;
        endpoint.set_mtu(snapshot.mtu)?;
        endpoint.set_link_address(snapshot.link_address)?;
        *endpoint.shared.injected.lock() = snapshot.injected;
        endpoint.queues().iter().zip(&snapshot.queues).for_each(|(queue, saved)| queue.restore(saved));
        endpoint.shared.lifecycle.restore(snapshot.state, given);
        Ok(endpoint)
    }
}

#[cfg(test)]
mod tests;
