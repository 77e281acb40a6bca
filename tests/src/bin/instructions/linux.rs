//! The core and `fdlink-linux` together, over a socket pair; what the kernel does is not counted.

use std::os::fd::OwnedFd;

use fdlink_core::{BATCH_SIZE, EtherType, LinkEndpoint as _, Options, Packet};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{OWN, PEER, to_own};
use rustix::io::read;
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::receive::Ignore;
use crate::{Job, counted};

pub(crate) fn readv() -> Job {
    polling(DispatchMode::Readv)
}

pub(crate) fn recvmmsg() -> Job {
    polling(DispatchMode::RecvMmsg)
}

pub(crate) fn sendmmsg() -> Job {
    writing(BATCH)
}

pub(crate) fn sendmmsg_of_one() -> Job {
    writing(1)
}

fn polling(mode: DispatchMode) -> Job {
    let (endpoint, far) = pair(mode);
    let endpoint = Box::leak(Box::new(endpoint));
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    let frame = to_own(&[0x45; 50]);
    Box::new(move || {
        for _ in 0..BATCH {
            send(&far, &frame, SendFlags::DONTWAIT).expect("there is room");
        }
        let mut left = BATCH;
        while left > 0 {
            left -= counted(|| receiver.poll(&mut Ignore)).expect("nothing goes wrong");
        }
    })
}

fn writing(packets: usize) -> Job {
    let (endpoint, far) = pair(DispatchMode::Readv);
    let packets = vec![Packet::new(EtherType::IPV4, PARTS).to(PEER); packets];
    Box::new(move || {
        let mut packets = packets.clone();
        let written = counted(|| endpoint.write_packets(&mut packets)).expect("it is attached");
        assert_eq!(written.sent, packets.len());
        for _ in 0..packets.len() {
            read(&far, &mut [0; 128]).expect("they are there");
        }
    })
}

fn pair(mode: DispatchMode) -> (FdEndpoint, OwnedFd) {
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .expect("descriptors are free");
    let options = Options { address: OWN, ..Options::default() };
    let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
    let endpoint = endpoint([near], options, &fd_options).expect("the options are good");
    endpoint.attach().expect("it is new");
    (endpoint, far)
}

pub(crate) const BATCH: usize = BATCH_SIZE;

const PARTS: &[&[u8]] = &[&[0x45; 50]];
