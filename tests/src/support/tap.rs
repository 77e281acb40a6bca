use std::os::fd::OwnedFd;

use fdlink_linux::packet::PacketSocket;
use fdlink_linux::tuntap::TunTap;

use super::{Peer, TEST_PROTOCOL};
use crate::lab::Namespace;

/// A TAP interface that is up, in a namespace of its own, and a socket of the kernel's side on it.
#[derive(Debug)]
pub struct Tap {
    /// Where the interface is.
    pub namespace: Namespace,
    /// The TAP descriptor.
    pub fd: OwnedFd,
    /// Sends to the descriptor and receives what is written there, [`TEST_PROTOCOL`] only.
    pub peer: Peer,
}

impl Tap {
    /// Makes one.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new() -> Self {
        let namespace = Namespace::new().expect("a namespace");
        let (fd, peer) = namespace.run(|| {
            let device = TunTap::tap("tap0").open().expect("a TAP interface");
            device.up().expect("up");
            let socket = PacketSocket::on("tap0").protocol(TEST_PROTOCOL).open().expect("an AF_PACKET socket");
            (OwnedFd::from(device), Peer::new(socket))
        });
        Self { namespace, fd, peer }
    }
}

impl Default for Tap {
    fn default() -> Self {
        Self::new()
    }
}
