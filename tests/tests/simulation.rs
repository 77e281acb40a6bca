//! Some seeds of every scenario, the same run twice, the capture read by a program of others, the middleware on a real descriptor.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use fdlink_core::io::{
    Channel, ErrorKind, IoError as _, RawIo as _, RxBatch as _, RxQueue as _, TxFrame, TxQueue as _,
};
use fdlink_linux::{FdIo, FdOptions};
use fdlink_mock::device::{Capture, Faulty, Tracer, Watched};
use fdlink_mock::fault::{Fault, FaultPlan, Op, Site};
use fdlink_mock::record::{Direction, LinkType, PcapNg};
use fdlink_tests::sim::{Run, Scenario, minimal};
use fdlink_tests::support::{seqpacket, until};
use pcap_file::pcapng::{Block, PcapNgReader};

#[test]
fn some_seeds_of_every_scenario_are_well() {
    for scenario in Scenario::MIXED {
        for seed in 0..100 {
            let outcome = Run::new(scenario, seed).go();
            assert_eq!(outcome.failure, None, "{} seed {seed}", scenario.name());
        }
    }
    assert_eq!(Run::new(Scenario::Bulk, 1).go().failure, None);
}

#[test]
fn the_same_seed_is_the_same_run_and_its_faults_make_it_again() {
    for scenario in Scenario::MIXED {
        let run = Run::new(scenario, 5).recorded();
        let first = run.go();
        let script = Some(first.fired.clone());
        for again in [run.go(), Run { script, ..run }.go()] {
            let (first, again) = (first.record.as_ref().unwrap(), again.record.as_ref().unwrap());
            assert_eq!(first.transcript.text(), again.transcript.text());
            assert!(first.capture == again.capture);
        }
        assert!(first.record.unwrap().transcript.text().lines().count() > 20, "{}", scenario.name());
    }
}

#[test]
fn a_failure_is_shrunk_to_the_fault_that_matters() {
    // A wire that a run cannot do without: the scenario expects everything that is sent.
    let run = Run { script: Some(Vec::new()), ..Run::new(Scenario::Transmit, 3) };
    assert_eq!(run.go().failure, None);
    let noise = (0..30).map(|nth| (Site { port: 0, op: Op::WaitTx, nth }, Fault::SpuriousWake));
    let lost = (Site { port: 0, op: Op::Carry, nth: 0 }, Fault::Drop);
    let script: Vec<_> = noise.chain([lost]).collect();
    assert_eq!(minimal(&run, &script, 200), [lost]);
}

#[test]
fn others_read_the_capture() {
    let mut capture = PcapNg::new();
    let first = capture.interface("first", LinkType::Ethernet);
    let second = capture.interface("second", LinkType::Raw);
    let time = Duration::from_nanos(5_000_000_123);
    capture.packet(first, time, Direction::Inbound, 9, &[b"ab", b"", b"cde"]);
    capture.packet(second, time * 2, Direction::Outbound, 1, &[b"x"]);

    let mut reader = PcapNgReader::new(capture.bytes()).unwrap();
    let (mut packets, mut interfaces) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block() {
        match block.unwrap() {
            Block::InterfaceDescription(interface) => interfaces.push(u32::from(interface.linktype)),
            Block::EnhancedPacket(packet) => {
                packets.push((packet.interface_id, packet.timestamp, packet.original_len, packet.data.into_owned()));
            }
            _ => {}
        }
    }
    assert_eq!(interfaces, [1, 101]);
    assert_eq!(packets, [(0, time, 9, b"abcde".to_vec()), (1, time * 2, 1, b"x".to_vec())]);
}

#[test]
fn middleware_shows_and_damages_what_passes_a_real_descriptor() {
    let (fd, peer) = seqpacket();
    let io = FdIo::new(fd, &FdOptions::default()).unwrap();
    let carry = |port, nth| Site { port, op: Op::Carry, nth };
    let plan = FaultPlan::scripted([
        (carry(0, 1), Fault::Drop),
        (carry(0, 2), Fault::Duplicate(Duration::ZERO)),
        (carry(0, 3), Fault::Corrupt { at: 0, mask: 1 }),
        (carry(1, 0), Fault::Truncate(2)),
        (Site { port: 0, op: Op::Send, nth: 1 }, Fault::Refuse { after: 0, kind: ErrorKind::NoBuffers }),
    ]);
    let (io, capture) = Watched::new(io, Capture::new("real", LinkType::Ethernet, || Duration::ZERO));
    let faulty = Faulty::new(io, Arc::new(spin::Mutex::new(plan)), 0);
    let lines = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&lines);
    let tracer = Tracer::new(|| Duration::from_millis(1500), move |line| kept.lock().unwrap().push(line.to_string()));
    let (io, _tracer) = Watched::new(faulty, tracer);
    let Channel { mut rx, tx, .. } = io.split();

    for frame in [b"one", b"two", b"six", b"ten"] {
        peer.send(frame);
    }
    let mut taken = Vec::new();
    until("all frames", || {
        taken.extend(rx.poll(2).unwrap().frames().map(|frame| frame.bytes.to_vec()));
        taken.len() == 4
    });
    assert_eq!(taken, [b"one", b"six", b"six", b"uen"]);
    let frame = TxFrame { header: b"he", parts: &[b"ad"] };
    assert_eq!(tx.send(&[frame]).unwrap(), 1);
    assert_eq!(tx.send(&[frame]).unwrap_err().kind(), ErrorKind::NoBuffers);
    assert_eq!(tx.send(&[frame]).unwrap(), 1);
    let expected =
        ["received 3 of 3 bytes"; 4].into_iter().chain(["sent 4 bytes", "refused 4 bytes: no buffers", "sent 4 bytes"]);
    assert_eq!(*lines.lock().unwrap(), expected.map(|line| format!("1.500000000 {line}")).collect::<Vec<_>>());
    // The capture is behind the faults: it has what the descriptor had.
    let bytes = capture.lock().file.bytes().to_vec();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(has(b"two") && has(b"ten") && has(b"head") && !has(b"uen"));
}
