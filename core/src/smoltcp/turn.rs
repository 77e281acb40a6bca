use core::time::Duration;

use ::smoltcp::iface::{Interface, PollIngressSingleResult, PollResult, SocketSet};
use ::smoltcp::time::Instant;

use super::Device;
use crate::endpoint::{GsoSupport, LinkEndpoint as _, Queue};
use crate::io::RawIo;

/// What a [turn](Device::turn) leaves to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a loop that never waits keeps a processor busy"]
pub enum Turn {
    /// Frames came, more may be there: take the next turn at once.
    Again,
    /// Nothing came: [`wait`](Device::wait) with this timeout, then take the next turn. `None`: smoltcp has nothing to do before a frame
    /// comes, or a frame is held back and has to leave first.
    Dry(Option<Duration>),
    /// Nothing more will come: [`ended`](Device::ended) says why.
    Ended,
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>, const N: usize> Device<'_, IO, Q, N> {
    /// Sets how many frames a [turn](Device::turn) receives at most; 0 counts as 1.
    pub fn set_ingress_budget(&mut self, frames: usize) {
        self.ingress_budget = frames.max(1);
    }

    /// One round of a stack: receives up to [`INGRESS_BUDGET`] frames ([`set_ingress_budget`](Device::set_ingress_budget)), calls `application`,
    /// sends all that the sockets have, and says whether to wait. Never blocks.
    ///
    /// smoltcp's own [`Interface::poll`] receives until nothing is there before it sends anything, and the application reads only after
    /// that. So peers work in turns, a whole window at a time; with this they work at once.
    ///
    /// The time `now` is taken for the whole turn.
    pub fn turn<'s>(
        &mut self,
        now: Instant,
        interface: &mut Interface,
        sockets: &mut SocketSet<'s>,
        application: impl FnOnce(&mut Interface, &mut SocketSet<'s>),
    ) -> Turn {
        interface.poll_maintenance(now);
        let is_dry = self.take_in(now, interface, sockets) == 0;
        application(interface, sockets);
        let is_free = self.let_out(now, interface, sockets);
        match self.ended() {
            Some(_) => Turn::Ended,
            None if !is_dry => Turn::Again,
            None if !is_free => Turn::Dry(None),
            None => Turn::Dry(interface.poll_delay(now, sockets).map(Into::into)),
        }
    }

    /// Returns true if everything has left.
    fn let_out(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) -> bool {
        self.egress.merges = self.egress.endpoint.supported_gso() == GsoSupport::Host && N >= 2 * self.max_frame_len;
        while interface.poll_egress(now, self, sockets) == PollResult::SocketStateChanged {}
        self.egress.merges = false;
        self.flush()
    }

    /// Returns how many frames smoltcp took.
    fn take_in(&mut self, now: Instant, interface: &mut Interface, sockets: &mut SocketSet<'_>) -> usize {
        (0..self.ingress_budget)
            .take_while(|_| interface.poll_ingress_single(now, self, sockets) != PollIngressSingleResult::None)
            .count()
    }
}

/// Most frames that a [turn](Device::turn) receives before the application and the sockets have their say, where nothing else is
/// [set](Device::set_ingress_budget). Bursts of 4 to 16 super-frames cost the same; much longer ones are whole windows again.
pub const INGRESS_BUDGET: usize = 16;
