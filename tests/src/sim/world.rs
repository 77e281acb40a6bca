use std::fmt::Display;
use std::time::Duration;

use fdlink_core::io::Offloads;
use fdlink_core::{GsoSupport, Options, TxPolicy, WakePolicy};
use fdlink_mock::descriptor::{Descriptor, DescriptorOptions, Kind, Ring};
use fdlink_mock::network::{Network, Topology, Wire};
use fdlink_mock::rng::Rng;

use super::Seen;

/// What a scenario plays in.
pub(super) struct World {
    pub(super) network: Network,
    pub(super) rng: Rng,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(network: Network, rng: Rng) -> Self {
        Self { network, rng, seen: Seen::default() }
    }

    pub(super) fn now(&self) -> Duration {
        self.network.clock().now()
    }

    /// A cable with a descriptor at each end.
    pub(super) fn cable(&mut self, wire: Wire, kinds: [Kind; 2], options: DescriptorOptions) -> [Descriptor; 2] {
        self.cable_of(wire, kinds.map(|kind| (kind, options)))
    }

    /// The same with ends that differ in more than their kinds.
    pub(super) fn cable_of(&mut self, wire: Wire, ends: [(Kind, DescriptorOptions); 2]) -> [Descriptor; 2] {
        let segment = self.network.segment(Topology::Hub, wire);
        ends.map(|(kind, options)| self.network.open_with(segment, kind, options))
    }

    /// Descriptors with a virtio-net header and without; those with one do much or little for frames, and hold super-frames.
    pub(super) fn with_vnet_header(&mut self, options: DescriptorOptions) -> DescriptorOptions {
        let vnet_header_len = self.rng.pick(&[0, 10, 12, 20]).unwrap_or(0);
        let tcp4 = Offloads::CSUM | Offloads::TSO4;
        let offloads = self.rng.pick(&[Offloads::all(), Offloads::all(), tcp4, Offloads::CSUM, Offloads::empty()]);
        if vnet_header_len == 0 {
            return options;
        }
        self.seen.at("virtio-net header");
        let (offloads, receive_len) = (offloads.unwrap_or_default(), options.receive_len.max(SUPER_FRAME));
        DescriptorOptions { vnet_header_len, offloads, receive_len, ..options }
    }

    /// What an endpoint does of what is left to do to packets, on either side.
    pub(super) fn with_offloads(&mut self, options: Options) -> Options {
        let rng = &mut self.rng;
        let gso = rng.pick(&[GsoSupport::None, GsoSupport::Software, GsoSupport::Host]).unwrap_or_default();
        let gso_max_size = if gso == GsoSupport::None { 0 } else { rng.pick(&[0, 3000, 20_000]).unwrap_or(0) };
        let gro = rng.one_in(2);
        let mut flip = || rng.one_in(2);
        Options {
            gso,
            gso_max_size,
            gro,
            rx_split: flip() && !gro,
            complete_checksums: flip(),
            rx_checksum_offload: flip(),
            tx_checksum_offload: flip(),
            tx_coalesce: flip(),
            ..options
        }
    }

    /// How packets are spread over processors.
    pub(super) fn with_processors(&mut self, options: Options) -> Options {
        let rng = &mut self.rng;
        Options {
            processors_per_channel: rng.within(1, 4),
            processor_backlog: rng.pick(&[3, 64]).unwrap_or(64),
            flow_seed: Some([rng.number(), rng.number()]),
            symmetric_flow_hash: rng.one_in(2),
            ..options
        }
    }

    /// Two kinds that understand each other.
    pub(super) fn kinds(&mut self) -> [Kind; 2] {
        let first = self.kind();
        self.seen.at(kind_name(first));
        let second = match first {
            Kind::Seqpacket | Kind::Datagram | Kind::Tun => first,
            _ => self.kind_with_ethernet(),
        };
        [first, second]
    }

    fn kind(&mut self) -> Kind {
        match self.rng.below(7) {
            0 => Kind::Tun,
            1 => Kind::Seqpacket,
            2 => Kind::Datagram,
            _ => self.kind_with_ethernet(),
        }
    }

    fn kind_with_ethernet(&mut self) -> Kind {
        let slots = self.rng.within(2, 64);
        let frames_per_block = self.rng.within(1, 16);
        let retire_after = self.rng.time(Duration::from_millis(10));
        match self.rng.below(4) {
            0 => Kind::Tap,
            1 => Kind::Packet,
            2 => Kind::PacketRing(Ring::slots(slots)),
            _ => Kind::PacketRing(Ring::blocks(slots.div_ceil(8) + 1, frames_per_block, retire_after)),
        }
    }

    pub(super) fn wire(&mut self) -> Wire {
        let rng = &mut self.rng;
        let mut wire = Wire { latency: rng.time(Duration::from_millis(5)), ..Wire::default() };
        if rng.one_in(2) {
            wire.bits_per_second = rng.pick(&[1_000_000, 10_000_000, 1_000_000_000]);
        }
        if rng.one_in(3) {
            wire.queue_frames = rng.within(8, 100);
        }
        if rng.one_in(3) {
            wire.latency = Duration::ZERO;
        }
        wire
    }

    /// Everything about an endpoint that does not change what must come of its traffic.
    pub(super) fn options(&mut self, kind: Kind) -> Options {
        let rng = &mut self.rng;
        let max_delay = rng.time(Duration::from_millis(1));
        let timeout = rng.time(Duration::from_millis(1));
        let wake = [WakePolicy::Prompt, WakePolicy::Coalesce { max_delay }, WakePolicy::BusyPoll { budget: 3 }];
        let wait = TxPolicy::Wait { attempts: rng.below(4) as u32, timeout };
        Options {
            ethernet_header: kind != Kind::Tun,
            rx_budget: rng.within(1, 20),
            wake: rng.pick(&wake).unwrap_or_default(),
            tx_policy: rng.pick(&[TxPolicy::Return, TxPolicy::Drop, wait]).unwrap_or(wait),
            ..Options::default()
        }
    }

    /// Lets time pass until something happens on the network, or for a while.
    pub(super) fn pass_time(&mut self) {
        let while_ = self.rng.time(Duration::from_millis(4));
        let event = self.network.next_event().filter(|_| self.rng.one_in(2));
        self.network.clock().advance_to(event.unwrap_or(self.now() + while_));
    }
}

/// An error says what is wrong in words.
pub(super) fn check_words(error: impl Display) {
    let words = error.to_string();
    assert!(words.contains(' '), "{words:?} is no sentence");
}

/// Longer than any super-frame with all its headers.
const SUPER_FRAME: usize = 66_000;

const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Tap => "kind tap",
        Kind::Tun => "kind tun",
        Kind::Seqpacket => "kind seqpacket",
        Kind::Datagram => "kind datagram",
        Kind::Packet => "kind packet",
        Kind::PacketRing(Ring { frames_per_block: 1, .. }) => "kind ring of slots",
        Kind::PacketRing(_) => "kind ring of blocks",
    }
}
