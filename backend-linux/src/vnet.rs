//! The virtio-net header in front of each frame, and what the system does for a frame that has one.

use std::os::fd::AsFd;

use fdlink_core::io::Offloads;
use fdlink_core::wire::vnet;
use libc::c_int;
use rustix::io::Errno;

use crate::error::SetupError;
use crate::fd::Fd;
use crate::mode::FdOptions;
use crate::probe::{FdKind, Probe};
use crate::sys::{sockopt, tun};

/// What was agreed on for a descriptor.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Vnet {
    /// Bytes of header in front of each frame; 0 where there is none.
    pub(crate) header_len: usize,
    pub(crate) granted: Offloads,
    /// Bytes of header that a TUN or TAP interface had before.
    before: Option<usize>,
}

impl Vnet {
    /// Asks the system for the offloads of `options`, and for a header if there is one to ask for.
    pub(crate) fn negotiate<F: AsFd>(fd: &mut Fd<F>, probe: &Probe, options: &FdOptions) -> Result<Self, SetupError> {
        let wanted = options.offloads;
        check(options)?;
        match probe.supports_offloads() {
            Err(SetupError::Unavailable { .. }) if wanted.is_empty() || options.fallback => return Ok(Self::default()),
            supported => supported?,
        }
        match probe.kind {
            FdKind::Tap | FdKind::Tun => tuntap(fd, probe.vnet_header_len, wanted, options.vnet_header_len),
            FdKind::Packet => packet(fd, probe.vnet_header_len, wanted, options.vnet_header_len),
            // The other end is a program, which was told the same.
            _ if wanted.is_empty() => Ok(Self::default()),
            _ => Ok(Self { header_len: options.vnet_header_len, granted: wanted, before: None }),
        }
    }

    /// Takes back what was agreed on with a TUN or TAP interface. What it allowed before cannot be read: nothing is allowed then, as on one that
    /// [`TunTap`](crate::tuntap::TunTap) opened, so that whoever goes on with the descriptor finds finished frames.
    ///
    /// For constructions that fail. Not for the end of a channel: other queues of the interface share both.
    pub(crate) fn undo(self, fd: impl AsFd) {
        if let Some(before) = self.before {
            // They can be refused only where the interface is gone meanwhile.
            let _ = tun::set_offloads(&fd, 0);
            let _ = tun::set_vnet_header_len(&fd, before);
        }
    }
}

/// How long a frame may be, the header excluded, where nothing was said: super-frames are longer than the MTU.
pub(crate) fn usual_frame_len(offloads: Offloads, usual: usize) -> usize {
    if offloads.intersects(SEGMENTATION) { usual.max(SUPER_FRAME_LEN) } else { usual }
}

fn check(options: &FdOptions) -> Result<(), SetupError> {
    if !(vnet::LEN..=vnet::MAX_LEN).contains(&options.vnet_header_len) {
        return Err(SetupError::BadOption { option: "vnet_header_len", reason: "must be 10 to 24 bytes" });
    }
    if options.offloads.intersects(SEGMENTATION) && !options.offloads.contains(Offloads::CSUM) {
        return Err(SetupError::BadOption {
            option: "offloads",
            reason: "segmentation needs CSUM too: a segment's checksum is computed when it is cut",
        });
    }
    Ok(())
}

/// The descriptor has a header already, that of its opening.
fn tuntap<F: AsFd>(fd: &Fd<F>, before: usize, wanted: Offloads, header_len: usize) -> Result<Vnet, SetupError> {
    tun::set_vnet_header_len(fd, header_len).map_err(SetupError::system("ioctl TUNSETVNETHDRSZ"))?;
    let accepts = |offloads: &Offloads| tun::set_offloads(fd, tun_bits(*offloads)).is_ok();
    let granted = FALLBACKS.into_iter().map(|left_out| wanted - left_out).find(accepts).unwrap_or_default();
    Ok(Vnet { header_len, granted, before: Some(before) })
}

/// The kernel segments and sums for any interface, in software where the interface does not.
fn packet<F: AsFd>(fd: &mut Fd<F>, present: usize, wanted: Offloads, asked: usize) -> Result<Vnet, SetupError> {
    if present > 0 || wanted.is_empty() {
        return Ok(Vnet { header_len: present, granted: wanted, before: None });
    }
    switch(&*fd, asked).map_err(SetupError::system("setsockopt PACKET_VNET_HDR"))?;
    fd.has_new_vnet_header = true;
    Ok(Vnet { header_len: asked, granted: wanted, before: None })
}

/// Puts a header of `len` bytes in front of each frame of a packet socket, or with 0 takes it away. `EBUSY` while it has a ring.
pub(crate) fn switch(fd: impl AsFd, len: usize) -> Result<(), Errno> {
    let (option, value) = match len {
        0 | vnet::LEN => (libc::PACKET_VNET_HDR, c_int::from(len != 0)),
        _ => (libc::PACKET_VNET_HDR_SZ, c_int::try_from(len).map_err(|_| Errno::INVAL)?),
    };
    sockopt::set(fd, libc::SOL_PACKET, option, &value)
}

/// `TUN_F_*` of linux/if_tun.h.
fn tun_bits(offloads: Offloads) -> u32 {
    let bit = |offload, bit| if offloads.contains(offload) { bit } else { 0 };
    bit(Offloads::CSUM, libc::TUN_F_CSUM)
        | bit(Offloads::TSO4, libc::TUN_F_TSO4)
        | bit(Offloads::TSO6, libc::TUN_F_TSO6)
        | bit(Offloads::USO4, libc::TUN_F_USO4)
        | bit(Offloads::USO6, libc::TUN_F_USO6)
        | if offloads.intersects(TSO) { libc::TUN_F_TSO_ECN } else { 0 }
}

/// What is left out, one after the other, until the kernel takes the rest. It knows USO since Linux 6.2, and USO4 and USO6 only together.
const FALLBACKS: [Offloads; 4] = [Offloads::empty(), USO, SEGMENTATION, Offloads::all()];
const USO: Offloads = Offloads::USO4.union(Offloads::USO6);
const TSO: Offloads = Offloads::TSO4.union(Offloads::TSO6);
const SEGMENTATION: Offloads = TSO.union(USO);

/// 64 KiB of packet, an Ethernet header and a VLAN tag.
const SUPER_FRAME_LEN: usize = 65_536 + 18;
