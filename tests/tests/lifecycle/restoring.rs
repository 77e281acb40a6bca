//! Endpoints that are saved, dropped and restored on other descriptors, as between two processes.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use fdlink_core::io::Offloads;
use fdlink_core::{
    ChecksumState, ConfigError, Gso, GsoSupport, GsoType, LinkAddress, LinkEndpoint as _, LinkEvent, Offload, Options,
    Packet, Snapshot, State, TxStatus,
};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, Runner, SetupError, endpoint, restore};
use fdlink_tests::support::{
    Collector, MODES, Peer, STRANGER, TEST_PROTOCOL, Trials, attach_in, drain, ethernet, in_mode, marked, plain,
    seqpacket, to_own, until, write,
};
use rustix::net::sockopt::set_socket_send_buffer_size;

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(socket_that_lives_on_gives_every_frame_once_and_in_order);
    trials.anywhere(threads_go_on_over_other_descriptors);
    trials.anywhere(offload_that_was_lost_stays_lost);
    trials.anywhere(what_other_descriptors_cannot_do_is_told);
}

/// In the same process or another: bytes are all that there is of it.
fn saved<const QUEUES: usize>(endpoint: &FdEndpoint) -> Vec<u8> {
    let snapshot: Snapshot<QUEUES> = endpoint.snapshot().unwrap();
    snapshot.encode(&mut vec![0; snapshot.encoded_len()]).unwrap().to_vec()
}

fn restored<const QUEUES: usize, const N: usize>(bytes: &[u8], fds: [OwnedFd; N], mode: DispatchMode) -> FdEndpoint {
    restore(fds, &Snapshot::<QUEUES>::decode(bytes).unwrap(), &in_mode(mode)).unwrap()
}

/// A duplicate of the descriptor is handed on, with frames in the socket that nobody has received.
fn socket_that_lives_on_gives_every_frame_once_and_in_order() {
    for mode in MODES {
        let (fd, peer) = seqpacket();
        let heir = fd.try_clone().unwrap();
        let mut endpoint = attach_in(mode, fd, Options { rx_budget: 3, ..plain() });
        endpoint.set_link_address(STRANGER).unwrap();
        endpoint.set_mtu(200).unwrap();
        let mut collector = Collector::new();
        let mut sent = 0..;
        let mut send = |count| sent.by_ref().take(count).for_each(|n| peer.send(&to(STRANGER, n)));
        for _ in 0..5 {
            send(10);
            drain(&endpoint, &mut collector);
            send(10);
            let (bytes, before) = (saved::<1>(&endpoint), endpoint.counters());
            drop(endpoint);
            endpoint = restored::<1, 1>(&bytes, [heir.try_clone().unwrap()], mode);
            assert_eq!(endpoint.counters(), before, "{mode}");
            assert_eq!((endpoint.state(), endpoint.mtu()), (State::Attached, 200), "{mode}");
            assert_eq!(write(&endpoint, &[marked(7, 60)]).sent, 1, "{mode}: at once");
            let frame = peer.receive();
            assert_eq!((&frame[6..12], &frame[14..]), (&STRANGER.0[..], &marked(7, 60)[..]), "{mode}");
        }
        drain(&endpoint, &mut collector);
        assert_eq!(collector.payloads(), (0..100).map(|n| marked(n, 50)).collect::<Vec<_>>(), "{mode}");
        let rx = endpoint.counters().rx;
        assert_eq!((rx.delivered, rx.is_balanced(), endpoint.counters().tx.sent), (100, true, 5), "{mode}");
        assert_eq!(collector.events(), [], "{mode}");
    }
}

fn to(address: LinkAddress, number: u32) -> Vec<u8> {
    ethernet(address, TEST_PROTOCOL, &marked(number, 50))
}

/// Two queues with two processors each; the runner of the second life starts where the endpoint stands. Frames of one flow keep their order.
fn threads_go_on_over_other_descriptors() {
    for mode in MODES {
        let options = Options { processors_per_channel: 2, ..plain() };
        let (fds, mut peers) = two_pairs();
        let mut endpoint = Arc::new(endpoint(fds, options, &in_mode(mode)).unwrap());
        let collectors = [Collector::new(), Collector::new()];
        let mut runner = Runner::attach(Arc::clone(&endpoint), |queue| collectors[queue].clone()).unwrap();
        for life in 1..=3 {
            let numbers = 0..50 * life as u32;
            for (peer, collector) in peers.iter().zip(&collectors) {
                numbers.clone().skip(50 * (life - 1)).for_each(|n| peer.send(&to_own(&marked(n, 50))));
                let expected: Vec<_> = numbers.clone().map(|n| marked(n, 50)).collect();
                assert_eq!(collector.wait_for(expected.len()), expected, "{mode}");
            }
            until("the batches to be counted", || endpoint.counters().rx.delivered == 100 * life);
            let bytes = saved::<2>(&endpoint);
            assert_eq!(endpoint.state(), State::Attached, "{mode}: traffic may flow");
            runner.stop().unwrap();
            drop(endpoint);
            let (fds, others) = two_pairs();
            peers = others;
            endpoint = Arc::new(restored::<2, 2>(&bytes, fds, mode));
            assert_eq!(endpoint.counters().rx.delivered, 100 * life, "{mode}");
            runner = Runner::resume(Arc::clone(&endpoint), |queue, _| collectors[queue].clone()).unwrap();
        }
        runner.stop().unwrap();
        // Each of two processors is told each of four ends.
        assert!(collectors.iter().all(|collector| collector.events() == [LinkEvent::Detached; 8]), "{mode}");
    }
}

fn two_pairs() -> ([OwnedFd; 2], [Peer; 2]) {
    let [(one, one_peer), (two, two_peer)] = [seqpacket(), seqpacket()];
    ([one, two], [one_peer, two_peer])
}

/// The other socket would take the super-frame.
fn offload_that_was_lost_stays_lost() {
    let offloading = FdOptions { offloads: Offloads::all(), ..FdOptions::default() };
    let options = Options { ethernet_header: false, gso: GsoSupport::Host, ..Options::default() };
    let (fd, peer) = seqpacket();
    set_socket_send_buffer_size(&fd, 8 << 10).unwrap();
    let small = endpoint([fd], options, &offloading).unwrap();
    small.attach().unwrap();
    assert!(segments(&small, &peer) > 1, "it is longer than the send buffer");
    let left = Offloads::all() - Offloads::TSO4;
    assert_eq!(small.queues()[0].offloads(), left);

    let bytes = saved::<1>(&small);
    drop(small);
    let (fd, peer) = seqpacket();
    let large = restore([fd], &Snapshot::<1>::decode(&bytes).unwrap(), &offloading).unwrap();
    assert_eq!(large.queues()[0].offloads(), left);
    assert_eq!(segments(&large, &peer), 60);
    let (fd, peer) = seqpacket();
    let fresh = endpoint([fd], options, &offloading).unwrap();
    fresh.attach().unwrap();
    assert_eq!(segments(&fresh, &peer), 1, "so that the test can fail");
}

/// Frames that a super-frame of 60,000 bytes in segments of 1,000 becomes.
fn segments(endpoint: &FdEndpoint, peer: &Peer) -> usize {
    let ip = [0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let tcp = [0, 9, 0, 80, 0, 0, 0, 1, 0, 0, 0, 9, 0x50, 0x10, 1, 0, 0x12, 0x34, 0, 0];
    let payload = [7; 60_000];
    let parts = [&ip[..], &tcp, &payload];
    let gso = Some(Gso { gso_type: GsoType::TcpV4, size: 1000, ecn: false });
    let offload = Offload { checksum: ChecksumState::Partial { start: 20, offset: 16 }, gso };
    let mut packets = [Packet::framed(&parts).with_offload(offload)];
    let mut frames = 0;
    until("all to be written", || {
        assert_eq!(endpoint.write_packets(&mut packets).unwrap().refused, 0);
        frames += std::iter::from_fn(|| peer.try_receive()).count();
        packets[0].status() == TxStatus::Sent
    });
    frames
}

fn what_other_descriptors_cannot_do_is_told() {
    let endpoint = attach_in(DispatchMode::RecvMmsg, seqpacket().0, plain());
    let snapshot: Snapshot = endpoint.snapshot().unwrap();
    let error = restore([seqpacket().0, seqpacket().0], &snapshot, &FdOptions::default()).err();
    assert_eq!(error, Some(SetupError::Config(ConfigError::QueuesOfSnapshot { saved: 1, given: 2 })));
    let short = FdOptions { max_frame_len: Some(1000), ..FdOptions::default() };
    let error = restore([seqpacket().0], &snapshot, &short).err();
    assert_eq!(error, Some(SetupError::Config(ConfigError::MtuAboveFrameLimit { mtu: 1500, max: 986 })));
}
