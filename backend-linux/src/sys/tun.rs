//! Requests to the TUN driver (kernel documentation, networking/tuntap.rst) and to interfaces (netdevice(7)).
#![expect(unsafe_code, reason = "rustix 1.1 has ioctl by pattern only, and does not know these requests")]

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, Updater, ioctl};

/// IP packets without a link header.
pub(crate) const IFF_TUN: u16 = libc::IFF_TUN as u16;

/// Ethernet frames.
pub(crate) const IFF_TAP: u16 = libc::IFF_TAP as u16;

/// No `struct tun_pi` in front of each frame.
pub(crate) const IFF_NO_PI: u16 = libc::IFF_NO_PI as u16;

/// A `struct virtio_net_hdr` in front of each frame.
pub(crate) const IFF_VNET_HDR: u16 = libc::IFF_VNET_HDR as u16;

/// The interface has one queue for each descriptor.
pub(crate) const IFF_MULTI_QUEUE: u16 = libc::IFF_MULTI_QUEUE as u16;

/// The interface is up.
pub(crate) const IFF_UP: u16 = libc::IFF_UP as u16;

/// `struct ifreq` with its union as bytes: which member counts depends on the request.
#[repr(C)]
pub(crate) struct InterfaceRequest {
    name: [u8; libc::IFNAMSIZ],
    value: [u8; size_of::<libc::ifreq>() - libc::IFNAMSIZ],
}

impl InterfaceRequest {
    /// A name is cut at 15 bytes, for a zero has to follow.
    pub(crate) fn named(name: &str) -> Self {
        let mut request = EMPTY;
        let room = request.name.iter_mut().take(libc::IFNAMSIZ - 1);
        room.zip(name.bytes()).for_each(|(to, from)| *to = from);
        request
    }

    pub(crate) fn name(&self) -> String {
        let bytes = self.name.split(|byte| *byte == 0).next().unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    /// `ifr_flags`.
    pub(crate) fn flags(&self) -> u16 {
        let [a, b, ..] = self.value;
        u16::from_ne_bytes([a, b])
    }

    pub(crate) fn set_flags(&mut self, flags: u16) {
        self.value[..2].copy_from_slice(&flags.to_ne_bytes());
    }

    /// `ifr_mtu`.
    pub(crate) fn mtu(&self) -> u32 {
        let [a, b, c, d, ..] = self.value;
        u32::from_ne_bytes([a, b, c, d])
    }

    pub(crate) fn set_mtu(&mut self, mtu: u32) {
        self.value[..4].copy_from_slice(&mtu.to_ne_bytes());
    }

    /// `ifr_hwaddr`, whose first two bytes are the family.
    pub(crate) fn address(&self) -> [u8; 6] {
        let [_, _, a, b, c, d, e, f, ..] = self.value;
        [a, b, c, d, e, f]
    }
}

/// Makes `tun` the descriptor of an interface; `request` has the name or template and the `IFF_` flags, and gets the name.
pub(crate) fn set_interface(tun: impl AsFd, request: &mut InterfaceRequest) -> Result<(), Errno> {
    update::<{ libc::TUNSETIFF as Opcode }>(tun, request)
}

/// Whether the queue of `tun` takes part: its interface has to have several. `EINVAL` where nothing would change.
pub(crate) fn set_queue(tun: impl AsFd, attached: bool) -> Result<(), Errno> {
    let mut request = EMPTY;
    let flag = if attached { libc::IFF_ATTACH_QUEUE } else { libc::IFF_DETACH_QUEUE };
    request.set_flags(flag as u16);
    update::<{ libc::TUNSETQUEUE as Opcode }>(tun, &mut request)
}

/// The interface of `tun`: its present name and its flags. `EBADFD` where it has none, or no longer.
pub(crate) fn interface(tun: impl AsFd) -> Result<InterfaceRequest, Errno> {
    let mut request = EMPTY;
    update::<{ libc::TUNGETIFF as Opcode }>(tun, &mut request)?;
    Ok(request)
}

/// The flags of the interface of `tun`: [`IFF_TUN`] or [`IFF_TAP`] and others. `EBADFD` where it has none, or no longer; `ENOTTY` from
/// descriptors of other drivers.
pub(crate) fn flags(tun: impl AsFd) -> Result<u16, Errno> {
    interface(tun).map(|request| request.flags())
}

/// The link address of the interface of `tun`, zero on TUN.
pub(crate) fn address(tun: impl AsFd) -> Result<[u8; 6], Errno> {
    let mut request = EMPTY;
    update::<{ libc::SIOCGIFHWADDR as Opcode }>(tun, &mut request)?;
    Ok(request.address())
}

/// Whether the interface outlives its descriptors.
pub(crate) fn set_persist(tun: impl AsFd, persist: bool) -> Result<(), Errno> {
    set::<{ libc::TUNSETPERSIST as Opcode }>(tun, usize::from(persist))
}

/// Says which frames `tun` may be sent unfinished, by `TUN_F_` bits; 0 forbids all: the kernel fills in checksums and cuts segments before `tun`
/// sees them. `EINVAL` for bits that it does not know, or not alone. A persistent interface keeps what its last descriptor allowed (Linux 6.18).
pub(crate) fn set_offloads(tun: impl AsFd, offloads: u32) -> Result<(), Errno> {
    set::<{ libc::TUNSETOFFLOAD as Opcode }>(tun, offloads as usize)
}

/// Bytes of the virtio-net header in front of each frame.
pub(crate) fn vnet_header_len(tun: impl AsFd) -> Result<usize, Errno> {
    let mut len: libc::c_int = 0;
    // SAFETY: TUNGETVNETHDRSZ writes one C integer (linux/if_tun.h), and `len` is one.
    let call = unsafe { Updater::<{ libc::TUNGETVNETHDRSZ as Opcode }, libc::c_int>::new(&mut len) };
    // SAFETY: as in `update`; `call` borrows `len` mutably until this returns.
    unsafe { ioctl(tun, call) }?;
    usize::try_from(len).map_err(|_| Errno::INVAL)
}

/// Sets the bytes of the virtio-net header; at least 10.
pub(crate) fn set_vnet_header_len(tun: impl AsFd, len: usize) -> Result<(), Errno> {
    let mut len = libc::c_int::try_from(len).map_err(|_| Errno::INVAL)?;
    // SAFETY: TUNSETVNETHDRSZ reads one C integer (linux/if_tun.h), and `len` is one.
    let call = unsafe { Updater::<{ libc::TUNSETVNETHDRSZ as Opcode }, libc::c_int>::new(&mut len) };
    // SAFETY: as in `update`; `call` borrows `len` until this returns.
    unsafe { ioctl(tun, call) }
}

/// Reads the `IFF_` flags of the interface that `request` names. `socket` is any socket of its network namespace.
pub(crate) fn read_flags(socket: impl AsFd, request: &mut InterfaceRequest) -> Result<(), Errno> {
    update::<{ libc::SIOCGIFFLAGS as Opcode }>(socket, request)
}

/// Writes the flags of `request`.
pub(crate) fn write_flags(socket: impl AsFd, request: &mut InterfaceRequest) -> Result<(), Errno> {
    update::<{ libc::SIOCSIFFLAGS as Opcode }>(socket, request)
}

/// Reads the MTU.
pub(crate) fn read_mtu(socket: impl AsFd, request: &mut InterfaceRequest) -> Result<(), Errno> {
    update::<{ libc::SIOCGIFMTU as Opcode }>(socket, request)
}

/// Writes the MTU of `request`.
pub(crate) fn write_mtu(socket: impl AsFd, request: &mut InterfaceRequest) -> Result<(), Errno> {
    update::<{ libc::SIOCSIFMTU as Opcode }>(socket, request)
}

fn update<const REQUEST: Opcode>(fd: impl AsFd, argument: &mut InterfaceRequest) -> Result<(), Errno> {
    // SAFETY: every caller is in this file, and each of their requests takes a pointer to a `struct ifreq` (linux/if_tun.h,
    // linux/sockios.h), whatever the size in its number says. `InterfaceRequest` has its size (checked below) and any bytes are a value.
    let call = unsafe { Updater::<REQUEST, InterfaceRequest>::new(argument) };
    // SAFETY: the kernel reads and writes that one `struct ifreq`, which `call` borrows mutably until this returns. Drivers that do not
    // know the request refuse it (ioctl(2), ENOTTY); that no other one gives these numbers a meaning is the register of ioctl numbers'.
    unsafe { ioctl(fd, call) }
}

fn set<const REQUEST: Opcode>(tun: impl AsFd, argument: usize) -> Result<(), Errno> {
    // SAFETY: the two callers are in this file, and their requests take the integer itself (networking/tuntap.rst): any but 0 is "on"
    // for TUNSETPERSIST, and TUNSETOFFLOAD refuses bits that it does not know.
    let call = unsafe { IntegerSetter::<REQUEST>::new_usize(argument) };
    // SAFETY: the kernel takes `argument` for a number and touches no memory of this process.
    unsafe { ioctl(tun, call) }
}

const EMPTY: InterfaceRequest =
    InterfaceRequest { name: [0; libc::IFNAMSIZ], value: [0; size_of::<libc::ifreq>() - libc::IFNAMSIZ] };

const _: () = assert!(size_of::<InterfaceRequest>() == size_of::<libc::ifreq>());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leaves_room_for_its_end() {
        assert_eq!(InterfaceRequest::named("0123456789abcdef").name(), "0123456789abcde");
        assert_eq!(InterfaceRequest::named("").name(), "");
    }
}
