use heapless::Vec;

use super::MAX_SEGMENTS;
use super::finish::finish;
use super::flow::Related;
use super::head::{Head, Next};
use super::prediction::Prediction;
use super::segment::Segment;
use crate::dispatcher::NetworkDispatcher;
use crate::packet::RxPacket;
use crate::wire::EtherType;

/// Segments of a flow that follow each other: a packet, and the payloads that are to be appended to it.
pub(super) struct Run<'b> {
    head: Option<Head<RxPacket<'b>>>,
    /// From the second segment on: a packet may well be followed by none of its flow.
    prediction: Option<Prediction>,
    /// The protocol of the first packet, and the number of the run; as long as there is a head.
    begun: Option<(EtherType, usize)>,
    tail: Vec<&'b [u8], { MAX_SEGMENTS - 1 }>,
}

impl<'b> Run<'b> {
    #[inline]
    pub(super) const fn new() -> Self {
        Self { head: None, prediction: None, begun: None, tail: Vec::new() }
    }

    pub(super) const fn is_held(&self) -> bool {
        self.head.is_some()
    }

    /// How many runs were started since this one.
    pub(super) fn age(&self, started: usize) -> usize {
        self.begun.map_or(0, |(_, begun)| started.wrapping_sub(begun))
    }

    pub(super) fn is_related(&self, related: Related) -> bool {
        self.head.as_ref().is_some_and(|head| head.is_related(related))
    }

    pub(super) fn is_of_flow(&self, segment: &Segment, packet: &RxPacket<'_>) -> bool {
        self.head.as_ref().is_some_and(|head| head.is_of_flow(segment, packet))
    }

    pub(super) fn begin(&mut self, protocol: EtherType, packet: RxPacket<'b>, segment: Segment, started: usize) {
        self.begun = Some((protocol, started));
        self.head = Some(Head::new(packet, segment));
    }

    /// Appends `packet` if it is the segment that is predicted; gives it back if not.
    #[inline]
    pub(super) fn append_predicted<D: NetworkDispatcher + ?Sized>(
        &mut self,
        packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) -> Result<(), RxPacket<'b>> {
        let (Some(head), Some(prediction)) = (&mut self.head, &mut self.prediction) else { return Err(packet) };
        if !prediction.has_room(self.tail.len()) || !head.expects(&packet, prediction) {
            return Err(packet);
        }
        let frame: &'b [u8] = packet.into_frame();
        let payload = frame.get(head.segment.payload()).unwrap_or_default();
        head.extend_by(payload.len());
        prediction.advance(head);
        self.push(payload, false, dispatcher);
        Ok(())
    }

    /// What `packet` adds to the run; `None` if it does not continue it.
    #[inline]
    pub(super) fn next(&self, packet: &RxPacket<'_>) -> Option<Next> {
        self.head.as_ref()?.next(packet)
    }

    /// Appends a segment that is [`next`](Run::next). One that ends the run is delivered with it.
    pub(super) fn append<D: NetworkDispatcher + ?Sized>(
        &mut self,
        next: &Next,
        packet: RxPacket<'b>,
        dispatcher: &mut D,
    ) {
        let frame: &'b [u8] = packet.into_frame();
        let (Some(head), Some(payload)) = (&mut self.head, frame.get(next.payload.clone())) else { return };
        let is_last = head.extend(next);
        if self.prediction.is_none() {
            self.prediction = head.predict();
        }
        if let Some(prediction) = &mut self.prediction {
            prediction.advance(head);
        }
        self.push(payload, is_last, dispatcher);
    }

    #[inline]
    fn push<D: NetworkDispatcher + ?Sized>(&mut self, payload: &'b [u8], is_last: bool, dispatcher: &mut D) {
        // There is room: a full run is not held.
        let _ = self.tail.push(payload);
        if is_last || self.tail.is_full() {
            self.close(dispatcher);
        }
    }

    /// Delivers what is held, if anything is.
    pub(super) fn close<D: NetworkDispatcher + ?Sized>(&mut self, dispatcher: &mut D) {
        let (Some(head), Some((protocol, _))) = (self.head.take(), self.begun) else { return };
        self.prediction = None;
        if self.tail.is_empty() {
            return dispatcher.deliver(protocol, head.packet);
        }
        dispatcher.deliver(protocol, finish(head).with_tail(&self.tail));
        self.tail.clear();
    }
}
