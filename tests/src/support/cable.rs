use std::os::fd::OwnedFd;

use fdlink_linux::packet::PacketSocket;

use super::{Peer, TEST_PROTOCOL, until};
use crate::lab::{Namespace, Veth, link};

/// Two namespaces, joined by a pair of Ethernet interfaces.
#[derive(Debug)]
pub struct Cable {
    /// Where the endpoint under test is.
    pub near: Namespace,
    /// Where its peer is.
    pub far: Namespace,
    /// The interfaces: `a` is near, `b` is far.
    pub veth: Veth,
}

impl Cable {
    /// Lays one.
    ///
    /// # Panics
    ///
    /// If the laboratory was not entered.
    #[must_use]
    pub fn new() -> Self {
        let (near, far) = (Namespace::new().expect("a namespace"), Namespace::new().expect("a namespace"));
        let veth = Veth::pair((&near, "near"), (&far, "far")).expect("a veth pair");
        Self { near, far, veth }
    }

    /// A socket at the near end for an endpoint: frames of [`TEST_PROTOCOL`] that come from the far end.
    #[must_use]
    pub fn socket(&self) -> OwnedFd {
        self.socket_with(|socket| socket.protocol(TEST_PROTOCOL))
    }

    /// A socket at the near end with options of the test; without any it receives every protocol.
    #[must_use]
    pub fn socket_with(&self, options: impl FnOnce(PacketSocket) -> PacketSocket + Send) -> OwnedFd {
        self.near.run(|| options(PacketSocket::on("near")).open()).expect("an AF_PACKET socket")
    }

    /// A socket at the far end.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let socket = self.far.run(|| PacketSocket::on("far").protocol(TEST_PROTOCOL).open());
        Peer::new(socket.expect("an AF_PACKET socket"))
    }

    /// Both ends.
    #[must_use]
    pub fn pair(&self) -> (OwnedFd, Peer) {
        (self.socket(), self.peer())
    }

    /// Switches the near interface off.
    ///
    /// # Panics
    ///
    /// If the kernel refuses.
    pub fn cut(&self) {
        self.near.run(|| link::set_down("near")).expect("set near down");
    }

    /// Switches the near interface on, and returns once frames pass.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub fn mend(&self) {
        self.near.run(|| link::set_up("near")).expect("set near up");
        until("both ends to be up", || {
            let ends = [(&self.near, "near"), (&self.far, "far")];
            ends.iter().all(|(namespace, name)| namespace.run(|| link::wait_up(name, super::PATIENCE)).is_ok())
        });
    }
}

impl Default for Cable {
    fn default() -> Self {
        Self::new()
    }
}
