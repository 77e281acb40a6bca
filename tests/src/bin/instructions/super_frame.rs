use std::hint::black_box;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use fdlink_core::io::Offloads;
use fdlink_core::wire::vnet::{ByteOrder, GSO_TCPV4, LEN, NEEDS_CSUM, VirtioNetHdr};
use fdlink_core::{Endpoint, EtherType, LinkEndpoint as _, NetworkDispatcher, Options, Queue, RxPacket};
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{OWN, Segments};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};

use crate::idle::Idle;
use crate::{Job, counted};

/// Super-frames whose checksum and cutting are left undone, through the core alone.
pub(crate) fn receiving() -> Job {
    let endpoint = Endpoint::new([Queue::new(Idle::<LEN>(vec![super_frame(); BATCH]))], options());
    let endpoint = Box::leak(Box::new(endpoint.expect("the options are good")));
    endpoint.attach().expect("it is new");
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    Box::new(move || {
        let taken = counted(|| receiver.poll(&mut Forget)).expect("nothing goes wrong");
        assert_eq!(taken, BATCH);
    })
}

/// The same by `recv(2)` from a socket pair.
pub(crate) fn readv() -> Job {
    let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .expect("descriptors are free");
    let offloads = Offloads::CSUM | Offloads::TSO4;
    let mode = Some(DispatchMode::Readv);
    let fd_options = FdOptions { dispatch_mode: mode, batch: Some(BATCH), offloads, ..FdOptions::default() };
    // A type of its own, so that it has its own copy of the code, as in a program of its own.
    let near = Arc::new(near);
    let endpoint: FdEndpoint<Arc<OwnedFd>> = endpoint([near], options(), &fd_options).expect("the options are good");
    endpoint.attach().expect("it is new");
    let endpoint = Box::leak(Box::new(endpoint));
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    let frame = super_frame();
    Box::new(move || {
        for _ in 0..BATCH {
            send(&far, &frame, SendFlags::DONTWAIT).expect("there is room");
        }
        let taken = counted(|| receiver.poll(&mut Forget)).expect("nothing goes wrong");
        assert_eq!(taken, BATCH);
    })
}

/// A dispatcher that looks at what is left to do. Not inlined: a stack is not, either.
struct Forget;

impl NetworkDispatcher for Forget {
    #[inline(never)]
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        black_box((protocol, packet.payload(), packet.offload()));
    }
}

fn options() -> Options {
    Options { address: OWN, ..Options::default() }
}

/// Two segments: how many there are makes no difference.
fn super_frame() -> Vec<u8> {
    let header = VirtioNetHdr {
        flags: NEEDS_CSUM,
        gso_type: GSO_TCPV4,
        hdr_len: 54,
        gso_size: 600,
        csum_start: 34,
        csum_offset: 16,
    };
    [&header.encode::<LEN>(ByteOrder::Native)[..], &Segments::tcp(1).next(&[0x45; 1200], 0)].concat()
}

/// As many as are received at a time where they are 64 KiB long.
pub(crate) const BATCH: usize = 2;
