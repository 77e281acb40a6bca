//! Other crates that move frames: rows beside fdlink and a bare loop, each crate as it comes.
//!
//! | crate | what it does for a frame |
//! |---|---|
//! | smoltcp, `phy::{RawSocket, TunTapInterface}` | `recv` or `read` into a new buffer; `send` or `write` of a new buffer that the frame is put into |
//! | tun-rs, `SyncDevice` | `read` and `write`; super-frames are cut |
//! | pnet_datalink | `poll` and `recvfrom`; `poll` and `sendto`; its socket is promiscuous |
//!
//! Left out: pcap, which needs the system library libpcap, and whatever takes a runtime (tokio-tun, and others).

mod devices;
mod receive;
mod send;
mod takes;

pub(crate) use devices::{interface, tun_rs_tun};
pub(crate) use receive::{Interface, measure};
pub(crate) use send::{to_tap, to_veth};
