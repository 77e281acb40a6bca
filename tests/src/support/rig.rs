use std::fmt::Debug;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use fdlink_core::io::RawIo;
use fdlink_core::{Endpoint, LinkEndpoint, NetworkDispatcher, Options, Packet, Queue, Written};
use fdlink_linux::{DispatchMode, FdEndpoint, FdIo, FdOptions, Runner, endpoint};

use super::{OWN, PEER, Pair, TEST_PROTOCOL, datagram, seqpacket};

/// The modes of a socket.
pub const MODES: [DispatchMode; 2] = [DispatchMode::Readv, DispatchMode::RecvMmsg];

/// The kinds of socket pairs.
pub const PAIRS: [fn() -> Pair; 2] = [seqpacket, datagram];

/// The threads of an endpoint over owned descriptors.
pub type FdRunner = Runner<FdIo, Vec<Queue<FdIo>>>;

/// Options of the endpoint under test: Ethernet, at [`OWN`].
#[must_use]
pub fn plain() -> Options {
    Options { address: OWN, ..Options::default() }
}

/// Options of a descriptor that is received from in `mode`.
#[must_use]
pub fn in_mode(mode: DispatchMode) -> FdOptions {
    FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() }
}

/// An attached endpoint over one descriptor, driven by the test itself.
///
/// # Panics
///
/// If it cannot be made.
#[track_caller]
pub fn attach_in<F: AsFd>(mode: DispatchMode, fd: F, options: Options) -> FdEndpoint<F> {
    let endpoint = endpoint([fd], options, &in_mode(mode)).expect("an endpoint");
    endpoint.attach().expect("attach");
    endpoint
}

/// An attached endpoint over one descriptor with a thread that receives.
///
/// # Panics
///
/// If it cannot be made.
#[track_caller]
pub fn attach<D>(mode: DispatchMode, fd: OwnedFd, options: Options, dispatcher: &D) -> FdRunner
where
    D: NetworkDispatcher + Clone + Send + 'static,
{
    let endpoint = endpoint([fd], options, &in_mode(mode)).expect("an endpoint");
    Runner::attach(Arc::new(endpoint), |_| dispatcher.clone()).expect("attach")
}

/// Writes one packet to [`PEER`] for each payload, in one call.
///
/// # Panics
///
/// If the endpoint does not try.
#[track_caller]
pub fn write(endpoint: &dyn LinkEndpoint, payloads: &[Vec<u8>]) -> Written {
    let parts: Vec<[&[u8]; 1]> = payloads.iter().map(|payload| [payload.as_slice()]).collect();
    let mut packets: Vec<_> = parts.iter().map(|parts| Packet::new(TEST_PROTOCOL, parts).to(PEER)).collect();
    endpoint.write_packets(&mut packets).expect("attached")
}

/// Polls queue 0 until nothing more is there, and returns how many frames were taken.
///
/// # Panics
///
/// If the queue ends.
#[track_caller]
pub fn drain<IO: RawIo<Error: Debug>, Q: AsRef<[Queue<IO>]>>(
    endpoint: &Endpoint<IO, Q>,
    dispatcher: &mut impl NetworkDispatcher,
) -> usize {
    let mut receiver = endpoint.receiver(0).expect("attached");
    let mut total = 0;
    loop {
        match receiver.poll(dispatcher).expect("the queue lives") {
            0 => return total,
            taken => total += taken,
        }
    }
}
