//! The tests of the origin (gVisor's `fdbased` and `muxed`) under their names, on sockets.
//!
//! Where fdlink differs on purpose, the test says so:
//!
//! - The origin's own address is `11:22:33:44:55:66`, whose group bit is set. No station can have it, so fdlink refuses it, and these tests
//!   use [`OWN`](fdlink_tests::support::OWN).
//! - The origin writes a packet without a byte in `TestPreserveSrcAddress`. fdlink refuses such packets, so here it has one byte.
//! - The origin's packets for segmentation are noise. fdlink refuses what nobody could cut, so here they have headers of IPv6 and TCP.
//! - Where there is no Ethernet header, a checksum starts 14 bytes earlier than the origin says (defect 14).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "origin/buffers.rs"]
mod buffers;
#[path = "origin/muxed.rs"]
mod muxed;
#[path = "origin/offloads.rs"]
mod offloads;
#[path = "origin/properties.rs"]
mod properties;
#[path = "origin/receive.rs"]
mod receive;
#[path = "origin/transmit.rs"]
mod transmit;

use std::process::ExitCode;

use fdlink_tests::support::{Census, Trials};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.anywhere(properties::test_no_ethernet_properties);
    trials.anywhere(properties::test_ethernet_properties);
    trials.anywhere(properties::test_address);
    trials.anywhere(properties::test_set_address);
    trials.anywhere(properties::test_mtu);
    trials.anywhere(transmit::test_write_packet);
    trials.anywhere(transmit::test_hashed_write_packet);
    trials.anywhere(transmit::test_preserve_src_address);
    trials.anywhere(receive::test_deliver_packet);
    trials.anywhere(receive::test_dispatch_packet_format);
    trials.anywhere(buffers::test_buf_config_max_length);
    trials.anywhere(buffers::test_buf_config_first);
    trials.anywhere(buffers::test_iovec_buffer);
    trials.anywhere(buffers::test_iovec_buffer_skip_vnet_hdr);
    trials.anywhere(muxed::test_injectable_endpoint_mtu);
    trials.anywhere(muxed::test_injectable_endpoint_raw_dispatch);
    trials.anywhere(muxed::test_injectable_endpoint_dispatch);
    trials.anywhere(muxed::test_injectable_endpoint_dispatch_hdr_only);
    trials.anywhere(offloads::test_dispatch_packet_format_rx_checksum_offload);
    trials.anywhere(offloads::test_n_buckets);
    trials.anywhere(test_main);
    trials.conclude()
}

/// The origin checks that no packet reference leaks. Here no packet is counted, but descriptors and threads are.
fn test_main() {
    let before = Census::now();
    properties::test_address();
    transmit::test_hashed_write_packet();
    receive::test_deliver_packet();
    receive::test_dispatch_packet_format();
    buffers::test_iovec_buffer();
    muxed::test_injectable_endpoint_dispatch();
    before.assert_is_back();
}
