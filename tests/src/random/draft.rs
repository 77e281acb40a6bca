use fdlink_core::wire::ethernet::{EthernetHeader, HEADER_LEN};
use fdlink_core::{EtherType, GSO_MAX_SIZE, GsoSupport, LinkAddress, Offload, Options, Packet, Refusal};

use super::{Dice, length};
use crate::support::{OWN, Offloaded, PEER, STRANGER, on_the_wire};

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
    offload: Offload,
    /// The offload does not fit the packet.
    is_odd: bool,
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
            offload: Offload::NONE,
            is_odd: false,
        }
    }

    /// A packet that something may be left to do to, often one that is cut within its headers and its segments.
    pub fn of(dice: &mut Dice, options: &Options, packet: Offloaded) -> Self {
        Way::new(dice, options).draft(dice, options, packet)
    }

    /// Packets that have one way to go.
    pub fn burst(dice: &mut Dice, options: &Options, packets: Vec<Offloaded>) -> Vec<Self> {
        let way = Way::new(dice, options);
        packets.into_iter().map(|packet| way.draft(dice, options, packet)).collect()
    }

    /// The same, of which what is left to do cannot be done.
    #[must_use]
    pub fn odd(self) -> Self {
        Self { is_odd: true, ..self }
    }

    /// True if it is refused as unfit, for one reason or another.
    #[must_use]
    pub const fn is_odd(&self) -> bool {
        self.is_odd
    }

    /// True if it lies in more parts than can be sent where something is left to do to it.
    #[must_use]
    pub fn has_many_parts(&self) -> bool {
        self.cuts.len() > 180 && !self.offload.is_none()
    }

    /// True if something is to be cut.
    #[must_use]
    pub const fn is_super_frame(&self) -> bool {
        self.offload.gso.is_some()
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
        let packet = packet.to(self.destination).with_hash(self.hash).with_offload(self.offload);
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
            _ if self.offload.gso.is_some() => self.unfit_for_gso(options, header),
            len if len > header + options.mtu as usize => Some(Refusal::ExceedsMtu),
            _ => None,
        }
    }

    fn unfit_for_gso(&self, options: &Options, header: usize) -> Option<Refusal> {
        let most = if options.gso_max_size == 0 { GSO_MAX_SIZE } else { options.gso_max_size };
        let segments = || self.on_the_wire(options);
        match options.gso {
            GsoSupport::None => Some(Refusal::NoGso),
            _ if self.bytes.len() - header > most as usize => Some(Refusal::ExceedsGsoMaxSize),
            _ => {
                let longest = segments().iter().map(Vec::len).max().unwrap_or(0);
                let link = if options.ethernet_header { HEADER_LEN } else { 0 };
                (longest > link + options.mtu as usize).then_some(Refusal::ExceedsMtu)
            }
        }
    }

    /// What arrives of it, as the system or the endpoint makes it.
    #[must_use]
    pub fn on_the_wire(&self, options: &Options) -> Vec<Vec<u8>> {
        let (frame, offload) = (self.frame(options), self.offload);
        if offload.is_none() {
            return vec![frame];
        }
        on_the_wire(&Offloaded { frame, offload }, if options.ethernet_header { HEADER_LEN } else { 0 })
    }

    fn frame(&self, options: &Options) -> Vec<u8> {
        if self.is_framed || !options.ethernet_header {
            return self.bytes.clone();
        }
        let source = self.source.unwrap_or(OWN);
        let header = EthernetHeader { destination: self.destination, source, ether_type: self.protocol };
        [&header.to_bytes(), self.bytes.as_slice()].concat()
    }
}

/// What packets of a connection have in common.
#[derive(Debug, Clone, Copy)]
struct Way {
    hash: u32,
    is_framed: bool,
    destination: LinkAddress,
}

impl Way {
    fn new(dice: &mut Dice, options: &Options) -> Self {
        let is_framed = !options.ethernet_header || dice.flip();
        let destination = dice.pick(&[PEER, LinkAddress::BROADCAST]);
        Self { hash: dice.number() as u32, is_framed, destination }
    }

    fn draft(self, dice: &mut Dice, options: &Options, packet: Offloaded) -> Draft {
        let Self { hash, is_framed, destination } = self;
        let Offloaded { frame, offload } = packet;
        let has_link_header = options.ethernet_header;
        let protocol =
            if has_link_header { EtherType(u16::from_be_bytes([frame[12], frame[13]])) } else { EtherType(0) };
        let bytes = if is_framed { frame } else { frame[HEADER_LEN..].to_vec() };
        let cuts = if dice.one_in(50) { 250 } else { dice.within(0..=5) };
        let most = if dice.flip() { bytes.len() } else { bytes.len().min(80) };
        let mut cuts: Vec<_> = (0..cuts).map(|_| dice.within(0..=most)).collect();
        cuts.sort_unstable();
        Draft { bytes, cuts, hash, is_framed, protocol, destination, source: None, offload, is_odd: false }
    }
}
