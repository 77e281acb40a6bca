use core::time::Duration;

use bitflags::bitflags;

use crate::error::ConfigError;
use crate::io::{EtherTypes, Limits, RxFilter, VlanFilter};
use crate::rx::WakePolicy;
use crate::wire::LinkAddress;
use crate::wire::ethernet::HEADER_LEN;

/// The origin's `BatchSize`: 46 packets of 1,420 bytes and one of 216 are one TCP segment of 64 KiB.
pub const BATCH_SIZE: usize = 47;

/// The origin's `GVisorGSOMaxSize`, in bytes: the longest packet for segmentation where nothing else is asked.
pub const GSO_MAX_SIZE: u32 = 65_536;

/// Bytes of [`Options::gso_max_size`] that the origin's TCP leaves for the headers of all layers when it fills a packet for segmentation.
pub const GSO_HEADER_ALLOWANCE: u32 = 160;

/// How an endpoint is to work. Checked once, when the endpoint is made; every rejection is a [`ConfigError`] that names the field.
///
/// Each field says which option of the origin's `fdbased.Options` it is. What belongs to a file descriptor rather than to the
/// endpoint (dispatch mode, batch size, header bytes) is an option of the backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Longest packet in bytes, link header excluded (`MTU`). Default 1500.
    pub mtu: u32,
    /// Frames start with an Ethernet II header (`EthernetHeader`). Without it they start with the IP header. Default true.
    pub ethernet_header: bool,
    /// The endpoint's own address (`Address`): source of what it sends, and the unicast address that it accepts. Default zero, which
    /// no frame is for.
    pub address: LinkAddress,
    /// Accept frames for any address, as a bridge port or a sniffer must (the origin cannot). Default false.
    pub promiscuous: bool,
    /// Accept packets of these protocols only; the type behind a VLAN tag counts. Default [`EtherTypes::ALL`], as in the origin.
    pub ether_types: EtherTypes,
    /// Accept frames of these VLANs only. A tag that a channel neither leaves in the frame nor tells is not seen. Default [`VlanFilter::Any`].
    pub vlan: VlanFilter,
    /// Most frames taken from a queue at a time; a stop is seen between two such batches. Default 64.
    pub rx_budget: usize,
    /// When a receiver that has run dry looks again. Default [`WakePolicy::Prompt`].
    pub wake: WakePolicy,
    /// What to do when a descriptor takes nothing more (the origin drops the rest of the batch). Default [`TxPolicy::Return`].
    pub tx_policy: TxPolicy,
    /// Who segments packets above the MTU that ask for it ([`Packet::with_offload`](crate::Packet::with_offload); `GSOMaxSize`,
    /// `GVisorGSOEnabled`). Default [`GsoSupport::None`]: such packets are refused.
    pub gso: GsoSupport,
    /// Longest packet in bytes handed in for segmentation, link header excluded (`GSOMaxSize`); 0 with `gso` is [`GSO_MAX_SIZE`]. A TCP that makes them
    /// leaves [`GSO_HEADER_ALLOWANCE`] bytes of it for headers. Default 0.
    pub gso_max_size: u32,
    /// Merge successive segments of TCP and UDP flows of one batch into super-frames (`GRO`): [`RxPacket::tail`](crate::RxPacket::tail),
    /// [`RxPacket::offload`](crate::RxPacket::offload). Default false.
    ///
    /// For dispatchers that take super-frames: stacks with receive offload, and forwarders. The rules are those of Linux, but that
    /// order within a flow is always kept ([`Coalescer`](crate::rx::gro::Coalescer)). What is not merged is delivered as it came; if its checksum
    /// was verified on the way, it is [`Unnecessary`](crate::ChecksumState::Unnecessary). The smoltcp device takes frames one by one, and
    /// merges none.
    ///
    /// Segments that come one after the other instead of at a time merge with [`WakePolicy::Coalesce`], which holds them for up to its delay.
    pub gro: bool,
    /// Merge successive packets of a TCP or UDP flow into super-frames where the system cuts such ones: one write instead of 45, for stacks that
    /// make packets one by one. Default false: small writes gain nothing from it, and pay for the look at each header.
    ///
    /// It takes a virtio-net header and the offload for the kind of packet ([`Queue::offloads`](crate::Queue::offloads)), whatever
    /// [`gso`](Options::gso) says. Headers are taken from the first packet, payload from where it is. What becomes of each packet is
    /// told as ever: those of a frame are all sent, all pending, or all refused, and if the system refuses to cut, each leaves by itself.
    ///
    /// Neighbours merge, by the rules of [receive offload](crate::rx::gro), within one call to
    /// [`write_packets`](crate::LinkEndpoint::write_packets): nothing is held back between calls. A super-frame ends
    ///
    /// - with the call, and where the room of a batch ends (188 slices of payload),
    /// - in front of a packet of another flow or none, out of sequence, or with another acknowledgement, window, TCP option, TTL, traffic class or
    ///   link header; for UDP also of a longer one,
    /// - behind one with PSH or FIN, or shorter than the first,
    /// - at 65,535 bytes, or 64 packets.
    ///
    /// A wrong checksum is never made right: one that is complete is verified on the way, which takes a pass over the payload, and a packet
    /// whose is wrong leaves as it is. Packets with partial checksums pay nothing for that. IPv4 packets that are all DF and all of one identification get
    /// identifications that count up, which mean nothing to them (RFC 6864, section 4).
    pub tx_coalesce: bool,
    /// Announce [`Capabilities::TX_CHECKSUM_OFFLOAD`] (`TXChecksumOffload`): a stack may leave transport checksums partial, and says so with each packet
    /// ([`ChecksumState::Partial`](crate::ChecksumState::Partial)). The system completes them where it can, and the endpoint where it cannot;
    /// also if this is false. Default false.
    pub tx_checksum_offload: bool,
    /// Verify the transport checksums of received packets below the stack (`RXChecksumOffload`), and announce
    /// [`Capabilities::RX_CHECKSUM_OFFLOAD`]. The origin only claims it. Default false.
    ///
    /// TCP and UDP packets of which a virtio-net header says nothing are verified in software: wrong ones are dropped
    /// ([`DropCause::Checksum`](crate::DropCause::Checksum)), right ones are [`Unnecessary`](crate::ChecksumState::Unnecessary). What this cannot
    /// tell stays [`None`](crate::ChecksumState::None): fragments, UDP over IPv4 without checksum, packets with an IPv6 routing header, other
    /// protocols (ICMP as well).
    pub rx_checksum_offload: bool,
    /// Cut received super-frames into packets that fit the sender's segment size, for dispatchers that cannot take them whole. No payload is
    /// copied: headers are written over the end of the packet before, see [`Split`](crate::rx::Split). Default false.
    ///
    /// The packets have complete checksums, and are [`Unnecessary`](crate::ChecksumState::Unnecessary) to verify. Super-frames come only with a
    /// virtio-net header, or from [`gro`](Options::gro), which does not go together with this. The smoltcp device takes them whole.
    pub rx_split: bool,
    /// Complete partial checksums of received packets, for forwarding to a wire and for stacks that verify them all; they are
    /// [`Unnecessary`](crate::ChecksumState::Unnecessary) to verify then. A super-frame that stays whole keeps its own partial. Partial checksums come
    /// only with a virtio-net header. Default false.
    pub complete_checksums: bool,
    /// Processors behind each queue, over which packets are spread by flow (`ProcessorsPerChannel`). 0 and 1 deliver on the receiving thread.
    /// More are threads, so they are for whoever has threads: the `Runner` of `fdlink-linux` starts them; a
    /// [`Receiver`](crate::Receiver) of your own delivers to the dispatcher it is given, which may be a [`Steering`](crate::Steering) over
    /// [hand-offs](crate::rx::handoff). Default 0.
    pub processors_per_channel: usize,
    /// Packets that may wait for each processor, besides those it is working off; what comes on top is dropped and counted (the origin queues
    /// without bound). Default 2048, so that the backlog of a default ring passes whole.
    pub processor_backlog: usize,
    /// The secret by which flows are spread over processors. Default `None`: whoever starts them draws one ([`Endpoint::flow_seed`](crate::Endpoint::flow_seed)).
    pub flow_seed: Option<[u64; 2]>,
    /// Both directions of a flow go to the same processor, as a bridge or a firewall wants. Default false.
    pub symmetric_flow_hash: bool,
    /// Announce [`Capabilities::SAVE_RESTORE`] (`SaveRestore`). Every endpoint can be [saved](crate::endpoint::snapshot); this says that somebody will.
    /// Default false.
    pub save_restore: bool,
    /// Announce [`Capabilities::DISCONNECT_OK`] (`DisconnectOk`). Default false.
    pub disconnect_ok: bool,
}

impl Options {
    /// Whether an endpoint over channels with these limits can work so, without making one.
    ///
    /// # Errors
    ///
    /// Those of [`Endpoint::new`](crate::Endpoint::new) for such channels.
    pub fn check(&self, limits: impl IntoIterator<Item = Limits>) -> Result<(), ConfigError> {
        Config::new(*self, limits.into_iter()).map(drop)
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mtu: 1500,
            ethernet_header: true,
            address: LinkAddress::ZERO,
            promiscuous: false,
            ether_types: EtherTypes::ALL,
            vlan: VlanFilter::Any,
            rx_budget: 64,
            wake: WakePolicy::Prompt,
            tx_policy: TxPolicy::Return,
            gso: GsoSupport::None,
            gso_max_size: 0,
            gro: false,
            tx_coalesce: false,
            tx_checksum_offload: false,
            rx_checksum_offload: false,
            rx_split: false,
            complete_checksums: false,
            processors_per_channel: 0,
            processor_backlog: 2048,
            flow_seed: None,
            symmetric_flow_hash: false,
            save_restore: false,
            disconnect_ok: false,
        }
    }
}

/// What to do with a packet that a descriptor does not take now (`EAGAIN`, `ENOBUFS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TxPolicy {
    /// Leave it and the rest of its queue pending; the caller hands the same slice in again.
    Return,
    /// Give it up and count it.
    Drop,
    /// Wait for writability, then try again; after the last attempt leave the rest pending, as [`TxPolicy::Return`] does.
    Wait {
        /// How often to wait in one call, at most, all queues together.
        attempts: u32,
        /// How long each time, at most.
        timeout: Duration,
    },
}

/// Who segments packets above the MTU (origin: `stack.SupportedGSO`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GsoSupport {
    /// Nobody: such packets are refused.
    #[default]
    None,
    /// The system behind the descriptor (origin: `HostGSOSupported`), which needs a virtio-net header and a system that grants the offload; the endpoint
    /// where it does not, or no longer ([`Queue::offloads`](crate::Queue::offloads)).
    Host,
    /// The endpoint (origin: `GVisorGSOSupported`).
    Software,
}

/// The hardware type for ARP (IANA "ARP Parameters", `linux/if_arp.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArpHardwareType {
    /// No ARP on this link (`ARPHRD_NONE`).
    None = 0xfffe,
    /// Ethernet (`ARPHRD_ETHER`).
    Ether = 1,
}

bitflags! {
    /// What a stack may rely on (origin: `stack.LinkEndpointCapabilities`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct Capabilities: u32 {
        /// Transport checksums of sent packets are completed below.
        const TX_CHECKSUM_OFFLOAD = 1 << 0;
        /// Transport checksums of received packets are verified below, where they can be: what was not is delivered as
        /// [`ChecksumState::None`](crate::ChecksumState::None), and only that is left to verify ([`Options::rx_checksum_offload`]).
        const RX_CHECKSUM_OFFLOAD = 1 << 1;
        /// Destinations need link addresses: resolve them.
        const RESOLUTION_REQUIRED = 1 << 2;
        /// The endpoint survives save and restore.
        const SAVE_RESTORE = 1 << 3;
        /// Connections may be cut on save.
        const DISCONNECT_OK = 1 << 4;
    }
}

/// [`Options`] that were checked against the limits of the channels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config {
    pub(crate) options: Options,
    pub(crate) max_mtu: u32,
}

impl Config {
    pub(crate) fn new(options: Options, limits: impl Iterator<Item = Limits>) -> Result<Self, ConfigError> {
        if options.gso == GsoSupport::None && options.gso_max_size != 0 {
            return Err(ConfigError::GsoMaxSizeWithoutGso);
        }
        if options.rx_budget == 0 {
            return Err(ConfigError::RxBudgetZero);
        }
        if options.processor_backlog == 0 {
            return Err(ConfigError::ProcessorBacklogZero);
        }
        if !options.ethernet_header && options.address != LinkAddress::ZERO {
            return Err(ConfigError::AddressWithoutEthernet);
        }
        if options.rx_split && options.gro {
            return Err(ConfigError::SplitWithGro);
        }
        check_vlan(&options)?;
        let room = limits
            .map(|l| l.max_frame_len.saturating_sub(l.vnet_header_len + header_len(&options)))
            .min()
            .ok_or(ConfigError::NoQueues)?;
        let config = Self { options, max_mtu: u32::try_from(room).unwrap_or(u32::MAX) };
        config.check_mtu(options.mtu)?;
        config.check_address(options.address)?;
        Ok(config)
    }

    /// What an endpoint at `address` takes.
    pub(crate) const fn rx_filter(&self, address: LinkAddress) -> RxFilter {
        let Options { ethernet_header, promiscuous, ether_types, vlan, .. } = self.options;
        RxFilter { ethernet_header, promiscuous, address, ether_types, vlan }
    }

    /// 0 where nobody segments.
    pub(crate) const fn gso_max_size(&self) -> u32 {
        match (self.options.gso, self.options.gso_max_size) {
            (GsoSupport::None, _) => 0,
            (_, 0) => GSO_MAX_SIZE,
            (_, size) => size,
        }
    }

    pub(crate) fn header_len(&self) -> usize {
        header_len(&self.options)
    }

    pub(crate) const fn check_mtu(&self, mtu: u32) -> Result<(), ConfigError> {
        match mtu {
            0 => Err(ConfigError::MtuZero),
            _ if mtu > self.max_mtu => Err(ConfigError::MtuAboveFrameLimit { mtu, max: self.max_mtu }),
            _ => Ok(()),
        }
    }

    pub(crate) const fn check_address(&self, address: LinkAddress) -> Result<(), ConfigError> {
        if address.is_group() {
            return Err(ConfigError::GroupAddress);
        }
        Ok(())
    }

    pub(crate) fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::empty();
        capabilities.set(Capabilities::RESOLUTION_REQUIRED, self.options.ethernet_header);
        capabilities.set(Capabilities::TX_CHECKSUM_OFFLOAD, self.options.tx_checksum_offload);
        capabilities.set(Capabilities::RX_CHECKSUM_OFFLOAD, self.options.rx_checksum_offload);
        capabilities.set(Capabilities::SAVE_RESTORE, self.options.save_restore);
        capabilities.set(Capabilities::DISCONNECT_OK, self.options.disconnect_ok);
        capabilities
    }
}

const fn header_len(options: &Options) -> usize {
    if options.ethernet_header { HEADER_LEN } else { 0 }
}

const fn check_vlan(options: &Options) -> Result<(), ConfigError> {
    match options.vlan {
        VlanFilter::Any => Ok(()),
        _ if !options.ethernet_header => Err(ConfigError::VlanWithoutEthernet),
        VlanFilter::Id(0 | 4095..) => Err(ConfigError::VlanId),
        VlanFilter::Id(_) | VlanFilter::Untagged => Ok(()),
    }
}
