//! Network cards of simulated hosts.

use fdlink_core::io::RawIo;
use fdlink_core::smoltcp::{Device, Turn};
use fdlink_core::{Endpoint, Queue};
use smoltcp::iface::{Interface, SocketSet};
use smoltcp::phy;
use smoltcp::time::Instant;
use smoltcp::wire::HardwareAddress;

/// What a host has to know of its card, besides frames.
pub(super) trait Nic: phy::Device {
    fn hardware_address(&self) -> HardwareAddress;

    /// True once nothing more comes.
    fn has_ended(&self) -> bool;

    /// Takes and sends what there is: as smoltcp does it, or in turns where the card has its own.
    fn work(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>, in_turns: bool);

    /// True if there may be more that no event tells of.
    fn is_behind(&self) -> bool {
        false
    }
}

/// The library's own device, with room for super-frames.
pub(super) type Plain<'e, IO> = Device<'e, IO, Vec<Queue<IO>>, ROOM>;

pub(super) fn plain<IO: RawIo>(endpoint: &Endpoint<IO, Vec<Queue<IO>>>, queue: usize) -> Plain<'_, IO> {
    Device::with_frame_len(endpoint, queue).expect("attached, and nobody has the queue")
}

impl<IO: RawIo> Nic for Plain<'_, IO> {
    fn hardware_address(&self) -> HardwareAddress {
        self.hardware_address()
    }

    fn has_ended(&self) -> bool {
        self.ended().is_some()
    }

    fn work(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>, in_turns: bool) {
        match in_turns {
            true => while self.turn(now, interface, sockets, |_, _| {}) == Turn::Again {},
            false => _ = interface.poll(now, self, sockets),
        }
    }
}

const ROOM: usize = 20_000;
