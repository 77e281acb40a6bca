//! Options that cannot work.

use fdlink_core::io::{Offloads, VlanFilter};
use fdlink_core::{ConfigError, LinkAddress, Options};
use fdlink_linux::{DispatchMode, FdIo, FdOptions, RingOptions, RingVersion, SetupError, endpoint, injectable};
use fdlink_tests::support::{
    Cable, Collector, MODES, Tap, Trials, attach_in, datagram, drain, in_mode, plain, seqpacket, to_own, until,
};

use crate::{assert_says, assert_text_has};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(mtu_of_zero);
    trials.anywhere(mtu_above_the_frame_limit);
    trials.anywhere(group_address);
    trials.anywhere(address_without_a_link_header);
    trials.anywhere(receive_budget_of_zero);
    trials.anywhere(batch_out_of_range);
    trials.anywhere(frame_length_out_of_range);
    trials.anywhere(packet_mmap_on_a_unix_socket);
    trials.with_tap(recvmmsg_on_a_tap);
    trials.with_tap(recvmmsg_on_a_tap_with_fallback_is_readv);
    trials.anywhere(longest_packet_for_nobody_to_segment);
    trials.anywhere(vlan_that_cannot_be);
    trials.in_namespaces(vlan_where_tags_are_lost);
    trials.in_namespaces(tags_in_frames_that_a_header_counts_through);
}

fn mtu_of_zero() {
    refused(Options { mtu: 0, ..plain() }, ConfigError::MtuZero, &["mtu", "zero"]);
    let error = injectable(seqpacket().0, 0).err();
    assert_says(error, SetupError::Config(ConfigError::MtuZero), &["mtu", "zero"]);
}

fn mtu_above_the_frame_limit() {
    let fd_options = FdOptions { max_frame_len: Some(1514), ..FdOptions::default() };
    let error = endpoint([seqpacket().0], Options { mtu: 1501, ..plain() }, &fd_options).err();
    let expected = ConfigError::MtuAboveFrameLimit { mtu: 1501, max: 1500 };
    assert_says(error, SetupError::Config(expected), &["mtu", "1501", "1500"]);
    assert!(endpoint([seqpacket().0], Options { mtu: 1500, ..plain() }, &fd_options).is_ok());
}

fn group_address() {
    for address in [LinkAddress::BROADCAST, LinkAddress([0x11, 0x22, 0x33, 0x44, 0x55, 0x66])] {
        refused(Options { address, ..Options::default() }, ConfigError::GroupAddress, &["address", "group bit"]);
    }
}

fn address_without_a_link_header() {
    let options = Options { ethernet_header: false, ..plain() };
    refused(options, ConfigError::AddressWithoutEthernet, &["address", "ethernet_header"]);
}

fn receive_budget_of_zero() {
    refused(Options { rx_budget: 0, ..plain() }, ConfigError::RxBudgetZero, &["rx_budget", "zero"]);
}

fn batch_out_of_range() {
    for mode in MODES {
        for batch in [0, 1025, usize::MAX] {
            let fd_options = FdOptions { batch: Some(batch), ..in_mode(mode) };
            let error = endpoint([seqpacket().0], plain(), &fd_options).err();
            let expected = SetupError::BadOption { option: "batch", reason: "must be 1 to 1024 frames" };
            assert_says(error, expected, &["batch", "1 to 1024"]);
        }
        for batch in [1, 1024] {
            let fd_options = FdOptions { batch: Some(batch), ..in_mode(mode) };
            assert!(endpoint([seqpacket().0], plain(), &fd_options).is_ok(), "{batch}");
        }
    }
}

fn frame_length_out_of_range() {
    for mode in MODES {
        for max_frame_len in [0, (16 << 20) + 1, usize::MAX] {
            let fd_options = FdOptions { max_frame_len: Some(max_frame_len), ..in_mode(mode) };
            let error = FdIo::new(seqpacket().0, &fd_options).err();
            let expected = SetupError::BadOption { option: "max_frame_len", reason: "must be 1 to 16,777,216 bytes" };
            assert_says(error, expected, &["max_frame_len", "1 to 16,777,216"]);
        }
    }
}

fn packet_mmap_on_a_unix_socket() {
    for (fd, _peer) in [seqpacket(), datagram()] {
        let error = endpoint([fd], plain(), &in_mode(DispatchMode::PacketMmap)).err().unwrap();
        assert!(matches!(error, SetupError::Unavailable { option: "dispatch_mode", .. }), "{error:?}");
        assert_text_has(&error, &["dispatch_mode", "packet_mmap", "use recvmmsg or readv"]);
    }
}

fn recvmmsg_on_a_tap() {
    let Tap { fd, .. } = Tap::new();
    let error = endpoint([fd], plain(), &in_mode(DispatchMode::RecvMmsg)).err();
    let reason = "recvmmsg works on sockets only; use readv";
    let expected = SetupError::Unavailable { option: "dispatch_mode", reason };
    assert_says(error, expected, &["dispatch_mode", "sockets only", "use readv"]);
}

fn recvmmsg_on_a_tap_with_fallback_is_readv() {
    let Tap { fd, peer, .. } = Tap::new();
    let fd_options = FdOptions { fallback: true, ..in_mode(DispatchMode::RecvMmsg) };
    assert_eq!(FdIo::new(&fd, &fd_options).unwrap().dispatch_mode(), DispatchMode::Readv);
    let endpoint = endpoint([fd], plain(), &fd_options).unwrap();
    fdlink_core::LinkEndpoint::attach(&endpoint).unwrap();
    peer.send(&to_own(&[1; 50]));
    let mut collector = Collector::new();
    until("the frame", || {
        drain(&endpoint, &mut collector);
        collector.payloads() == [[1; 50]]
    });
    drop(attach_in(DispatchMode::Readv, seqpacket().0, plain()));
}

fn longest_packet_for_nobody_to_segment() {
    refused(Options { gso_max_size: 65_536, ..plain() }, ConfigError::GsoMaxSizeWithoutGso, &["gso_max_size", "gso"]);
}

fn vlan_that_cannot_be() {
    for id in [0, 4095, u16::MAX] {
        refused(Options { vlan: VlanFilter::Id(id), ..plain() }, ConfigError::VlanId, &["vlan", "1 to 4094"]);
    }
    let options = Options { vlan: VlanFilter::Untagged, ethernet_header: false, ..Options::default() };
    refused(options, ConfigError::VlanWithoutEthernet, &["vlan", "ethernet_header"]);
}

fn vlan_where_tags_are_lost() {
    let v1 = RingOptions { version: RingVersion::V1, ..RingOptions::V2 };
    let cases = [
        (in_mode(DispatchMode::Readv), true),
        (in_mode(DispatchMode::RecvMmsg), false),
        (FdOptions { ring: v1, ..in_mode(DispatchMode::PacketMmap) }, true),
    ];
    let cable = Cable::new();
    for (fd_options, auxdata) in cases {
        let socket = || cable.socket_with(|socket| socket.auxdata(auxdata));
        let vlan = Options { vlan: VlanFilter::Id(5), ..plain() };
        assert_tags_are_lost(endpoint([socket()], vlan, &fd_options).err(), "vlan");
        let reinsert = FdOptions { reinsert_vlan_tag: true, ..fd_options };
        assert_tags_are_lost(endpoint([socket()], plain(), &reinsert).err(), "reinsert_vlan_tag");
    }
    let reinsert = FdOptions { reinsert_vlan_tag: true, ..FdOptions::default() };
    assert!(endpoint([seqpacket().0], plain(), &reinsert).is_ok(), "nobody takes tags out of these");
}

fn tags_in_frames_that_a_header_counts_through() {
    let cable = Cable::new();
    for mode in [DispatchMode::RecvMmsg, DispatchMode::PacketMmap] {
        let fd_options = FdOptions { reinsert_vlan_tag: true, offloads: Offloads::CSUM, ..in_mode(mode) };
        let error = endpoint([cable.socket()], plain(), &fd_options).err().unwrap();
        assert_text_has(&error, &["reinsert_vlan_tag", "virtio-net header"]);
    }
}

#[track_caller]
fn assert_tags_are_lost(error: Option<SetupError>, culprit: &str) {
    let error = error.unwrap();
    assert!(matches!(error, SetupError::Unavailable { option, .. } if option == culprit), "{error:?}");
    assert_text_has(&error, &[culprit, "VLAN tags", "PACKET_AUXDATA"]);
}

#[track_caller]
fn refused(options: Options, expected: ConfigError, words: &[&str]) {
    for mode in MODES {
        let error = endpoint([seqpacket().0], options, &in_mode(mode)).err();
        assert_says(error, SetupError::Config(expected), words);
    }
}
