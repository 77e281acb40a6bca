use std::os::fd::{AsRawFd as _, IntoRawFd as _, OwnedFd};
use std::time::Duration;

use fdlink_core::Queue;
use fdlink_core::io::RawIo;
use fdlink_core::smoltcp::{Device, INGRESS_BUDGET, Turn};
use smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet};
use smoltcp::phy::{self, Medium, TunTapInterface};
use smoltcp::time::Instant;

/// A device, and how a stack over it is driven.
pub trait Rounds: phy::Device {
    /// Lets frames in, calls `application`, lets frames out, and waits if there is nothing to do and `application` does not say that it is done.
    fn round(
        &mut self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        application: impl FnMut(&mut SocketSet<'static>) -> bool,
    );
}

/// In [turns](Device::turn).
impl<IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Rounds for Device<'_, IO, Q, N> {
    fn round(
        &mut self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        mut application: impl FnMut(&mut SocketSet<'static>) -> bool,
    ) {
        let mut is_done = false;
        let turn = self.turn(Instant::now(), interface, sockets, |_, sockets| is_done = application(sockets));
        if let Turn::Dry(timeout) = turn
            && !is_done
        {
            self.wait(Some(timeout.map_or(LONGEST_WAIT, |timeout| timeout.min(LONGEST_WAIT))));
        }
    }
}

/// smoltcp's own device in one of two loops.
#[derive(Debug)]
pub struct Own {
    device: TunTapInterface,
    /// Not the loop of smoltcp's examples (receive all there is, then the application, then a wait), but one as [`Device::turn`] makes it.
    is_tuned: bool,
}

impl Own {
    /// Over a TAP descriptor, which becomes the device's.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new(tap: OwnedFd, is_tuned: bool) -> Self {
        let fd = tap.into_raw_fd();
        let device = TunTapInterface::from_fd(fd, Medium::Ethernet, FRAME_LEN).expect("smoltcp's device");
        Self { device, is_tuned }
    }

    /// Returns true if nothing came.
    fn turn(
        &mut self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        application: &mut dyn FnMut(&mut SocketSet<'static>),
    ) -> bool {
        let (now, device) = (Instant::now(), &mut self.device);
        let frames = (0..INGRESS_BUDGET)
            .take_while(|_| interface.poll_ingress_single(now, device, sockets) != PollIngressSingleResult::None)
            .count();
        application(sockets);
        while interface.poll_egress(now, device, sockets) == PollResult::SocketStateChanged {}
        frames == 0
    }
}

impl Rounds for Own {
    fn round(
        &mut self,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
        mut application: impl FnMut(&mut SocketSet<'static>) -> bool,
    ) {
        let mut is_done = false;
        let mut application = |sockets: &mut SocketSet<'static>| is_done = application(sockets);
        let is_dry = if self.is_tuned {
            self.turn(interface, sockets, &mut application)
        } else {
            interface.poll(Instant::now(), &mut self.device, sockets);
            application(sockets);
            true
        };
        if is_dry && !is_done {
            let longest = LONGEST_WAIT.into();
            let timeout = interface.poll_delay(Instant::now(), sockets).map_or(longest, |timeout| timeout.min(longest));
            phy::wait(self.device.as_raw_fd(), Some(timeout)).expect("select");
        }
    }
}

impl phy::Device for Own {
    type RxToken<'t> = <TunTapInterface as phy::Device>::RxToken<'t>;
    type TxToken<'t> = <TunTapInterface as phy::Device>::TxToken<'t>;

    fn receive(&mut self, timestamp: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        self.device.receive(timestamp)
    }

    fn transmit(&mut self, timestamp: Instant) -> Option<Self::TxToken<'_>> {
        self.device.transmit(timestamp)
    }

    fn capabilities(&self) -> phy::DeviceCapabilities {
        self.device.capabilities()
    }
}

/// So that who waits for nothing notices.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// An MTU of 1500 behind an Ethernet header.
const FRAME_LEN: usize = 1514;
