//! `AF_PACKET` sockets: the frames of an interface that exists (packet(7)).

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fdlink_core::EtherType;
use libc::c_int;
use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_recv_buffer_size_force, set_socket_send_buffer_size,
    set_socket_send_buffer_size_force,
};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::SetupError;
use crate::sys::{sockaddr, sockopt};
use crate::tuntap::check_name;

/// How to open an `AF_PACKET` socket on one interface: it receives copies of the frames that the interface receives, link header
/// included, and sends frames as they are.
///
/// ```no_run
/// use fdlink_linux::packet::PacketSocket;
///
/// let fd = PacketSocket::on("eth0").promiscuous(true).receive_buffer(4 << 20).open()?;
/// # Ok::<(), fdlink_linux::SetupError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct PacketSocket {
    interface: String,
    protocol: EtherType,
    ignore_outgoing: bool,
    promiscuous: bool,
    receive_buffer: Option<usize>,
    send_buffer: Option<usize>,
    qdisc_bypass: bool,
    auxdata: bool,
}

impl PacketSocket {
    /// On the interface of this name in the network namespace of the calling thread.
    pub fn on(interface: &str) -> Self {
        Self {
            interface: interface.to_owned(),
            protocol: ALL,
            ignore_outgoing: true,
            promiscuous: false,
            receive_buffer: None,
            send_buffer: None,
            qdisc_bypass: false,
            auxdata: true,
        }
    }

    /// Receives this protocol only; by default all (`ETH_P_ALL`). `EtherType(0)` receives nothing: a socket to send with.
    ///
    /// To the kernel, what a socket of one protocol sends is of that protocol too. It does not cut super-frames then that are of another, or in
    /// a VLAN; an endpoint notices, and cuts them itself from then on.
    pub fn protocol(mut self, protocol: EtherType) -> Self {
        self.protocol = protocol;
        self
    }

    /// Whether frames that this host sends through the interface are left out (`PACKET_IGNORE_OUTGOING`, Linux 4.20). By default they
    /// are: an endpoint wants what comes from the wire (origin: receives both). Frames of this socket itself never come back.
    pub fn ignore_outgoing(mut self, ignore: bool) -> Self {
        self.ignore_outgoing = ignore;
        self
    }

    /// Whether the interface is to take frames that are addressed to others (`PACKET_MR_PROMISC`), as long as the socket is open. Off
    /// by default. An endpoint whose address is not that of the interface needs it.
    pub fn promiscuous(mut self, promiscuous: bool) -> Self {
        self.promiscuous = promiscuous;
        self
    }

    /// How much may wait to be received, in bytes. The kernel doubles this for its own bookkeeping, and without `CAP_NET_ADMIN` in the
    /// first user namespace it allows no more than `net.core.rmem_max`, and says nothing (`SO_RCVBUFFORCE`, `SO_RCVBUF`, socket(7)).
    /// By default `net.core.rmem_default`.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// How much may wait to be sent, in bytes, as for [`receive_buffer`](PacketSocket::receive_buffer) (`SO_SNDBUFFORCE`, `SO_SNDBUF`,
    /// `net.core.wmem_max`, `net.core.wmem_default`).
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Whether frames go to the driver without the traffic control of the interface (`PACKET_QDISC_BYPASS`, Linux 3.14). It is faster,
    /// but nothing queues: what the driver has no room for is dropped. Off by default.
    pub fn qdisc_bypass(mut self, bypass: bool) -> Self {
        self.qdisc_bypass = bypass;
        self
    }

    /// Whether `recvmmsg` is to tell the VLAN tags that the kernel takes out of frames (`PACKET_AUXDATA`). On by default, since a frame of another
    /// VLAN would look like any other; the origin does not. It costs about 65 ns a frame (565 to 630, 60-byte frames, 64 with a call, Linux 6.18).
    /// A ring needs it not.
    pub fn auxdata(mut self, auxdata: bool) -> Self {
        self.auxdata = auxdata;
        self
    }

    /// Opens the socket. It does not block and is closed on `exec`. The interface may be down.
    ///
    /// # Errors
    ///
    /// * [`SetupError::BadOption`]: `interface` cannot be a name, or a buffer has 2 GiB or more.
    /// * [`SetupError::System`]: no `CAP_NET_RAW` in the user namespace of the network namespace (`EPERM`), no such interface
    ///   (`ENODEV`), the kernel does not know an option (`ENOPROTOOPT`), or the system is short of something.
    pub fn open(&self) -> Result<OwnedFd, SetupError> {
        check_name("interface", &self.interface)?;
        let socket = silent_socket()?;
        let index = name_to_index(&socket, &self.interface).map_err(SetupError::system("ioctl SIOCGIFINDEX"))?;
        self.set_options(socket.as_fd(), index.cast_signed())?;
        sockaddr::bind_packet(&socket, index.cast_signed(), self.protocol)
            .map_err(SetupError::system("bind AF_PACKET"))?;
        Ok(socket)
    }

    fn set_options(&self, socket: BorrowedFd<'_>, index: c_int) -> Result<(), SetupError> {
        if self.ignore_outgoing {
            switch_on(socket, libc::PACKET_IGNORE_OUTGOING, "setsockopt PACKET_IGNORE_OUTGOING")?;
        }
        if self.qdisc_bypass {
            switch_on(socket, libc::PACKET_QDISC_BYPASS, "setsockopt PACKET_QDISC_BYPASS")?;
        }
        if self.auxdata {
            switch_on(socket, libc::PACKET_AUXDATA, "setsockopt PACKET_AUXDATA")?;
        }
        if self.promiscuous {
            join_promiscuous(socket, index)?;
        }
        if let Some(bytes) = self.receive_buffer {
            resize(socket, bytes, [set_socket_recv_buffer_size_force, set_socket_recv_buffer_size])
                .map_err(buffer_error("receive_buffer", "setsockopt SO_RCVBUF"))?;
        }
        if let Some(bytes) = self.send_buffer {
            resize(socket, bytes, [set_socket_send_buffer_size_force, set_socket_send_buffer_size])
                .map_err(buffer_error("send_buffer", "setsockopt SO_SNDBUF"))?;
        }
        Ok(())
    }
}

/// Without a protocol it receives nothing before it is bound, so no frame of another interface or from before its options slips in.
fn silent_socket() -> Result<OwnedFd, SetupError> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
        .map_err(SetupError::system("socket AF_PACKET"))
}

fn switch_on(socket: BorrowedFd<'_>, option: c_int, call: &'static str) -> Result<(), SetupError> {
    sockopt::set::<c_int>(socket, libc::SOL_PACKET, option, &1).map_err(SetupError::system(call))
}

fn join_promiscuous(socket: BorrowedFd<'_>, index: c_int) -> Result<(), SetupError> {
    let membership = libc::packet_mreq {
        mr_ifindex: index,
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &membership)
        .map_err(SetupError::system("setsockopt PACKET_ADD_MEMBERSHIP"))
}

type SetSize<'fd> = fn(BorrowedFd<'fd>, usize) -> Result<(), Errno>;

fn resize<'fd>(socket: BorrowedFd<'fd>, bytes: usize, [force, ask]: [SetSize<'fd>; 2]) -> Result<(), Errno> {
    match force(socket, bytes) {
        Err(Errno::PERM) => ask(socket, bytes),
        result => result,
    }
}

/// The kernel takes any size; `EINVAL` comes of one that is no C integer.
fn buffer_error(option: &'static str, call: &'static str) -> impl Fn(Errno) -> SetupError {
    move |errno| match errno {
        Errno::INVAL => SetupError::BadOption { option, reason: "must be below 2 GiB" },
        errno => SetupError::System { call, errno },
    }
}

const ALL: EtherType = EtherType(libc::ETH_P_ALL as u16);
