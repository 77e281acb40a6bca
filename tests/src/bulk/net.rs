use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::OwnedFd;

use fdlink_linux::tuntap::TunTap;

use crate::lab::{Namespace, link};

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The kernel's address and port.
    #[must_use]
    pub const fn kernel(self) -> SocketAddr {
        SocketAddr::new(self.host(1), PORT)
    }

    /// smoltcp's address.
    #[must_use]
    pub const fn smoltcp(self) -> IpAddr {
        self.host(2)
    }

    const fn host(self, number: u8) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(10, 88, 0, number)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, number as u16)),
        }
    }
}

/// A TAP interface that is up, in a namespace of its own, with an address of each family.
#[derive(Debug)]
pub struct Net {
    namespace: Namespace,
    /// The TAP descriptor.
    pub tap: OwnedFd,
}

impl Net {
    /// Makes one, its frames behind virtio-net headers or not.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new(vnet_header: bool) -> Self {
        let namespace = Namespace::with_ipv6().expect("a namespace");
        let tap = namespace.run(|| {
            let tap = TunTap::tap("bulk0").vnet_header(vnet_header).open().expect("a TAP interface");
            tap.up().expect("up");
            link::add_ipv4("bulk0", [10, 88, 0, 1].into(), 24).expect("an IPv4 address");
            let address = Ipv6Addr::new(0xfd88, 0, 0, 0, 0, 0, 0, 1);
            link::add_ipv6("bulk0", address, 64).expect("an IPv6 address");
            OwnedFd::from(tap)
        });
        Self { namespace, tap }
    }

    /// A socket of the kernel that takes connections.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn listener(&self, family: Family) -> TcpListener {
        self.namespace.run(|| TcpListener::bind(family.kernel())).expect("a listener")
    }

    /// A socket of the kernel that sends datagrams.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn udp(&self, family: Family) -> UdpSocket {
        self.namespace.run(|| UdpSocket::bind(family.kernel())).expect("a UDP socket")
    }
}

const PORT: u16 = 5001;
