//! The rounds of a loop over a device.

use std::time::Duration;

use fdlink_core::io::RawIo;
use fdlink_core::smoltcp::{INGRESS_BUDGET, Turn};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::{tcp, udp};

use crate::stacks::{Stack, address};
use crate::{NOW, attached, ip, wire};

#[test]
fn turn_takes_no_more_than_its_budget_and_tells_when_nothing_came() {
    let link = wire::<32>();
    let (ours, theirs) = link.ends();
    let (ours, theirs) = (attached(ours, ip()), attached(theirs, ip()));
    let (mut near, mut far) = (Stack::new(&ours, 1), Stack::new(&theirs, 2));
    let [near_port, far_port] = [near.add_udp(7), far.add_udp(7)];
    for _ in 0..INGRESS_BUDGET + 4 {
        far.udp(far_port).send_slice(b"x", (address(1), 7)).unwrap();
        assert_eq!(turn(&mut far, far_port), (0, Turn::Dry(None)));
    }
    assert_eq!(turn(&mut near, near_port), (INGRESS_BUDGET, Turn::Again));
    near.device.set_ingress_budget(0);
    assert_eq!(turn(&mut near, near_port), (1, Turn::Again));
    near.device.set_ingress_budget(4);
    assert_eq!(turn(&mut near, near_port), (3, Turn::Again), "more may have come meanwhile");
    assert_eq!(turn(&mut near, near_port), (0, Turn::Dry(None)));
}

#[test]
fn what_the_application_writes_leaves_in_the_same_turn() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let (ours, theirs) = (attached(ours, ip()), attached(theirs, ip()));
    let (mut near, mut far) = (Stack::new(&ours, 1), Stack::new(&theirs, 2));
    let [near_port, far_port] = [near.add_udp(7), far.add_udp(7)];
    let Stack { device, interface, sockets, .. } = &mut near;
    let turn_of_near = device.turn(NOW, interface, sockets, |_, sockets| {
        (0..3).for_each(|_| sockets.get_mut::<udp::Socket<'_>>(near_port).send_slice(b"x", (address(2), 7)).unwrap());
    });
    assert_eq!(turn_of_near, Turn::Dry(None));
    assert_eq!(turn(&mut far, far_port).0, 3);
}

#[test]
fn frame_that_is_held_back_is_waited_for() {
    let link = wire::<2>();
    let (ours, theirs) = link.ends();
    let (ours, theirs) = (attached(ours, ip()), attached(theirs, ip()));
    let (mut near, mut far) = (Stack::new(&ours, 1), Stack::new(&theirs, 2));
    let [near_port, far_port] = [near.add_udp(7), far.add_udp(7)];
    (0..5).for_each(|_| near.udp(near_port).send_slice(b"x", (address(2), 7)).unwrap());
    assert_eq!(turn(&mut near, near_port), (0, Turn::Dry(None)), "smoltcp has more to send, but there is no room");
    near.device.wait(Some(Duration::ZERO));
    assert_eq!(near.device.counters().tx.waits, 1, "for room");
    let arrived: usize = (0..3).map(|_| (turn(&mut far, far_port).0, turn(&mut near, near_port)).0).sum();
    assert_eq!(arrived, 5);
    assert_eq!(near.device.counters().tx.refused_total(), 0);
}

#[test]
fn timeout_is_that_of_smoltcp() {
    let link = wire::<8>();
    let (ours, _theirs) = link.ends();
    let ours = attached(ours, ip());
    let mut near = Stack::new(&ours, 1);
    let handle = near.add_tcp();
    let Stack { device, interface, sockets, .. } = &mut near;
    let turn = device.turn(NOW, interface, sockets, |interface, sockets| {
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(interface.context(), (address(2), 80), 49152).unwrap();
    });
    let Turn::Dry(Some(timeout)) = turn else { panic!("a timer is set: {turn:?}") };
    assert_eq!(Some(timeout), interface.poll_delay(NOW, sockets).map(Into::into), "until the segment is sent again");
    assert!(!timeout.is_zero());
}

#[test]
fn end_is_told() {
    let link = wire::<8>();
    let (ours, theirs) = link.ends();
    let ours = attached(ours, ip());
    let mut near = Stack::new(&ours, 1);
    let port = near.add_udp(7);
    drop(theirs.split());
    assert_eq!(turn(&mut near, port), (0, Turn::Ended));
}

/// A turn in which a socket is read, and how many datagrams it had.
fn turn<IO: RawIo, const N: usize>(stack: &mut Stack<'_, IO, N>, port: SocketHandle) -> (usize, Turn) {
    let Stack { device, interface, sockets, .. } = stack;
    let mut got = 0;
    let turn = device.turn(NOW, interface, sockets, |_, sockets| {
        while sockets.get_mut::<udp::Socket<'_>>(port).recv().is_ok() {
            got += 1;
        }
    });
    (got, turn)
}
