//! Successive packets of a flow leave as one super-frame.

use fdlink_core::io::{ErrorKind, Offloads};
use fdlink_core::wire::VirtioNetHdr;
use fdlink_core::wire::layers::IpVersion::{self, V4, V6};
use fdlink_core::wire::vnet::{ByteOrder, GSO_NONE, GSO_TCPV4, GSO_TCPV6, GSO_UDP_L4};
use fdlink_core::{LinkEndpoint as _, Options, Packet, Refusal, RefusalCause, TxPolicy, TxStatus, Written};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::scripted::{Script, attached};
use crate::stream::{FIN, Made, PSH, Stream, arrived, in_one_form, packets};

fn coalescing() -> Options {
    Options { tx_coalesce: true, ..Options::default() }
}

fn granting(offloads: Offloads) -> Script {
    Script::default().with_vnet(10, offloads)
}

/// Bytes of payload of each frame that left.
fn lens(script: &Script) -> Vec<usize> {
    let headers_len = |frame: &[u8]| fdlink_core::wire::Layers::of_packet(&frame[10..], 0).unwrap().payload;
    script.sent().iter().map(|frame| frame.len() - 10 - headers_len(frame)).collect()
}

/// Sends them in one call, in one part each, all of which leave; returns what was lost.
fn send(script: &Script, options: Options, made: &[Made]) -> Offloads {
    let endpoint = attached([script], options);
    let parts: Vec<_> = made.iter().map(|made| made.parts(&[])).collect();
    let written = endpoint.write_packets(&mut packets(made, &parts)).unwrap();
    let tx = endpoint.counters().tx;
    assert_eq!((written.sent, tx.sent + tx.merged), (made.len(), made.len()), "the account");
    written.offloads_lost
}

fn assert_arrived(script: &Script, made: &[Made]) {
    let arrived: Vec<_> = script.sent().iter().flat_map(|frame| arrived(frame)).collect();
    let expected: Vec<_> = made.iter().map(Made::on_the_wire).collect();
    assert!(arrived == expected, "{} of {} packets, or not the same", arrived.len(), expected.len());
}

#[test]
fn burst_leaves_as_one_frame_and_arrives_as_it_was() {
    for (stream, gso_type) in [
        (Stream::tcp(V4), GSO_TCPV4),
        (Stream::tcp(V6), GSO_TCPV6),
        (Stream::udp(V4), GSO_UDP_L4),
        (Stream::udp(V6), GSO_UDP_L4),
    ] {
        for is_partial in [false, true] {
            let script = granting(Offloads::all());
            let made = Stream { is_partial, ..stream.clone() }.burst(40, 1400);
            send(&script, coalescing(), &made);
            let said = VirtioNetHdr::decode(&script.sent()[0], ByteOrder::Native).unwrap();
            assert_eq!((lens(&script), said.gso_type, said.gso_size), (vec![56_000], gso_type, 1400));
            assert_arrived(&script, &made);
        }
    }
}

#[test]
fn nothing_merges_without_the_option_or_what_it_takes() {
    let made = [Stream::tcp(V4).burst(4, 1000), Stream::udp(V6).burst(4, 1000)].concat();
    let without = |offloads| granting(Offloads::all() - offloads);
    for (script, options, frames) in [
        (granting(Offloads::all()), Options::default(), 8),
        (Script::default(), coalescing(), 8),
        (without(Offloads::CSUM), coalescing(), 8),
        (without(Offloads::TSO4), coalescing(), 4 + 1),
        (without(Offloads::USO6), coalescing(), 1 + 4),
        (without(Offloads::TSO6 | Offloads::USO4), coalescing(), 2),
    ] {
        send(&script, options, &made);
        assert_eq!(script.sent().len(), frames);
    }
}

#[test]
fn super_frame_ends_where_the_rules_say() {
    type Change = fn(&mut Stream);
    let changes: [Change; 5] = [
        |stream| stream.port += 1,
        |stream| stream.sequence += 1,
        |stream| stream.acknowledgement += 1,
        |stream| stream.options = 0,
        |stream| stream.id += 1,
    ];
    for change in changes {
        let script = granting(Offloads::all());
        let mut stream = Stream::tcp(V4);
        let before = stream.burst(3, 100);
        change(&mut stream);
        let made = [before, stream.burst(2, 100)].concat();
        send(&script, coalescing(), &made);
        assert_eq!(lens(&script), [300, 200]);
        assert_arrived(&script, &made);
    }
    let tcp = |steps: &[(usize, u8)]| ends(Stream::tcp(V6), steps);
    assert_eq!(tcp(&[(100, 0), (100, PSH), (100, 0), (100, FIN)]), [200, 200]);
    assert_eq!(tcp(&[(100, 0), (60, 0), (60, 0), (60, 0)]), [160, 120]);
    assert_eq!(tcp(&[(60, 0), (100, 0), (100, 0)]), [60, 200]);
    assert_eq!(tcp(&[(100, 0), (0, 0), (100, 0)]), [100, 0, 100]);
    assert_eq!(tcp(&[(100, PSH), (100, 0), (100, 0)]), [100, 200]);
    assert_eq!(tcp(&[(1400, 0); 50]), [64_400, 5600], "at 65,535 bytes");
    assert_eq!(tcp(&[(100, 0); 130]), [6400, 6400, 200], "at 64 packets");
    assert_eq!(ends(Stream::udp(V4), &[(100, 0), (100, 0), (101, 0), (40, 0), (40, 0)]), [200, 141, 40]);
}

/// Bytes of payload of each frame that leaves of these packets, which have so many bytes and these flags.
fn ends(mut stream: Stream, steps: &[(usize, u8)]) -> Vec<usize> {
    let script = granting(Offloads::all());
    let made: Vec<_> = steps.iter().map(|(len, flags)| stream.next(*len, *flags)).collect();
    send(&script, coalescing(), &made);
    assert_arrived(&script, &made);
    lens(&script)
}

#[test]
fn wrong_checksum_is_not_made_right() {
    for wrong in 0..3 {
        let script = granting(Offloads::all());
        let mut made = Stream::tcp(V4).burst(3, 100);
        *made[wrong].bytes.last_mut().unwrap() ^= 1;
        send(&script, coalescing(), &made);
        assert_arrived(&script, &made);
        let expected: &[usize] = [&[100, 200][..], &[100, 100, 100], &[200, 100]][wrong];
        assert_eq!(lens(&script), expected);
    }
}

#[test]
fn padding_of_the_link_is_left_out() {
    let script = granting(Offloads::all());
    let mut made = Stream::udp(V4).burst(3, 10);
    let lean = made.clone();
    made.iter_mut().for_each(|made| made.bytes.extend([0; 8]));
    send(&script, coalescing(), &made);
    assert_arrived(&script, &lean);
    assert_eq!(lens(&script), [30]);
}

#[test]
fn refused_super_frame_is_taken_apart_and_so_are_later_ones() {
    for kind in [ErrorKind::OffloadRejected, ErrorKind::FrameRejected, ErrorKind::FrameTooLong] {
        for position in 0..3 {
            let before = (position > 0).then_some(Ok(position));
            let script = Script::sending(before.into_iter().chain([Err(kind)])).with_vnet(10, Offloads::all());
            // Three runs; those in front of the one that is refused leave as they are.
            let made: Vec<_> = (0..3).flat_map(|at| Stream { port: at, ..Stream::tcp(V4) }.burst(4, 100)).collect();
            // One that may be a lack of memory is no proof.
            let lost = if kind == ErrorKind::OffloadRejected { Offloads::empty() } else { Offloads::TSO4 };
            assert_eq!(send(&script, coalescing(), &made), lost, "{kind}");
            assert_arrived(&script, &made);
            let single = lens(&script).iter().filter(|len| **len == 100).count();
            assert!(single >= 4, "{kind} at {position}: {:?}", lens(&script));
            send_again(&script, &made);
        }
    }
}

/// A capability that was lost is not asked for again.
fn send_again(script: &Script, made: &[Made]) {
    let endpoint = attached([script], coalescing());
    script.sends.borrow_mut().extend([Err(ErrorKind::FrameRejected)]);
    let parts: Vec<_> = made.iter().map(|made| made.parts(&[])).collect();
    let mut all = packets(made, &parts);
    assert_eq!(endpoint.write_packets(&mut all).unwrap().offloads_lost, Offloads::TSO4);
    all.iter_mut().for_each(Packet::reset);
    let before = script.sent().len();
    assert_eq!(endpoint.write_packets(&mut all).unwrap(), Written { sent: made.len(), ..Written::default() });
    assert_eq!(script.sent().len(), before + made.len());
}

#[test]
fn packets_of_a_blocked_super_frame_stay_pending_and_go_next_time() {
    for position in 0..3 {
        let before = (position > 0).then_some(Ok(position));
        let answers = before.into_iter().chain([Err(ErrorKind::WouldBlock)]);
        let script = Script::sending(answers).with_vnet(10, Offloads::all());
        let endpoint = attached([&script], coalescing());
        let made: Vec<_> = (0..3).flat_map(|at| Stream { port: at, ..Stream::tcp(V6) }.burst(4, 100)).collect();
        let parts: Vec<_> = made.iter().map(|made| made.parts(&[30, 80, 90])).collect();
        let mut all = packets(&made, &parts);
        let (sent, pending) = (4 * position, 4 * (3 - position));
        let written = endpoint.write_packets(&mut all).unwrap();
        let expected = Written { sent, pending, blocked: Some(ErrorKind::WouldBlock), ..Written::default() };
        assert_eq!(written, expected);
        let still = all.iter().filter(|packet| packet.status() == TxStatus::Pending).count();
        assert_eq!((still, all[sent].status()), (pending, TxStatus::Pending));
        assert_eq!(endpoint.write_packets(&mut all).unwrap(), Written { sent: pending, ..Written::default() });
        assert_arrived(&script, &made);
        assert_eq!((lens(&script), endpoint.counters().tx.merged), (vec![400; 3], 9));
    }
}

#[test]
fn packets_of_a_super_frame_that_is_given_up_are_all_refused() {
    for (kind, policy) in [(ErrorKind::LinkDown, TxPolicy::Return), (ErrorKind::WouldBlock, TxPolicy::Drop)] {
        for position in 0..3 {
            let before = (position > 0).then_some(Ok(position));
            let script = Script::sending(before.into_iter().chain([Err(kind)])).with_vnet(10, Offloads::all());
            let endpoint = attached([&script], Options { tx_policy: policy, ..coalescing() });
            let made: Vec<_> = (0..3).flat_map(|at| Stream { port: at, ..Stream::tcp(V4) }.burst(4, 100)).collect();
            let parts: Vec<_> = made.iter().map(|made| made.parts(&[])).collect();
            let mut all = packets(&made, &parts);
            let written = endpoint.write_packets(&mut all).unwrap();
            assert_eq!(written, Written { sent: 8, refused: 4, ..Written::default() });
            let refused = TxStatus::Refused(Refusal::Io(kind));
            for (at, packet) in all.iter().enumerate() {
                assert_eq!(packet.status(), if at / 4 == position { refused } else { TxStatus::Sent });
            }
            let cause = RefusalCause::from(Refusal::Io(kind));
            assert_eq!(endpoint.counters().tx.refused(cause), 4);
        }
    }
}

#[test]
fn end_of_the_channel_refuses_one_super_frame_and_tries_no_other() {
    let script = Script::sending([Ok(1), Err(ErrorKind::Closed)]).with_vnet(10, Offloads::all());
    let endpoint = attached([&script], coalescing());
    let made: Vec<_> = (0..3).flat_map(|at| Stream { port: at, ..Stream::tcp(V4) }.burst(4, 100)).collect();
    let parts: Vec<_> = made.iter().map(|made| made.parts(&[])).collect();
    let mut all = packets(&made, &parts);
    let written = endpoint.write_packets(&mut all).unwrap();
    assert_eq!((written.sent, written.refused, written.pending), (4, 4, 4));
    assert_eq!(all[8].status(), TxStatus::Pending);
}

/// A packet that is refused for what it is does not disturb the account of those around it, nor their bytes.
#[test]
fn packet_that_nobody_can_send_between_those_that_merge() {
    let script = granting(Offloads::all());
    let endpoint = attached([&script], coalescing());
    let mut made = Stream::tcp(V4).burst(20, 100);
    let parts: Vec<_> = made.iter().map(|made| made.parts(&[40, 50, 60, 70, 80, 90, 100])).collect();
    let mut all = packets(&made, &parts);
    let unfit = crate::super_frame::SuperFrame::tcp(1, 3000, 1000);
    let unfit_parts = [&unfit.bytes[..9], &[47], &unfit.bytes[10..]];
    let options = Options { gso: fdlink_core::GsoSupport::Host, ..coalescing() };
    let with_gso = attached([&script], options);
    all.insert(10, unfit.packet(&unfit_parts));
    let written = with_gso.write_packets(&mut all).unwrap();
    assert_eq!((written.sent, written.refused), (20, 1));
    drop(all);
    made.truncate(20);
    assert_arrived(&script, &made);
    assert_eq!(endpoint.counters().tx.sent, 0);
}

proptest! {
    /// Whatever is handed in, in whatever parts, and however often the system has no room or refuses to cut: what arrives is what was
    /// handed in and not refused, each packet once, in order.
    #[test]
    fn what_arrives_is_what_was_handed_in(
        steps in vec((turn(), 0..3usize, 0..20u8, vec(0..300usize, 0..3)), 1..150),
        flags in vec((any::<bool>(), any::<bool>()), 4),
        answers in vec(answer(), 0..8),
    ) {
        let kinds = [(V4, true), (V6, true), (V4, false), (V6, false)].into_iter().zip(flags);
        let mut streams: Vec<_> = kinds.map(|((version, is_tcp), flags)| stream(version, is_tcp, flags)).collect();
        let mut flow = 0;
        let made: Vec<_> = steps.iter().map(|(turn, len, event, _)| {
            flow = turn.unwrap_or(flow);
            step(&mut streams[flow], *len, *event)
        }).collect();
        let parts: Vec<_> = made.iter().zip(&steps).map(|(made, (.., cuts))| made.parts(cuts)).collect();
        let script = Script::sending(answers).with_vnet(10, Offloads::all());
        let endpoint = attached([&script], coalescing());
        let mut all = packets(&made, &parts);
        let mut sent = 0;
        while all.iter().any(|packet| packet.status() == TxStatus::Pending) {
            sent += endpoint.write_packets(&mut all).unwrap().sent;
        }
        let tx = endpoint.counters().tx;
        prop_assert_eq!((tx.sent + tx.merged, tx.refused_total() + sent), (sent, made.len()));
        let arrived: Vec<_> = script.sent().iter().flat_map(|frame| arrived(frame)).map(in_one_form).collect();
        let left = made.iter().zip(&all).filter(|(_, packet)| packet.status() == TxStatus::Sent);
        let expected: Vec<_> = left.map(|(made, _)| in_one_form(made.on_the_wire())).collect();
        prop_assert!(arrived == expected);
    }
}

/// Whose turn it is: most often the same flow's as before.
fn turn() -> impl Strategy<Value = Option<usize>> {
    prop_oneof![9 => Just(None), 1 => (0..4usize).prop_map(Some)]
}

fn stream(version: IpVersion, is_tcp: bool, (is_partial, is_atomic): (bool, bool)) -> Stream {
    Stream { is_tcp, is_partial, is_atomic, ..Stream::tcp(version) }
}

/// The next packet of a flow: most often one that goes on.
fn step(stream: &mut Stream, len: usize, event: u8) -> Made {
    let len = [100, 37, 1400][len];
    match event {
        0 => stream.next(len, PSH),
        1 => {
            stream.sequence = stream.sequence.wrapping_sub(5);
            stream.next(len, 0)
        }
        2 => stream.next(len, FIN),
        3 => {
            let mut made = stream.next(len, 0);
            let last = made.bytes.len() - 1;
            // Wrong, and to stay so, if it is complete.
            made.bytes[last] ^= 1;
            made
        }
        _ => stream.next(if event < 18 { 100 } else { len }, 0),
    }
}

/// What a system says that has little room, and may not cut.
fn answer() -> impl Strategy<Value = Result<usize, ErrorKind>> {
    prop_oneof![
        (1..5usize).prop_map(Ok),
        Just(Err(ErrorKind::WouldBlock)),
        Just(Err(ErrorKind::NoBuffers)),
        Just(Err(ErrorKind::OffloadRejected)),
    ]
}

#[test]
fn single_packet_asks_for_no_segmentation() {
    let script = granting(Offloads::all());
    let made = Stream::tcp(V4).burst(1, 1000);
    send(&script, coalescing(), &made);
    let said = VirtioNetHdr::decode(&script.sent()[0], ByteOrder::Native).unwrap();
    assert_eq!(said.gso_type, GSO_NONE);
}
