use fdlink_core::wire::ethernet::{EthernetHeader, HEADER_LEN};
use fdlink_core::{EtherType, LinkAddress, Options, Packet, Refusal};

use super::{Dice, length};
use crate::support::{OWN, PEER, STRANGER};

/// A packet before it is one.
#[derive(Debug, Clone)]
pub struct Draft {
    bytes: Vec<u8>,
    /// Where the bytes are cut into parts, in order.
    cuts: Vec<usize>,
    hash: u32,
    is_framed: bool,
    protocol: EtherType,
    destination: LinkAddress,
    /// A bridged packet brings its own.
    source: Option<LinkAddress>,
}

impl Draft {
    /// A packet for an endpoint with these options, often one that it refuses.
    pub fn new(dice: &mut Dice, options: &Options) -> Self {
        let mtu = options.mtu as usize;
        let limit = mtu + dice.pick(&[0, HEADER_LEN]);
        let len = length(dice, limit, mtu + 100);
        let mut cuts: Vec<_> = (0..dice.within(0..=5)).map(|_| dice.within(0..=len)).collect();
        cuts.sort_unstable();
        Self {
            bytes: dice.bytes(len),
            cuts,
            hash: dice.number() as u32 >> dice.pick(&[0, 30]),
            is_framed: dice.one_in(3),
            protocol: EtherType(dice.number() as u16),
            destination: dice.pick(&[PEER, LinkAddress::BROADCAST]),
            source: dice.one_in(4).then_some(STRANGER),
        }
    }

    /// The parts of the packet; some may be empty.
    #[must_use]
    pub fn parts(&self) -> Vec<&[u8]> {
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        let starts = [0].into_iter().chain(self.cuts.iter().copied());
        starts.zip(ends).map(|(start, end)| &self.bytes[start..end]).collect()
    }

    /// The packet, over its [`parts`](Draft::parts).
    #[must_use]
    pub fn packet<'p>(&self, parts: &'p [&'p [u8]]) -> Packet<'p> {
        let packet = if self.is_framed { Packet::framed(parts) } else { Packet::new(self.protocol, parts) };
        let packet = packet.to(self.destination).with_hash(self.hash);
        match self.source {
            Some(source) => packet.from(source),
            None => packet,
        }
    }

    /// Which of so many queues it goes to.
    #[must_use]
    pub const fn queue(&self, queues: usize) -> usize {
        self.hash as usize % queues
    }

    /// Why it is never sent, if so.
    #[must_use]
    pub fn unfit(&self, options: &Options) -> Option<Refusal> {
        let header = if self.is_framed && options.ethernet_header { HEADER_LEN } else { 0 };
        match self.bytes.len() {
            0 => Some(Refusal::Empty),
            len if len < header => Some(Refusal::Runt),
            len if len > header + options.mtu as usize => Some(Refusal::ExceedsMtu),
            _ => None,
        }
    }

    /// What arrives of it.
    #[must_use]
    pub fn on_the_wire(&self, options: &Options) -> Vec<u8> {
        if self.is_framed || !options.ethernet_header {
            return self.bytes.clone();
        }
        let source = self.source.unwrap_or(OWN);
        let header = EthernetHeader { destination: self.destination, source, ether_type: self.protocol };
        [&header.to_bytes(), self.bytes.as_slice()].concat()
    }
}
