//! The smoltcp device over the in-memory link: the rules of its tokens, and whole stacks against each other.

#![cfg(feature = "smoltcp")]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod checksums;
mod datagrams;
mod faulty;
mod merging;
mod stacks;
mod tokens;
mod turns;

use fdlink_core::io::RawIo;
use fdlink_core::{Endpoint, LinkAddress, LinkEndpoint, Options, Queue};
use fdlink_mock::{End, Link};
use smoltcp::time::Instant;

/// Frames of up to 2048 bytes, received whole up to 1514.
type Wire<const FRAMES: usize> = Link<FRAMES, 2048>;
type WireEnd<'l, const FRAMES: usize> = End<'l, FRAMES, 2048>;

fn wire<const FRAMES: usize>() -> Wire<FRAMES> {
    Link::new().with_receive_len(1514)
}

fn ethernet(address: LinkAddress) -> Options {
    Options { address, ..Options::default() }
}

fn ip() -> Options {
    Options { ethernet_header: false, ..Options::default() }
}

fn attached<IO: RawIo>(io: IO, options: Options) -> Endpoint<IO> {
    let endpoint = Endpoint::new([Queue::new(io)], options).unwrap();
    endpoint.attach().unwrap();
    endpoint
}

const NOW: Instant = Instant::ZERO;
const OURS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);
const THEIRS: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
