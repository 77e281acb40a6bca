use netlink_packet_route::link::Stats64;

/// What an interface has counted since it was made, by the kernel's names
/// (`struct rtnl_link_stats64`). "Received" is what the kernel got from the
/// interface, "transmitted" what it gave to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkStatistics {
    /// Frames received.
    pub rx_packets: u64,
    /// Frames transmitted.
    pub tx_packets: u64,
    /// Bytes received, with the Ethernet headers.
    pub rx_bytes: u64,
    /// Bytes transmitted, with the Ethernet headers.
    pub tx_bytes: u64,
    /// Frames received in bad form.
    pub rx_errors: u64,
    /// Frames whose transmission failed.
    pub tx_errors: u64,
    /// Frames received but not taken, for want of memory or of a protocol.
    pub rx_dropped: u64,
    /// Frames not transmitted, because a queue was full for example.
    pub tx_dropped: u64,
}

impl From<&Stats64> for LinkStatistics {
    fn from(stats: &Stats64) -> Self {
        Self {
            rx_packets: stats.rx_packets,
            tx_packets: stats.tx_packets,
            rx_bytes: stats.rx_bytes,
            tx_bytes: stats.tx_bytes,
            rx_errors: stats.rx_errors,
            tx_errors: stats.tx_errors,
            rx_dropped: stats.rx_dropped,
            tx_dropped: stats.tx_dropped,
        }
    }
}
