//! A veth pair, what is sent through it, and the sockets at its ends.

use std::error::Error;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use fdlink_core::EtherType;
use fdlink_linux::packet::PacketSocket;
use fdlink_tests::lab::{Namespace, Veth};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg};

/// Two interfaces, each in a network of its own, so that a program is alone with its frames.
pub(crate) struct Cable {
    pub(crate) near: Namespace,
    far: OwnedFd,
    pub(crate) far_end: Namespace,
}

impl Cable {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let (near, far_end) = (Namespace::new()?, Namespace::new()?);
        Veth::pair((&near, NEAR), (&far_end, "far"))?;
        let far = far_end.run(|| sending("far").open())?;
        Ok(Self { near, far, far_end })
    }

    /// A socket at the near end that sends only. Behind the far end is a kernel that does not know the address of the frames.
    pub(crate) fn sender(&self) -> Result<OwnedFd, Box<dyn Error>> {
        Ok(self.near.run(|| sending(NEAR).open())?)
    }

    /// A socket at the near end that receives what comes through the cable.
    pub(crate) fn receiver(&self) -> Result<OwnedFd, Box<dyn Error>> {
        Ok(self.near.run(|| PacketSocket::on(NEAR).receive_buffer(BUFFER).open())?)
    }

    /// Sends each of `frames` from the far end. On return they have arrived, unless the kernel put them off to a thread of its own.
    pub(crate) fn feed(&self, frames: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
        send_each(&self.far, frames)
    }
}

/// Sends each of `frames` by a socket.
pub(crate) fn send_each(socket: &OwnedFd, frames: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    for frames in frames.chunks(FRAMES_PER_CALL) {
        let vectors: Vec<_> = frames.iter().map(|frame| [IoSlice::new(frame)]).collect();
        let mut controls: Vec<_> = frames.iter().map(|_| SendAncillaryBuffer::default()).collect();
        let pairs = vectors.iter().zip(&mut controls);
        let mut messages: Vec<_> = pairs.map(|(vector, control)| MMsgHdr::new(vector, control)).collect();
        if sendmmsg(socket, &mut messages, SendFlags::empty())? != frames.len() {
            return Err("the interface did not take all frames".into());
        }
    }
    Ok(())
}

fn sending(interface: &str) -> PacketSocket {
    PacketSocket::on(interface).protocol(EtherType(0)).qdisc_bypass(true).send_buffer(BUFFER)
}

/// The interface at the near end.
pub(crate) const NEAR: &str = "near";
const BUFFER: usize = 4 << 20;
const FRAMES_PER_CALL: usize = 64;
