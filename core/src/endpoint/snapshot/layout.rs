use core::time::Duration;

use heapless::Vec;

use super::codec::Codec;
use super::{QueueSnapshot, Snapshot};
use crate::counters::{Counters, DropCause, RefusalCause};
use crate::endpoint::state::State;
use crate::endpoint::{GsoSupport, Options, TxPolicy};
use crate::error::SnapshotError;
use crate::io::{EtherTypes, Offloads, VlanFilter};
use crate::rx::WakePolicy;
use crate::wire::{EtherType, LinkAddress};

/// The version of the layout that is written and read.
pub const VERSION: u32 = 1;

/// Bytes of a snapshot with `queues` queues.
pub(super) const fn len(queues: usize) -> usize {
    FIXED_LEN + queues * QUEUE_LEN
}

impl<const QUEUES: usize> Snapshot<QUEUES> {
    /// What a snapshot is read into.
    pub(super) fn empty() -> Self {
        Self {
            options: Options::default(),
            mtu: 0,
            link_address: LinkAddress::ZERO,
            state: State::Detached,
            has_on_close_action: false,
            injected: Counters::default(),
            queues: Vec::new(),
        }
    }
}

/// Everything, in order.
pub(super) fn snapshot<const QUEUES: usize>(
    codec: &mut impl Codec,
    snapshot: &mut Snapshot<QUEUES>,
) -> Result<(), SnapshotError> {
    let queues = header(codec, snapshot.queues.len())?;
    let too_many = SnapshotError::TooManyQueues { queues, room: QUEUES };
    snapshot.queues.resize_default(queues).map_err(|_| too_many)?;
    state(codec, &mut snapshot.state)?;
    let Snapshot { options, mtu, link_address, .. } = snapshot;
    let (mut has_seed, mut seed) = (options.flow_seed.is_some(), options.flow_seed.unwrap_or_default());
    flags(codec, options, [&mut has_seed, &mut snapshot.has_on_close_action])?;
    codec.u32(&mut options.mtu)?;
    codec.bytes(&mut options.address.0)?;
    codec.bytes(&mut link_address.0)?;
    codec.u32(mtu)?;
    gso(codec, options)?;
    vlan(codec, &mut options.vlan)?;
    ether_types(codec, &mut options.ether_types)?;
    codec.size(&mut options.rx_budget)?;
    codec.size(&mut options.processors_per_channel)?;
    codec.size(&mut options.processor_backlog)?;
    seed.iter_mut().try_for_each(|word| codec.u64(word))?;
    options.flow_seed = match has_seed {
        true => Some(seed),
        false if seed == [0; 2] => None,
        false => return Err(codec.malformed()),
    };
    wake(codec, &mut options.wake)?;
    tx_policy(codec, &mut options.tx_policy)?;
    counters(codec, &mut snapshot.injected)?;
    snapshot.queues.iter_mut().try_for_each(|saved| queue(codec, saved))
}

/// Returns the number of queues.
fn header(codec: &mut impl Codec, mut queues: usize) -> Result<usize, SnapshotError> {
    let (mut magic, mut version, mut length) = (MAGIC, VERSION, len(queues));
    codec.bytes(&mut magic).map_err(|_| SnapshotError::Foreign)?;
    if magic != MAGIC {
        return Err(SnapshotError::Foreign);
    }
    codec.u32(&mut version)?;
    if version != VERSION {
        return Err(SnapshotError::Version { found: version });
    }
    codec.length(&mut length)?;
    if length != codec.len() {
        return Err(SnapshotError::Length { expected: length, given: codec.len() });
    }
    codec.length(&mut queues)?;
    match queues.checked_mul(QUEUE_LEN).and_then(|queues| queues.checked_add(FIXED_LEN)) {
        Some(expected) if expected == length => Ok(queues),
        _ => Err(codec.malformed()),
    }
}

fn state(codec: &mut impl Codec, state: &mut State) -> Result<(), SnapshotError> {
    let mut index = *state as usize;
    codec.length(&mut index)?;
    *state = State::ALL.get(index).copied().ok_or(codec.malformed())?;
    Ok(())
}

fn flags(codec: &mut impl Codec, options: &mut Options, more: [&mut bool; 2]) -> Result<(), SnapshotError> {
    let [has_seed, has_on_close_action] = more;
    codec.flags([
        &mut options.ethernet_header,
        &mut options.promiscuous,
        &mut options.gro,
        &mut options.tx_coalesce,
        &mut options.tx_checksum_offload,
        &mut options.rx_checksum_offload,
        &mut options.rx_split,
        &mut options.complete_checksums,
        &mut options.symmetric_flow_hash,
        &mut options.save_restore,
        &mut options.disconnect_ok,
        has_seed,
        has_on_close_action,
    ])
}

fn gso(codec: &mut impl Codec, options: &mut Options) -> Result<(), SnapshotError> {
    const KINDS: [GsoSupport; 3] = [GsoSupport::None, GsoSupport::Host, GsoSupport::Software];
    let mut kind = options.gso as usize;
    codec.length(&mut kind)?;
    options.gso = KINDS.get(kind).copied().ok_or(codec.malformed())?;
    codec.u32(&mut options.gso_max_size)
}

fn vlan(codec: &mut impl Codec, vlan: &mut VlanFilter) -> Result<(), SnapshotError> {
    let (mut kind, mut id) = match *vlan {
        VlanFilter::Any => (0, 0),
        VlanFilter::Untagged => (1, 0),
        VlanFilter::Id(id) => (2, id),
    };
    codec.u16(&mut kind)?;
    codec.u16(&mut id)?;
    *vlan = match (kind, id) {
        (0, 0) => VlanFilter::Any,
        (1, 0) => VlanFilter::Untagged,
        (2, id) => VlanFilter::Id(id),
        _ => return Err(codec.malformed()),
    };
    Ok(())
}

fn ether_types(codec: &mut impl Codec, ether_types: &mut EtherTypes) -> Result<(), SnapshotError> {
    let mut count = ether_types.as_slice().len();
    codec.length(&mut count)?;
    let mut list = [EtherType(0); EtherTypes::MOST];
    list.iter_mut().zip(ether_types.as_slice()).for_each(|(to, from)| *to = *from);
    list.iter_mut().try_for_each(|ether_type| codec.u16(&mut ether_type.0))?;
    let (named, rest) = list.split_at_checked(count).ok_or(codec.malformed())?;
    let is_clean = rest.iter().all(|ether_type| ether_type.0 == 0);
    *ether_types = EtherTypes::from_slice(named).filter(|_| is_clean).ok_or(codec.malformed())?;
    Ok(())
}

fn wake(codec: &mut impl Codec, wake: &mut WakePolicy) -> Result<(), SnapshotError> {
    let (mut kind, mut budget, mut delay) = match *wake {
        WakePolicy::Prompt => (0, 0, Duration::ZERO),
        WakePolicy::Coalesce { max_delay } => (1, 0, max_delay),
        WakePolicy::BusyPoll { budget } => (2, budget, Duration::ZERO),
    };
    codec.u32(&mut kind)?;
    codec.u32(&mut budget)?;
    codec.duration(&mut delay)?;
    *wake = match (kind, budget, delay) {
        (0, 0, Duration::ZERO) => WakePolicy::Prompt,
        (1, 0, max_delay) => WakePolicy::Coalesce { max_delay },
        (2, budget, Duration::ZERO) => WakePolicy::BusyPoll { budget },
        _ => return Err(codec.malformed()),
    };
    Ok(())
}

fn tx_policy(codec: &mut impl Codec, policy: &mut TxPolicy) -> Result<(), SnapshotError> {
    let (mut kind, mut attempts, mut timeout) = match *policy {
        TxPolicy::Return => (0, 0, Duration::ZERO),
        TxPolicy::Drop => (1, 0, Duration::ZERO),
        TxPolicy::Wait { attempts, timeout } => (2, attempts, timeout),
    };
    codec.u32(&mut kind)?;
    codec.u32(&mut attempts)?;
    codec.duration(&mut timeout)?;
    *policy = match (kind, attempts, timeout) {
        (0, 0, Duration::ZERO) => TxPolicy::Return,
        (1, 0, Duration::ZERO) => TxPolicy::Drop,
        (2, attempts, timeout) => TxPolicy::Wait { attempts, timeout },
        _ => return Err(codec.malformed()),
    };
    Ok(())
}

fn queue(codec: &mut impl Codec, queue: &mut QueueSnapshot) -> Result<(), SnapshotError> {
    let mut lost = queue.offloads_lost.bits();
    codec.u32(&mut lost)?;
    queue.offloads_lost = Offloads::from_bits(lost).ok_or(codec.malformed())?;
    codec.flags([&mut queue.link_down])?;
    counters(codec, &mut queue.counters)
}

fn counters(codec: &mut impl Codec, counters: &mut Counters) -> Result<(), SnapshotError> {
    let Counters { rx, tx } = counters;
    let mut each = |fields: &mut [usize]| fields.iter_mut().try_for_each(|field| codec.counter(field));
    for field in [&mut rx.received, &mut rx.received_bytes, &mut rx.delivered, &mut rx.merged, &mut rx.split] {
        each(core::slice::from_mut(field))?;
    }
    each(&mut rx.drops)?;
    for field in
        [&mut rx.truncated_bytes, &mut rx.calls, &mut rx.errors, &mut tx.sent, &mut tx.sent_bytes, &mut tx.merged]
    {
        each(core::slice::from_mut(field))?;
    }
    each(&mut tx.refusals)?;
    each(core::slice::from_mut(&mut tx.calls))?;
    each(core::slice::from_mut(&mut tx.waits))
}

const MAGIC: [u8; 8] = *b"fdlsnap\0";
const COUNTERS_LEN: usize = 232;
const FIXED_LEN: usize = 176 + COUNTERS_LEN;
const QUEUE_LEN: usize = 8 + COUNTERS_LEN;

/// Another counter is another version.
const _: () = assert!(8 * (13 + DropCause::ALL.len() + RefusalCause::ALL.len()) == COUNTERS_LEN);
const _: () = assert!(size_of::<Counters>() * 8 == COUNTERS_LEN * size_of::<usize>());
