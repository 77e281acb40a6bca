//! The other ends of an endpoint's queues: descriptors without an endpoint.

use fdlink_core::Offload;
use fdlink_core::io::{
    Channel, ErrorKind, IoError as _, RawIo as _, RxBatch as _, RxFrame, RxQueue as _, TxFrame, TxQueue as _,
};
use fdlink_mock::descriptor::{Descriptor, DescriptorRx, DescriptorTx};
use fdlink_mock::device::Watch;
use fdlink_mock::fault::Rates;
use fdlink_mock::network::Network;

use super::verdict::{LentFrame, offload_of};
use crate::support::{Offloaded, on_the_wire};

/// A descriptor that a scenario drives by hand.
pub(super) struct Peer {
    pub(super) port: usize,
    pub(super) vnet_header_len: usize,
    rx: DescriptorRx,
    tx: DescriptorTx,
}

impl Peer {
    /// At this end goes wrong what `rates` says.
    pub(super) fn new(network: &Network, descriptor: Descriptor, rates: Rates) -> Self {
        let port = descriptor.port();
        network.set_rates(port, rates);
        let vnet_header_len = descriptor.limits().vnet_header_len;
        let Channel { rx, tx, .. } = descriptor.split();
        Self { port, vnet_header_len, rx, tx }
    }

    pub(super) fn send(&self, frame: &[u8]) -> Result<(), ErrorKind> {
        self.tx.send(&[TxFrame { header: &[], parts: &[frame] }]).map(drop).map_err(|error| error.kind())
    }

    /// At most `most` of the frames that have arrived, with what is said to be left to do to them.
    pub(super) fn take_told(&mut self, most: usize, link_len: usize) -> Vec<Offloaded> {
        let vnet_header_len = self.vnet_header_len;
        let told = |frame: Vec<u8>| {
            let (header, frame) = frame.split_at(vnet_header_len);
            let offload = match vnet_header_len {
                0 => Offload::NONE,
                _ => offload_of(header, frame, link_len).expect("a header that the endpoint made"),
            };
            Offloaded { frame: frame.to_vec(), offload }
        };
        self.take(most).into_iter().map(told).collect()
    }

    /// At most `most` of the frames that have arrived.
    pub(super) fn take(&mut self, most: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.len() < most {
            let Ok(mut batch) = self.rx.poll(most - frames.len()) else { break };
            let before = frames.len();
            frames.extend(batch.frames().map(|frame| frame.bytes.to_vec()));
            if frames.len() == before {
                break;
            }
        }
        frames
    }
}

/// The frames of a packet as they stand on a wire. One that nothing is left to do to is not looked into: noise may look like a packet.
pub(super) fn carried(packet: &Offloaded, link_len: usize) -> Vec<Vec<u8>> {
    if packet.offload.is_none() { vec![packet.frame.clone()] } else { on_the_wire(packet, link_len) }
}

/// Keeps what was lent, in order.
#[derive(Debug, Default)]
pub(super) struct Lent(pub(super) Vec<LentFrame>);

impl Watch for Lent {
    fn received(&mut self, frame: &RxFrame<'_>) {
        let (len, tag) = (frame.meta.len, frame.meta.vlan);
        self.0.push(LentFrame { len, tag, bytes: frame.bytes.to_vec() });
    }
}
