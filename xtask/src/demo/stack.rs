use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use super::PREFIX_LEN;
use anyhow::bail;
use fdlink_core::io::{RawIo, Wake};
use fdlink_core::smoltcp::Device;
use fdlink_core::{Counters, Endpoint, Queue};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp;
use smoltcp::time::Instant as Time;
use smoltcp::wire::{IpCidr, Ipv4Cidr};

/// A smoltcp stack over one endpoint, driven by the thread that owns it.
pub(super) struct Stack<'e, IO: RawIo> {
    device: Device<'e, IO>,
    interface: Interface,
    pub(super) sockets: SocketSet<'static>,
    epoch: Instant,
}

impl<'e, IO: RawIo> Stack<'e, IO> {
    pub(super) fn new(endpoint: &'e Endpoint<IO, [Queue<IO>; 1]>, address: Ipv4Addr) -> anyhow::Result<Self> {
        let mut device = Device::new(endpoint, 0)?;
        let mut config = Config::new(device.hardware_address());
        config.random_seed = u64::from(address.to_bits());
        let mut interface = Interface::new(config, &mut device, Time::ZERO);
        let mut added = Ok(());
        interface.update_ip_addrs(|addresses| {
            added = addresses.push(IpCidr::Ipv4(Ipv4Cidr::new(address, PREFIX_LEN)));
        });
        if added.is_err() {
            bail!("smoltcp was built without room for an address");
        }
        Ok(Self { device, interface, sockets: SocketSet::new(Vec::new()), epoch: Instant::now() })
    }

    /// Lets frames pass until `step` has a result. `step` is asked after every poll, and at least every [`TICK`].
    pub(super) fn drive<T>(
        &mut self,
        name: &str,
        limit: Duration,
        mut step: impl FnMut(&mut Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            self.interface.poll(self.now(), &mut self.device, &mut self.sockets);
            if let Some(result) = step(self)? {
                return Ok(result);
            }
            if let Some(ended) = self.device.ended() {
                bail!("{name}: the link ended: {ended}");
            }
            if started.elapsed() >= limit {
                bail!("{name}: not done after {limit:?}; {}", self.counters());
            }
            self.wait();
        }
    }

    /// Adds a TCP socket which acknowledges and sends at once.
    pub(super) fn add_tcp(&mut self, buffer_len: usize) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; buffer_len]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_nagle_enabled(false);
        self.sockets.add(socket)
    }

    /// Adds a TCP socket with large buffers that takes one connection.
    pub(super) fn listen(&mut self, port: u16) -> anyhow::Result<SocketHandle> {
        let handle = self.add_tcp(TCP_BUFFER);
        self.tcp(handle).listen(port)?;
        Ok(handle)
    }

    /// Adds a TCP socket with large buffers and has it connect.
    pub(super) fn connect(&mut self, to: (Ipv4Addr, u16), from_port: u16) -> anyhow::Result<SocketHandle> {
        let handle = self.add_tcp(TCP_BUFFER);
        let context = self.interface.context();
        self.sockets.get_mut::<tcp::Socket<'_>>(handle).connect(context, to, from_port)?;
        Ok(handle)
    }

    pub(super) fn tcp(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(super) fn counters(&self) -> Counters {
        self.device.counters()
    }

    fn now(&self) -> Time {
        Time::from_micros(i64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(i64::MAX))
    }

    /// While a frame is held back, smoltcp's own delay says nothing: it has more to send, but there is no room.
    fn wait(&mut self) {
        let delay = if self.device.flush() { self.delay() } else { TICK };
        if delay.is_zero() {
            return;
        }
        let started = Instant::now();
        if self.device.wait(Some(delay)) == Wake::TimedOut && started.elapsed() < delay {
            // A link in memory cannot block (see `Wake::TimedOut`).
            thread::sleep(NAP.min(delay));
        }
    }

    fn delay(&mut self) -> Duration {
        let delay = self.interface.poll_delay(self.now(), &self.sockets);
        delay.map_or(TICK, |delay| TICK.min(delay.into()))
    }
}

/// The longest wait: what does not come by way of frames is seen after this time.
pub(super) const TICK: Duration = Duration::from_millis(10);
const NAP: Duration = Duration::from_micros(20);
/// The most that a window of 16 bits with a scale of 4 can say. Segments of 1460 bytes then move the edge of the window in whole units. If
/// they did not, rounding would take back a few bytes of it, and smoltcp, which had sent them, would miss them until a timeout.
const TCP_BUFFER: usize = 0xffff << 2;
