//! The rules of the tokens, one by one.

use std::cell::Cell;

use fdlink_core::io::{ErrorKind, RawIo, RxBatch, RxQueue, TxFrame, TxQueue, Wake};
use fdlink_core::smoltcp::{Device, DeviceError};
use fdlink_core::{
    DropCause, Ended, Endpoint, LinkAddress, LinkEndpoint, LinkEvent, Queue, ReceiverError, Refusal, RefusalCause,
    State,
};
use fdlink_mock::MockError;
use smoltcp::phy::{Device as _, Medium, RxToken as _, TxToken as _};
use smoltcp::wire::{EthernetAddress, HardwareAddress};

use crate::faulty::Faulty;
use crate::{NOW, OURS, THEIRS, attached, ethernet, ip, wire};

#[test]
fn frame_is_lent_from_the_receive_queue() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    assert_eq!(receive(&mut device), None);

    let sent = frame(OURS, 7, 1514);
    put(&theirs.tx, &sent);
    assert_eq!(receive(&mut device), Some(sent));
    assert_eq!(receive(&mut device), None);
    let rx = device.counters().rx;
    assert_eq!((rx.received, rx.delivered, rx.received_bytes), (1, 1, 1514));
}

#[test]
fn unused_receive_token_loses_nothing() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    for fill in 1..=3 {
        put(&theirs.tx, &frame(OURS, fill, 60));
    }

    for fill in 1..=3 {
        assert!(device.receive(NOW).is_some(), "its tokens are dropped here");
        assert!(device.receive(NOW).is_some(), "and here");
        assert_eq!(receive(&mut device), Some(frame(OURS, fill, 60)));
    }
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.counters().rx.received, 3);
}

#[test]
fn many_frames_cost_one_call() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    for fill in 0..8 {
        put(&theirs.tx, &frame(OURS, fill, 60));
    }
    for _ in 0..8 {
        assert!(receive(&mut device).is_some());
    }
    assert_eq!(device.counters().rx.calls, 1);
}

#[test]
fn dropped_frames_are_counted_and_shown_empty() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    put(&theirs.tx, &frame(OURS, 1, 1515));
    put(&theirs.tx, &[0; HEADER - 1]);
    put(&theirs.tx, &frame(THEIRS, 2, 60));
    put(&theirs.tx, &frame(OURS, 3, 60));

    for _ in 0..3 {
        assert_eq!(receive(&mut device), Some(vec![]));
    }
    assert_eq!(receive(&mut device), Some(frame(OURS, 3, 60)));
    let rx = device.counters().rx;
    assert_eq!((rx.received, rx.delivered, rx.dropped_total()), (4, 1, 3));
    assert!(rx.is_balanced());
    for cause in [DropCause::Truncated, DropCause::Runt, DropCause::ForeignAddress] {
        assert_eq!(rx.dropped(cause), 1, "{cause}");
    }
    assert_eq!(rx.truncated_bytes, 1515);
}

#[test]
fn blocked_frame_is_held_back_and_keeps_its_place() {
    let link = wire::<2>();
    let (ours, theirs) = link.ends();
    let mut theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    for fill in 1..=3 {
        assert!(transmit(&mut device, &frame(THEIRS, fill, 60)));
    }

    assert!(!device.flush());
    assert!(!transmit(&mut device, &frame(THEIRS, 8, 60)));
    assert_eq!(device.wait(None), Wake::TimedOut, "the mock cannot block");
    assert_eq!(device.counters().tx.waits, 1);

    let mut arrived = drain(&mut theirs.rx);
    assert!(device.flush());
    assert!(transmit(&mut device, &frame(THEIRS, 4, 60)));
    arrived.extend(drain(&mut theirs.rx));
    assert_eq!(arrived, (1..=4).map(|fill| frame(THEIRS, fill, 60)).collect::<Vec<_>>());
    assert_eq!(device.counters().tx.sent, 4);
    assert_eq!(device.take_refusal(), None);
}

#[test]
fn reply_displaces_the_frame_that_is_held_back() {
    let link = wire::<1>();
    let (ours, theirs) = link.ends();
    let mut theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    for fill in 1..=2 {
        assert!(transmit(&mut device, &frame(THEIRS, fill, 60)));
    }
    put(&theirs.tx, &frame(OURS, 9, 60));

    let (rx, tx) = device.receive(NOW).expect("receiving goes on");
    assert_eq!(rx.consume(<[u8]>::to_vec), frame(OURS, 9, 60));
    tx.consume(60, |buffer| buffer.copy_from_slice(&frame(THEIRS, 3, 60)));

    assert_eq!(device.take_refusal(), Some(Refusal::Io(ErrorKind::WouldBlock)));
    let mut arrived = drain(&mut theirs.rx);
    assert!(device.flush());
    arrived.extend(drain(&mut theirs.rx));
    assert_eq!(arrived, [1, 3].map(|fill| frame(THEIRS, fill, 60)));
}

#[test]
fn frame_held_back_at_the_drop_of_the_device_is_counted() {
    let link = wire::<1>();
    let (ours, _theirs) = link.ends();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    assert!(transmit(&mut device, &frame(THEIRS, 1, 60)));
    assert!(transmit(&mut device, &frame(THEIRS, 2, 60)));
    drop(device);
    let tx = endpoint.counters().tx;
    assert_eq!((tx.sent, tx.refused(RefusalCause::WouldBlock)), (1, 1));
}

#[test]
fn refused_frame_is_kept_as_refusal_and_holds_nothing_up() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let mut theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::<_, _, 2000>::with_frame_len(&endpoint, 0).unwrap();

    assert!(transmit(&mut device, &frame(THEIRS, 1, 1515)));
    assert_eq!(device.take_refusal(), Some(Refusal::ExceedsMtu));
    assert_eq!(device.take_refusal(), None);
    assert!(transmit(&mut device, &[0; HEADER - 1]));
    assert_eq!(device.take_refusal(), Some(Refusal::Runt));
    assert!(transmit(&mut device, &frame(THEIRS, 2, 1514)));
    assert_eq!(device.counters().tx.refused(RefusalCause::Unfit), 2);
    assert_eq!(drain(&mut theirs.rx), [frame(THEIRS, 2, 1514)]);
}

#[test]
fn token_for_more_than_the_buffer_gives_what_there_is_and_refuses() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let mut theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();

    assert_eq!(device.transmit(NOW).unwrap().consume(1515, |buffer| buffer.len()), 1514);
    assert_eq!(device.transmit(NOW).unwrap().consume(usize::MAX, |buffer| buffer.len()), 1514);
    assert_eq!(device.take_refusal(), Some(Refusal::ExceedsMtu));
    assert_eq!(device.counters().tx.refused(RefusalCause::Unfit), 2);
    assert!(drain(&mut theirs.rx).is_empty());
}

#[test]
fn end_comes_after_the_last_frame_and_is_told_once() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    put(&theirs.tx, &frame(OURS, 1, 60));
    drop(theirs);

    assert!(transmit(&mut device, &frame(THEIRS, 2, 60)));
    assert_eq!(device.take_refusal(), Some(Refusal::Io(ErrorKind::Closed)));
    assert_eq!(device.ended(), None);
    assert_eq!(receive(&mut device), Some(frame(OURS, 1, 60)));
    assert_eq!(device.ended(), None);
    assert_eq!(device.take_event(), None);

    for _ in 0..3 {
        assert_eq!(receive(&mut device), None);
    }
    assert_eq!(device.ended(), Some(&Ended::PeerClosed));
    assert_eq!(device.take_event(), Some(LinkEvent::PeerClosed));
    assert!(!transmit(&mut device, &frame(THEIRS, 3, 60)));
    assert_eq!(device.wait(None), Wake::Stopped);
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.take_event(), None);
    assert_eq!(device.ended(), Some(&Ended::PeerClosed));
    assert_eq!(endpoint.state(), State::Ended);
}

#[test]
fn detach_ends_the_device_and_gives_its_frame_up() {
    let link = wire::<1>();
    let (ours, _theirs) = link.ends();
    let endpoint = attached(ours, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    assert!(transmit(&mut device, &frame(THEIRS, 1, 60)));
    assert!(transmit(&mut device, &frame(THEIRS, 2, 60)));

    endpoint.detach();
    assert_eq!(device.wait(None), Wake::Stopped);
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.ended(), Some(&Ended::Detached));
    assert_eq!(device.take_event(), Some(LinkEvent::Detached));
    assert_eq!(device.take_refusal(), Some(Refusal::Io(ErrorKind::Closed)));
    drop(device);
    assert_eq!(endpoint.counters().tx.refused_total(), 1);

    endpoint.attach().unwrap();
    assert!(Device::new(&endpoint, 0).is_ok());
}

#[test]
fn errors_that_pass_are_events_and_the_fatal_one_is_kept() {
    let fault = Cell::new(None);
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let theirs = theirs.split();
    let endpoint = attached(Faulty { end: ours, fault: &fault }, ethernet(OURS));
    let mut device = Device::new(&endpoint, 0).unwrap();
    put(&theirs.tx, &frame(OURS, 1, 60));

    fault.set(Some(ErrorKind::NoBuffers));
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.take_event(), None);
    fault.set(Some(ErrorKind::LinkDown));
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.take_event(), Some(LinkEvent::Down));
    assert_eq!(receive(&mut device), Some(frame(OURS, 1, 60)));
    assert_eq!(device.take_event(), Some(LinkEvent::Up));
    assert_eq!(device.ended(), None);

    fault.set(Some(ErrorKind::Fatal));
    assert_eq!(receive(&mut device), None);
    assert_eq!(device.ended(), Some(&Ended::Fatal(MockError::new(ErrorKind::Fatal))));
    assert_eq!(device.take_event(), Some(LinkEvent::Fatal(ErrorKind::Fatal)));
    assert_eq!(device.wait(None), Wake::Stopped);
}

#[test]
fn frames_leave_on_the_queue_of_the_device() {
    let (first, second) = (wire::<8>(), wire::<8>());
    let ((a0, b0), (a1, b1)) = (first.ends(), second.ends());
    let (mut b0, mut b1) = (b0.split(), b1.split());
    let endpoint = Endpoint::new([Queue::new(a0), Queue::new(a1)], ethernet(OURS)).unwrap();
    endpoint.attach().unwrap();
    let mut device = Device::new(&endpoint, 1).unwrap();
    device.transmit(NOW).unwrap().consume(60, |buffer| buffer.fill(1));
    assert!(drain(&mut b0.rx).is_empty());
    assert_eq!(drain(&mut b1.rx), [[1; 60]]);
    assert_eq!(device.counters().tx.sent, 1);
}

#[test]
fn device_is_made_only_where_it_can_work() {
    let link = wire::<1>();
    let (ours, _) = link.ends();
    let endpoint = Endpoint::new([Queue::new(ours)], ethernet(OURS)).unwrap();
    let error = |index| Device::new(&endpoint, index).err();
    assert_eq!(error(0), Some(DeviceError::Receiver(ReceiverError::NotAttached)));
    endpoint.attach().unwrap();
    assert_eq!(error(1), Some(DeviceError::Receiver(ReceiverError::NoSuchQueue)));
    endpoint.set_mtu(67).unwrap();
    assert_eq!(error(0), Some(DeviceError::MtuTooSmall { mtu: 67 }));
    endpoint.set_mtu(1500).unwrap();
    let small = Device::<_, _, 1513>::with_frame_len(&endpoint, 0).err();
    assert_eq!(small, Some(DeviceError::BufferTooSmall { len: 1513, needed: 1514 }));
    let _device = Device::new(&endpoint, 0).unwrap();
    assert_eq!(error(0), Some(DeviceError::Receiver(ReceiverError::Taken)));
}

#[test]
fn capabilities_follow_the_endpoint() {
    let link = wire::<1>();
    let (a, b) = link.ends();
    let (a, b) = (attached(a, ethernet(OURS)), attached(b, ip()));
    let framed = Device::new(&a, 0).unwrap();
    let bare = Device::<_, _, 1500>::with_frame_len(&b, 0).unwrap();

    let capabilities = framed.capabilities();
    assert_eq!((capabilities.medium, capabilities.max_transmission_unit), (Medium::Ethernet, 1514));
    assert_eq!(capabilities.max_burst_size, None);
    assert!(capabilities.checksum.tcp.rx() && capabilities.checksum.tcp.tx());
    assert_eq!(framed.hardware_address(), HardwareAddress::Ethernet(EthernetAddress(OURS.0)));

    let capabilities = bare.capabilities();
    assert_eq!((capabilities.medium, capabilities.max_transmission_unit), (Medium::Ip, 1500));
    assert_eq!(bare.hardware_address(), HardwareAddress::Ip);
}

/// A frame of `len` bytes to `destination`, its payload all `fill`.
fn frame(destination: LinkAddress, fill: u8, len: usize) -> Vec<u8> {
    let mut bytes = vec![fill; len];
    bytes[..6].copy_from_slice(&destination.0);
    bytes[6..HEADER].copy_from_slice(&[2, 0, 0, 0, 0, 2, 0x08, 0x00]);
    bytes
}

fn put<T: TxQueue>(tx: &T, bytes: &[u8]) {
    assert_eq!(tx.send(&[TxFrame { header: &[], parts: &[bytes] }]).unwrap(), 1);
}

/// What the far end received, in order.
fn drain<R: RxQueue>(rx: &mut R) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    loop {
        let mut batch = rx.poll(64).unwrap();
        if batch.is_empty() {
            return frames;
        }
        frames.extend(batch.frames().map(|frame| frame.bytes.to_vec()));
    }
}

/// Receives one frame, `None` if there is no token.
fn receive<IO: RawIo, const N: usize>(device: &mut Device<'_, IO, [Queue<IO>; 1], N>) -> Option<Vec<u8>> {
    device.receive(NOW).map(|(rx, _)| rx.consume(<[u8]>::to_vec))
}

/// Sends one frame; false if there is no token.
fn transmit<IO: RawIo, const N: usize>(device: &mut Device<'_, IO, [Queue<IO>; 1], N>, bytes: &[u8]) -> bool {
    let token = device.transmit(NOW);
    token.map(|tx| tx.consume(bytes.len(), |buffer| buffer.copy_from_slice(bytes))).is_some()
}

const HEADER: usize = 14;
