//! Errors of the endpoint itself. All are `Copy`, without strings, and grouped by who is at fault.

use core::fmt;

/// Options that cannot work, by the option at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// `queues`: an endpoint needs at least one channel.
    NoQueues,
    /// `queues`: more than 65,536 channels.
    TooManyQueues,
    /// `mtu`: zero.
    MtuZero,
    /// `mtu`: the packet and its link header do not fit the frames that the channels receive.
    MtuAboveFrameLimit {
        /// The MTU asked for, in bytes.
        mtu: u32,
        /// The largest that the channels carry, in bytes.
        max: u32,
    },
    /// `address`: the group bit is set.
    GroupAddress,
    /// `address`: given although there is no link header to carry it.
    AddressWithoutEthernet,
    /// `address`: the system leaves out frames by a filter for another address, and refuses to change it. The address stays as it was.
    RxFilterRefused,
    /// `vlan`: an identifier that is not 1 to 4094.
    VlanId,
    /// `vlan`: given although there is no link header that could carry a tag.
    VlanWithoutEthernet,
    /// `gso_max_size`: given although `gso` is none.
    GsoMaxSizeWithoutGso,
    /// `rx_budget`: zero.
    RxBudgetZero,
    /// `processor_backlog`: zero.
    ProcessorBacklogZero,
    /// `rx_split`: packets would be merged by `gro` and not be split again.
    SplitWithGro,
    /// `queues`: not as many as the endpoint had that is to be restored.
    QueuesOfSnapshot {
        /// Queues in the snapshot.
        saved: usize,
        /// Queues given.
        given: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoQueues => f.write_str("queues: an endpoint needs at least one channel"),
            Self::TooManyQueues => f.write_str("queues: at most 65,536 channels"),
            Self::MtuZero => f.write_str("mtu: must not be zero"),
            Self::MtuAboveFrameLimit { mtu, max } => {
                write!(f, "mtu: {mtu} is above {max}, the largest that fits the frames of the channels")
            }
            Self::GroupAddress => f.write_str("address: the group bit is set; an endpoint needs a unicast address"),
            Self::AddressWithoutEthernet => f.write_str("address: needs ethernet_header"),
            Self::RxFilterRefused => {
                f.write_str("address: the system refuses to change its filter; was it locked (SO_LOCK_FILTER)?")
            }
            Self::VlanId => f.write_str("vlan: an identifier is 1 to 4094"),
            Self::VlanWithoutEthernet => f.write_str("vlan: needs ethernet_header"),
            Self::GsoMaxSizeWithoutGso => f.write_str("gso_max_size: needs gso"),
            Self::RxBudgetZero => f.write_str("rx_budget: must not be zero"),
            Self::ProcessorBacklogZero => f.write_str("processor_backlog: must not be zero"),
            Self::SplitWithGro => f.write_str("rx_split: does not go together with gro, which makes super-frames"),
            Self::QueuesOfSnapshot { saved, given } => {
                write!(f, "queues: {given} channels for a snapshot of {saved}; give as many")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

/// Why a call to write packets did not try any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteError {
    /// Nothing is attached: attach first.
    NotAttached,
    /// Every queue has ended: the peers are gone or the channels failed. Detach.
    Ended,
    /// The endpoint was closed for good.
    Closed,
    /// No endpoint is known for the destination (origin: `ErrHostUnreachable` of the muxed endpoint).
    HostUnreachable,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAttached => "the endpoint is not attached: attach before writing",
            Self::Ended => "every queue has ended, its peer is gone or it failed: detach",
            Self::Closed => "the endpoint was closed for good",
            Self::HostUnreachable => "no endpoint is registered for this destination",
        })
    }
}

impl core::error::Error for WriteError {}

/// Why a receiver could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReceiverError {
    /// The endpoint is not attached.
    NotAttached,
    /// The endpoint has no queue of this number.
    NoSuchQueue,
    /// The receiver of this queue is out already: there is one at a time.
    Taken,
}

impl fmt::Display for ReceiverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAttached => "the endpoint is not attached: attach before receiving",
            Self::NoSuchQueue => "the endpoint has no queue of this number",
            Self::Taken => "the receiver of this queue is out already: drop it first",
        })
    }
}

impl core::error::Error for ReceiverError {}

/// Why a snapshot could not be taken, written or read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SnapshotError {
    /// There are more queues than the snapshot has room for.
    TooManyQueues {
        /// Queues there are.
        queues: usize,
        /// Queues there is room for.
        room: usize,
    },
    /// The buffer is shorter than what is to be written.
    BufferTooShort {
        /// Bytes that are to be written.
        needed: usize,
    },
    /// The bytes are no snapshot: they do not begin like one.
    Foreign,
    /// An older or a newer version wrote the snapshot ([`VERSION`](crate::endpoint::snapshot::VERSION)).
    Version {
        /// The version that wrote it.
        found: u32,
    },
    /// The snapshot was cut off, or something follows it.
    Length {
        /// Bytes that it has, as far as it was read.
        expected: usize,
        /// Bytes that are there.
        given: usize,
    },
    /// A field has a value that no snapshot has.
    Malformed {
        /// Where the field ends, in bytes from the start.
        end: usize,
    },
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyQueues { queues, room } => {
                write!(f, "{queues} queues do not fit a snapshot of {room}: raise its number of queues")
            }
            Self::BufferTooShort { needed } => write!(f, "the buffer is too short: the snapshot takes {needed} bytes"),
            Self::Foreign => f.write_str("the bytes are not a snapshot of an endpoint"),
            Self::Version { found } => {
                let known = crate::endpoint::snapshot::VERSION;
                write!(f, "the snapshot is of version {found}, and this is version {known}")
            }
            Self::Length { expected, given } => {
                write!(f, "the snapshot has {given} bytes, not {expected}: it was cut off, or something follows it")
            }
            Self::Malformed { end } => write!(f, "the snapshot is damaged in front of byte {end}"),
        }
    }
}

impl core::error::Error for SnapshotError {}
