//! The endpoint: what a stack configures and writes to, and where receivers come from.

mod address;
mod inject;
mod lifecycle;
mod link;
mod muxed;
mod options;
mod queue;
pub mod snapshot;
pub mod state;

use core::sync::atomic::{AtomicU32, Ordering};

use spin::Mutex;

use address::SharedAddress;
pub use inject::{InjectableEndpoint, InjectableLinkEndpoint};
pub(crate) use lifecycle::Lifecycle;
pub use link::{LinkEndpoint, OnCloseAction};
pub use muxed::{MuxedInjectableEndpoint, Route};
pub(crate) use options::Config;
pub use options::{
    ArpHardwareType, BATCH_SIZE, Capabilities, GSO_HEADER_ALLOWANCE, GSO_MAX_SIZE, GsoSupport, Options, TxPolicy,
};
pub use queue::Queue;

use crate::counters::{Counters, DropCause};
use crate::error::{ConfigError, ReceiverError, WriteError};
use crate::io::{RawIo, RxFilter};
use crate::packet::Packet;
use crate::rx::{Filter, Parsed, Receiver};
use crate::tx::{self, HeaderMaker, Written};
use crate::wire::LinkAddress;
use state::{State, StateError};

/// A link endpoint over one or more channels of one link (origin: `fdbased.endpoint`).
///
/// `Q` is where the queues are kept: an array without an allocator, a `Vec` with one. Transmit goes to the queue that the flow hash
/// picks; each queue is received from with a [`Receiver`] of its own.
///
/// # Examples
///
/// ```
/// use fdlink_core::{Endpoint, LinkEndpoint, Options, Packet, Queue, EtherType, LinkAddress};
///
/// let link = fdlink_mock::Link::<8, 1514>::new();
/// let (ours, _theirs) = link.ends();
/// let endpoint = Endpoint::new([Queue::new(ours)], Options::default())?;
/// endpoint.attach()?;
///
/// let mut packets = [Packet::new(EtherType::IPV4, &[b"header", b"payload"]).to(LinkAddress::BROADCAST)];
/// assert_eq!(endpoint.write_packets(&mut packets)?.sent, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Endpoint<IO: RawIo, Q: AsRef<[Queue<IO>]> = [Queue<IO>; 1]> {
    shared: Shared,
    queues: Q,
    marker: core::marker::PhantomData<fn() -> IO>,
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> Endpoint<IO, Q> {
    /// Makes a detached endpoint of `queues`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`], naming the option that cannot work. The queues are dropped, their descriptors left as they were.
    pub fn new(queues: Q, options: Options) -> Result<Self, ConfigError> {
        let list = queues.as_ref();
        if list.len() > usize::from(u16::MAX) + 1 {
            return Err(ConfigError::TooManyQueues);
        }
        let config = Config::new(options, list.iter().map(Queue::limits))?;
        let endpoint = Self { shared: Shared::new(config), queues, marker: core::marker::PhantomData };
        endpoint.filter_below(&endpoint.shared.rx_filter())?;
        Ok(endpoint)
    }

    /// The queues, in the order in which the flow hash counts them.
    pub fn queues(&self) -> &[Queue<IO>] {
        self.queues.as_ref()
    }

    /// The options it was made with. What was set since ([`set_mtu`](LinkEndpoint::set_mtu) and the like) does not show here.
    pub const fn options(&self) -> &Options {
        &self.shared.config.options
    }

    /// The secret by which flows are spread over processors: that of [`Options::flow_seed`], or else the first that `draw` gave, which stays for the life of
    /// the endpoint and of those that are [restored](Self::restore) from it.
    pub fn flow_seed(&self, draw: impl FnOnce() -> [u64; 2]) -> [u64; 2] {
        *self.shared.flow_seed.lock().get_or_insert_with(draw)
    }

    /// Takes the receiver of queue `index` out. It comes back when it is dropped.
    ///
    /// # Errors
    ///
    /// [`ReceiverError`]: not attached, no such queue, or taken.
    pub fn receiver(&self, index: usize) -> Result<Receiver<'_, IO>, ReceiverError> {
        let queue = self.queues().get(index).ok_or(ReceiverError::NoSuchQueue)?;
        let rx = self.shared.lifecycle.receiver_out(|| queue.take_rx())?;
        Ok(Receiver::new(&self.shared, queue, rx))
    }

    fn filter_below(&self, filter: &RxFilter) -> Result<(), ConfigError> {
        let mut queues = self.queues().iter();
        queues.try_for_each(|queue| queue.set_rx_filter(filter)).map_err(|_| ConfigError::RxFilterRefused)
    }

    fn stop_queues(&self) {
        self.queues().iter().for_each(Queue::stop);
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> LinkEndpoint for Endpoint<IO, Q> {
    fn mtu(&self) -> u32 {
        self.shared.mtu()
    }

    fn set_mtu(&self, mtu: u32) -> Result<(), ConfigError> {
        self.shared.config.check_mtu(mtu)?;
        self.shared.mtu.store(mtu, Ordering::Relaxed);
        Ok(())
    }

    fn link_address(&self) -> LinkAddress {
        self.shared.address.load()
    }

    fn set_link_address(&self, address: LinkAddress) -> Result<(), ConfigError> {
        self.shared.config.check_address(address)?;
        let _one_at_a_time = self.shared.readdressing.lock();
        let before = self.shared.rx_filter();
        if let Err(refused) = self.filter_below(&self.shared.config.rx_filter(address)) {
            // Those that had changed took a filter just now.
            let _ = self.filter_below(&before);
            return Err(refused);
        }
        self.shared.address.store(address);
        Ok(())
    }

    fn capabilities(&self) -> Capabilities {
        self.shared.config.capabilities()
    }

    fn max_header_length(&self) -> usize {
        self.shared.config.header_len()
    }

    fn arp_hardware_type(&self) -> ArpHardwareType {
        if self.shared.config.options.ethernet_header { ArpHardwareType::Ether } else { ArpHardwareType::None }
    }

    fn supported_gso(&self) -> GsoSupport {
        self.shared.config.options.gso
    }

    fn gso_max_size(&self) -> u32 {
        self.shared.config.gso_max_size()
    }

    fn attach(&self) -> Result<(), StateError> {
        let queues = self.queues();
        self.shared.lifecycle.attach(queues.len(), || queues.iter().for_each(Queue::rearm))
    }

    fn detach(&self) {
        if self.shared.lifecycle.detach() {
            self.stop_queues();
        }
    }

    fn state(&self) -> State {
        self.shared.lifecycle.state()
    }

    fn close(&self) {
        if self.shared.lifecycle.close() {
            self.stop_queues();
            let action = self.shared.on_close.lock().take();
            if let Some(action) = action {
                action();
            }
        }
    }

    fn set_on_close_action(&self, action: Option<OnCloseAction>) {
        *self.shared.on_close.lock() = action;
    }

    fn add_header(&self, packet: &mut Packet<'_>) {
        if !packet.is_framed() {
            self.shared.header().add_to(packet);
        }
    }

    fn parse_header(&self, frame: &[u8]) -> Result<Parsed, DropCause> {
        self.shared.rx_filter().parse(frame, None)
    }

    fn write_packets(&self, packets: &mut [Packet<'_>]) -> Result<Written, WriteError> {
        tx::write_packets(&self.shared, self.queues(), packets)
    }

    fn counters(&self) -> Counters {
        self.queues().iter().fold(*self.shared.injected.lock(), |sum, queue| sum + queue.counters())
    }
}

/// What the queues of an endpoint have in common.
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) lifecycle: Lifecycle,
    /// Packets injected inbound: they pass no queue.
    pub(crate) injected: Mutex<Counters>,
    mtu: AtomicU32,
    address: SharedAddress,
    /// Held while the address and the filters of the queues change together.
    readdressing: Mutex<()>,
    on_close: Mutex<Option<OnCloseAction>>,
    flow_seed: Mutex<Option<[u64; 2]>>,
}

impl Shared {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            injected: Mutex::new(Counters::default()),
            lifecycle: Lifecycle::new(),
            mtu: AtomicU32::new(config.options.mtu),
            address: SharedAddress::new(config.options.address),
            readdressing: Mutex::new(()),
            on_close: Mutex::new(None),
            flow_seed: Mutex::new(config.options.flow_seed),
        }
    }

    pub(crate) fn mtu(&self) -> u32 {
        self.mtu.load(Ordering::Relaxed)
    }

    pub(crate) fn rx_filter(&self) -> RxFilter {
        self.config.rx_filter(self.address.load())
    }

    /// What a queue with `vnet_header_len` bytes of virtio-net header accepts now; taken once for a batch.
    // Not inlined: in pieces it takes the registers that a loop over frames needs, and each frame 6 instructions more.
    #[inline(never)]
    pub(crate) fn filter(&self, vnet_header_len: usize) -> Filter {
        Filter { rx: self.rx_filter(), vnet_header_len }
    }

    /// What link headers are made of now; taken once for a batch.
    pub(crate) fn header(&self) -> HeaderMaker {
        HeaderMaker { ethernet: self.config.options.ethernet_header, address: self.address.load() }
    }

    /// Why packets cannot be written now, if they cannot.
    pub(crate) fn check_writable(&self) -> Result<(), WriteError> {
        match self.lifecycle.state() {
            State::Attached | State::Down => Ok(()),
            State::Detached | State::Detaching => Err(WriteError::NotAttached),
            State::Ended => Err(WriteError::Ended),
            State::Closing | State::Closed => Err(WriteError::Closed),
        }
    }
}
