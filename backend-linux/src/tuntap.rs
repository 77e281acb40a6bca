//! TUN and TAP interfaces (kernel documentation, networking/tuntap.rst).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fdlink_core::LinkAddress;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::SetupError;
use crate::sys::sockopt;
use crate::sys::tun::{self, IFF_MULTI_QUEUE, IFF_NO_PI, IFF_TAP, IFF_TUN, IFF_UP, IFF_VNET_HDR, InterfaceRequest};

/// How to open a TUN or TAP interface: what the kernel sends to it is read from a descriptor, and what is written there the kernel
/// receives.
///
/// An interface of that name is taken, or else made, in the network namespace of the calling thread.
///
/// ```no_run
/// use fdlink_linux::tuntap::TunTap;
///
/// let tap = TunTap::tap("tap%d").open()?;
/// tap.up()?;
/// println!("{} of {}", tap.name(), tap.link_address()?);
/// # Ok::<(), fdlink_linux::SetupError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct TunTap {
    name: String,
    kind: u16,
    persist: Option<bool>,
    multi_queue: bool,
    vnet_header: bool,
}

impl TunTap {
    /// Ethernet frames (`IFF_TAP`).
    ///
    /// `name` has 1 to 15 bytes, none of them a zero, a slash, a colon or white space, and is neither `.` nor `..`. With one `%d` it is a
    /// template, of which the kernel makes a free name; empty, it leaves the name to the kernel.
    pub fn tap(name: &str) -> Self {
        Self::new(name, IFF_TAP)
    }

    /// IP packets without a link header (`IFF_TUN`), `name` as for [`tap`](TunTap::tap).
    pub fn tun(name: &str) -> Self {
        Self::new(name, IFF_TUN)
    }

    fn new(name: &str, kind: u16) -> Self {
        Self { name: name.to_owned(), kind, persist: None, multi_queue: false, vnet_header: false }
    }

    /// Whether the interface stays when its descriptor is closed (`TUNSETPERSIST`). By default it is left as it is, and a new one does
    /// not stay. Its owner and group are left alone.
    pub fn persist(mut self, persist: bool) -> Self {
        self.persist = Some(persist);
        self
    }

    /// One interface with several queues, each with a descriptor of its own (`IFF_MULTI_QUEUE`, Linux 3.8): [`open`](TunTap::open) gives
    /// the first queue, [`Device::queue`] the others. Off by default.
    ///
    /// The kernel sends each flow to one queue: to the one by which it received the flow last, or else by its hash. So a flow that is
    /// answered by the queue that it came from stays there.
    ///
    /// An interface that exists has to have been made with the same choice; one with several queues can be open many times, and `open`
    /// gives one more queue then.
    pub fn multi_queue(mut self, multi_queue: bool) -> Self {
        self.multi_queue = multi_queue;
        self
    }

    /// Whether a virtio-net header stands in front of each frame (`IFF_VNET_HDR`), which tells what is left to do to it: what
    /// [`FdOptions::offloads`](crate::FdOptions::offloads) needs. Off by default.
    pub fn vnet_header(mut self, vnet_header: bool) -> Self {
        self.vnet_header = vnet_header;
        self
    }

    /// Opens the interface. The descriptor does not block, is closed on `exec`, and has bare frames: no packet information
    /// (`IFF_NO_PI`), no virtio-net header unless [`vnet_header`](TunTap::vnet_header) asks for it, and every offload forbidden until an
    /// endpoint asks for it, so that none is longer than the MTU.
    ///
    /// A new interface is down: see [`Device::up`].
    ///
    /// # Errors
    ///
    /// * [`SetupError::BadOption`]: the name cannot be one.
    /// * [`SetupError::Unavailable`]: there is no `/dev/net/tun`, or another kind of interface has the name.
    /// * [`SetupError::System`]: no access to `/dev/net/tun` (`EACCES`), no `CAP_NET_ADMIN` and not the owner of the interface (`EPERM`),
    ///   somebody else has it open (`EBUSY`), it has 256 queues (`E2BIG`), or the system is short of something.
    pub fn open(&self) -> Result<Device, SetupError> {
        self.check()?;
        let control = control_socket()?;
        let queues = if self.multi_queue { IFF_MULTI_QUEUE } else { 0 };
        let header = if self.vnet_header { IFF_VNET_HDR } else { 0 };
        let (fd, name) = open_queue(&self.name, self.kind | IFF_NO_PI | queues | header)?;
        if let Some(persist) = self.persist {
            tun::set_persist(&fd, persist).map_err(SetupError::system("ioctl TUNSETPERSIST"))?;
        }
        Ok(Device { fd, control, name })
    }

    fn check(&self) -> Result<(), SetupError> {
        if !self.name.is_empty() {
            check_name("name", &self.name)?;
        }
        match self.name.split_once('%') {
            Some((_, rest)) if !rest.starts_with('d') || rest.contains('%') => {
                Err(SetupError::BadOption { option: "name", reason: "a template has one %, and a d follows it" })
            }
            _ => Ok(()),
        }
    }
}

/// Refuses what the kernel would not take for the name of an interface (`dev_valid_name`), or would take for another one.
pub(crate) fn check_name(option: &'static str, name: &str) -> Result<(), SetupError> {
    let reason = match name {
        "" => "a name has at least one byte",
        "." | ".." => "a name is neither . nor ..",
        _ if name.len() >= libc::IFNAMSIZ => "a name has at most 15 bytes",
        _ if name.bytes().any(is_forbidden) => "a name has no zero byte, slash, colon or white space",
        _ => return Ok(()),
    };
    Err(SetupError::BadOption { option, reason })
}

/// White space is what the kernel's `isspace` says, which takes 0xa0 for a no-break space.
fn is_forbidden(byte: u8) -> bool {
    matches!(byte, 0 | b'/' | b':' | b' ' | b'\t'..=b'\r' | 0xa0)
}

/// A descriptor of the interface of this name, and the name that it got.
fn open_queue(name: &str, flags: u16) -> Result<(OwnedFd, String), SetupError> {
    let fd = open_driver()?;
    let mut request = InterfaceRequest::named(name);
    request.set_flags(flags);
    tun::set_interface(&fd, &mut request).map_err(refusal)?;
    tun::set_offloads(&fd, 0).map_err(SetupError::system("ioctl TUNSETOFFLOAD"))?;
    Ok((fd, request.name()))
}

fn open_driver() -> Result<OwnedFd, SetupError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open("/dev/net/tun", flags, Mode::empty()).map_err(|errno| match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => SetupError::Unavailable {
            option: "/dev/net/tun",
            reason: "not there: load the module (modprobe tun), or pass the device to the container",
        },
        errno => SetupError::System { call: "open /dev/net/tun", errno },
    })
}

/// A socket for [`Device::up`] and the like. Made along with the descriptor, so that both are of one network namespace even if the
/// thread that uses them is in another.
fn control_socket() -> Result<OwnedFd, SetupError> {
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
        .map_err(SetupError::system("socket AF_UNIX"))
}

/// With a good name, `EINVAL` says only that the interface of that name does not fit.
fn refusal(errno: Errno) -> SetupError {
    match errno {
        Errno::INVAL => SetupError::Unavailable {
            option: "name",
            reason: "an interface that is not of this kind (TUN or TAP, one queue or several) has it: choose another name",
        },
        errno => SetupError::System { call: "ioctl TUNSETIFF", errno },
    }
}

/// The descriptor of an open TUN or TAP interface, or of one of its queues. Unless the interface is persistent, it goes when this, or the
/// last of its queues, is dropped.
///
/// An endpoint takes the descriptor (`OwnedFd::from`); what is to be set up has to be before.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
    control: OwnedFd,
    name: String,
}

impl Device {
    /// The name that the interface got.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens a further queue of the same interface ([`TunTap::multi_queue`]); it takes part at once. To be called in the network namespace
    /// in which the interface was opened, and still is.
    ///
    /// ```no_run
    /// use fdlink_core::Options;
    /// use fdlink_linux::tuntap::TunTap;
    /// use fdlink_linux::{FdOptions, endpoint};
    ///
    /// let first = TunTap::tap("tap%d").multi_queue(true).open()?;
    /// let second = first.queue()?;
    /// let endpoint = endpoint([first, second], Options::default(), &FdOptions::default())?;
    /// # Ok::<(), fdlink_linux::SetupError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// * [`SetupError::Unavailable`]: the interface was opened without `multi_queue`, or is not in the network namespace of the calling thread.
    /// * [`SetupError::System`]: the interface was deleted (`EBADFD`), there are 256 queues (`E2BIG`), or as for
    ///   [`TunTap::open`].
    pub fn queue(&self) -> Result<Self, SetupError> {
        let request = self.request()?;
        if request.flags() & IFF_MULTI_QUEUE == 0 {
            return Err(no_queue("the interface has one queue only: open it with multi_queue(true)"));
        }
        let control = control_socket()?;
        self.check_namespace(&control)?;
        let kind = request.flags() & (IFF_TAP | IFF_TUN | IFF_VNET_HDR);
        let (fd, name) = open_queue(&request.name(), kind | IFF_NO_PI | IFF_MULTI_QUEUE)?;
        Ok(Self { fd, control, name })
    }

    /// The driver would make another interface of that name where ours is not.
    fn check_namespace(&self, control: &OwnedFd) -> Result<(), SetupError> {
        let is_there = tun::read_flags(control, &mut self.request()?).is_ok();
        if is_there && namespace_of(control) == namespace_of(&self.control) {
            return Ok(());
        }
        Err(no_queue("the interface is not in the network namespace of the calling thread"))
    }

    /// Lets this queue take part again, after [`detach_queue`](Device::detach_queue) (`TUNSETQUEUE`, `IFF_ATTACH_QUEUE`). Needs no capability.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`]: the queue is not detached, the interface was deleted (both `EINVAL`), or it has 256 queues (`E2BIG`).
    pub fn attach_queue(&self) -> Result<(), SetupError> {
        tun::set_queue(&self.fd, true).map_err(SetupError::system("ioctl TUNSETQUEUE"))
    }

    /// Takes this queue out (`TUNSETQUEUE`, `IFF_DETACH_QUEUE`): what the kernel would have sent to it goes to the other queues, and what
    /// waits in it is lost. It can still be sent by. An endpoint that has it may be running, and notices nothing. A queue is attached when
    /// it is opened.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`] with `EINVAL`: the queue is detached, the interface was deleted, or was opened without
    /// [`multi_queue`](TunTap::multi_queue).
    pub fn detach_queue(&self) -> Result<(), SetupError> {
        tun::set_queue(&self.fd, false).map_err(SetupError::system("ioctl TUNSETQUEUE"))
    }

    /// Brings the interface up (`SIOCSIFFLAGS`, netdevice(7)); while it is down, nothing is received, and what is sent is refused.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`]: no `CAP_NET_ADMIN` (`EPERM`), or the interface was deleted (`EBADFD`) or moved to another network
    /// namespace (`ENODEV`).
    pub fn up(&self) -> Result<(), SetupError> {
        let mut request = self.request()?;
        tun::read_flags(&self.control, &mut request).map_err(SetupError::system("ioctl SIOCGIFFLAGS"))?;
        request.set_flags(request.flags() | IFF_UP);
        tun::write_flags(&self.control, &mut request).map_err(SetupError::system("ioctl SIOCSIFFLAGS"))
    }

    /// The longest packet that the kernel sends to the interface, in bytes, link header excluded (`SIOCGIFMTU`, netdevice(7)).
    ///
    /// # Errors
    ///
    /// As [`up`](Device::up), which needs a capability that this does not.
    pub fn mtu(&self) -> Result<u32, SetupError> {
        let mut request = self.request()?;
        tun::read_mtu(&self.control, &mut request).map_err(SetupError::system("ioctl SIOCGIFMTU"))?;
        Ok(request.mtu())
    }

    /// Sets the MTU, in bytes, link header excluded (`SIOCSIFMTU`, netdevice(7)). The endpoint is not told.
    ///
    /// # Errors
    ///
    /// As [`up`](Device::up), and `EINVAL` for an MTU below 68 or above what the driver takes.
    pub fn set_mtu(&self, mtu: u32) -> Result<(), SetupError> {
        let mut request = self.request()?;
        request.set_mtu(mtu);
        tun::write_mtu(&self.control, &mut request).map_err(SetupError::system("ioctl SIOCSIFMTU"))
    }

    /// The link address of the interface (`SIOCGIFHWADDR`): that of the kernel, to which an endpoint sends and which it may not use for
    /// itself. [`LinkAddress::ZERO`] on TUN, which has none.
    ///
    /// # Errors
    ///
    /// [`SetupError::System`]: the interface was deleted (`EBADFD`).
    pub fn link_address(&self) -> Result<LinkAddress, SetupError> {
        let address = tun::address(&self.fd).map_err(SetupError::system("ioctl SIOCGIFHWADDR"))?;
        Ok(LinkAddress(address))
    }

    /// By the name that the interface has now; it may have been renamed.
    fn request(&self) -> Result<InterfaceRequest, SetupError> {
        tun::interface(&self.fd).map_err(SetupError::system("ioctl TUNGETIFF"))
    }
}

const fn no_queue(reason: &'static str) -> SetupError {
    SetupError::Unavailable { option: "queue", reason }
}

/// The number of a socket's network namespace (`SO_NETNS_COOKIE`, Linux 5.14); before that, it is not known, and equal for all.
fn namespace_of(socket: &OwnedFd) -> Option<u64> {
    sockopt::get(socket, libc::SOL_SOCKET, libc::SO_NETNS_COOKIE).ok()
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<Device> for OwnedFd {
    fn from(device: Device) -> Self {
        device.fd
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_bad(name: &str) -> bool {
        matches!(TunTap::tap(name).check(), Err(SetupError::BadOption { option: "name", .. }))
    }

    #[test]
    fn names_that_the_kernel_would_not_take_are_refused() {
        let bad =
            [".", "..", "a/b", "a:b", "a b", "a\u{b}b", "a\0b", "\u{e0}", "0123456789abcdef", "a%", "a%s", "%d%d"];
        assert_eq!(bad.into_iter().find(|name| !is_bad(name)), None);
    }

    #[test]
    fn names_and_templates_are_taken() {
        let good = ["", "a", "...", "tap%d", "%dtap", "eth0.100", "\u{e4}", "0123456789abcde"];
        assert_eq!(good.into_iter().find(|name| TunTap::tun(name).check().is_err()), None);
    }
}
