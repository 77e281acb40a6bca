//! The endpoint over in-memory channels: what it promises to the stack above it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod accounting;
mod attaching;
mod coalescing;
mod configuring;
mod counting;
mod ending;
mod failing;
mod finishing;
mod healing;
mod host_frames;
mod injecting;
mod muxing;
mod ordering;
mod receiving;
mod recorder;
mod refusing;
mod restoring;
mod resuming;
mod scripted;
mod segmenting;
mod stream;
mod super_frame;
mod waiting;
mod waking;
mod wrapping;
mod writing;

use fdlink_core::LinkAddress;

/// The address of the endpoint under test.
const OWN: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 1]);

/// The address of somebody else.
const OTHER: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);

/// An in-memory link that is wide enough for an MTU of 1,500.
type Link = fdlink_mock::Link<16, 1514>;
