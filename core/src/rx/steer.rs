//! Spreading packets by flow.

use core::marker::PhantomData;
use core::mem;

use crate::dispatcher::{LinkEvent, NetworkDispatcher};
use crate::packet::RxPacket;
use crate::wire::{EtherType, FlowHasher, FlowKey};

/// A dispatcher in front of others: each flow goes to one of them, so that its order is kept, whatever has no flow to the first, and link events to
/// all (kernel: receive packet steering).
///
/// The packets of a flow are alike as [`FlowKey`] sees them; a datagram that was fragmented may overtake one of the same ports that was not,
/// and the other way round. Over the [`Feed`](crate::rx::handoff::Feed)s of several processors it spreads a queue over threads.
///
/// # Examples
///
/// ```
/// use fdlink_core::io::RxMeta;
/// use fdlink_core::rx::Steering;
/// use fdlink_core::wire::FlowHasher;
/// # use fdlink_core::{EtherType, NetworkDispatcher, RxPacket};
/// # #[derive(Default)]
/// # struct Count(usize);
/// # impl NetworkDispatcher for Count {
/// #     fn deliver(&mut self, _protocol: EtherType, _packet: RxPacket<'_>) {
/// #         self.0 += 1;
/// #     }
/// # }
/// let mut counts = [Count::default(), Count::default()];
/// let mut steering = Steering::new(&mut counts, FlowHasher::new([17, 4]));
/// steering.deliver(EtherType::ARP, RxPacket::new(&mut [0; 28], 0, RxMeta::new(28)));
/// assert_eq!([counts[0].0, counts[1].0], [1, 0]);
/// ```
pub struct Steering<D, L: AsMut<[D]>> {
    dispatchers: L,
    hasher: FlowHasher,
    /// Packets of this batch that no dispatcher was there for.
    lost: usize,
    marker: PhantomData<fn(D)>,
}

impl<D: NetworkDispatcher, L: AsMut<[D]>> Steering<D, L> {
    /// Spreads over `dispatchers`: an array, a slice, a `Vec`. Where it is empty, every packet is given up.
    pub const fn new(dispatchers: L, hasher: FlowHasher) -> Self {
        Self { dispatchers, hasher, lost: 0, marker: PhantomData }
    }

    /// The dispatchers.
    pub fn into_inner(self) -> L {
        self.dispatchers
    }
}

impl<D: NetworkDispatcher, L: AsMut<[D]>> NetworkDispatcher for Steering<D, L> {
    #[inline]
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let dispatchers = self.dispatchers.as_mut();
        // With one dispatcher there is nothing to choose, and a hash costs more than the copy of a small packet.
        let flow = if dispatchers.len() > 1 { FlowKey::parse(protocol, packet.payload()) } else { None };
        let index = flow.map_or(0, |flow| scale(self.hasher.hash(&flow), dispatchers.len()));
        match dispatchers.get_mut(index) {
            Some(dispatcher) => dispatcher.deliver(protocol, packet),
            None => self.lost += 1,
        }
    }

    fn notify(&mut self, event: LinkEvent) {
        self.dispatchers.as_mut().iter_mut().for_each(|dispatcher| dispatcher.notify(event));
    }

    fn end_of_batch(&mut self) -> usize {
        let given_up = self.dispatchers.as_mut().iter_mut().map(NetworkDispatcher::end_of_batch);
        given_up.sum::<usize>() + mem::take(&mut self.lost)
    }

    fn prefetch_len(&mut self) -> usize {
        let dispatchers = self.dispatchers.as_mut();
        let own = if dispatchers.len() > 1 { FLOW_LEN } else { 0 };
        dispatchers.iter_mut().map(NetworkDispatcher::prefetch_len).fold(own, usize::max)
    }
}

/// Bytes of a frame in which the ports mostly are: behind a link header and one of IP.
const FLOW_LEN: usize = 64;

/// Spreads `hash` evenly over `0..count`, without a division (kernel: `reciprocal_scale`).
#[inline]
const fn scale(hash: u32, count: usize) -> usize {
    ((hash as u64 * count as u64) >> 32) as usize
}
