//! An endpoint in one of the modes, with a thread for each socket.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use fdlink_core::io::VlanTag;
use fdlink_core::{DropCause, EtherType, LinkEndpoint as _, NetworkDispatcher, RxPacket};
use fdlink_linux::fanout::{FanoutGroup, FanoutMode};
use fdlink_linux::{DispatchMode, FdOptions, RingOptions, RingVersion, Runner, endpoint};
use fdlink_tests::support::{Cable, FdRunner, plain};

use crate::Delivered;
use crate::traffic::{FRAME_LIMIT, Fate, Frame, with_tag};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Readv,
    Recvmmsg,
    RingV1,
    RingV2,
    RingV3,
    RingOfTheOrigin,
    Fanout,
    FanoutOfRings,
    /// With the tags put back.
    RecvmmsgTagged,
    RingV2Tagged,
    RingV3Tagged,
}

impl Mode {
    pub(crate) const ALL: [Self; 10] = [
        Self::Readv,
        Self::Recvmmsg,
        Self::RingV1,
        Self::RingV2,
        Self::RingV3,
        Self::Fanout,
        Self::FanoutOfRings,
        Self::RecvmmsgTagged,
        Self::RingV2Tagged,
        Self::RingV3Tagged,
    ];

    fn options(self) -> FdOptions {
        let socket = |mode| FdOptions {
            dispatch_mode: Some(mode),
            reinsert_vlan_tag: self.restores_tags(),
            ..FdOptions::default()
        };
        let ring = |ring| FdOptions { ring, ..socket(DispatchMode::PacketMmap) };
        match self {
            Self::Readv => socket(DispatchMode::Readv),
            Self::Recvmmsg | Self::RecvmmsgTagged | Self::Fanout => socket(DispatchMode::RecvMmsg),
            Self::RingV1 => ring(RingOptions { version: RingVersion::V1, ..RingOptions::V2 }),
            Self::RingV2 | Self::RingV2Tagged | Self::FanoutOfRings => ring(RingOptions::V2),
            Self::RingV3 | Self::RingV3Tagged => ring(RingOptions::V3),
            Self::RingOfTheOrigin => ring(RingOptions::ORIGIN),
        }
    }

    fn sockets(self, cable: &Cable) -> Vec<OwnedFd> {
        let socket = || cable.socket_with(|socket| socket.receive_buffer(4 << 20));
        if !matches!(self, Self::Fanout | Self::FanoutOfRings) {
            return vec![socket()];
        }
        let sockets = vec![socket(), socket()];
        let group = FanoutGroup::create(&sockets[0], FanoutMode::Hash).unwrap();
        group.join(&sockets[1]).unwrap();
        sockets
    }

    /// The others have no place for the tag that the kernel takes out.
    const fn tells_tags(self) -> bool {
        matches!(self, Self::Recvmmsg | Self::RingV2 | Self::RingV3 | Self::Fanout | Self::FanoutOfRings)
    }

    const fn restores_tags(self) -> bool {
        matches!(self, Self::RecvmmsgTagged | Self::RingV2Tagged | Self::RingV3Tagged)
    }

    /// Bytes that a frame has more than without its tag.
    fn added(self, frame: &Frame) -> usize {
        if self.restores_tags() { frame.wire.len() - frame.untagged().len() } else { 0 }
    }
}

pub(crate) struct Receiver {
    mode: Mode,
    runner: FdRunner,
    recorders: Vec<Recorder>,
}

impl Receiver {
    pub(crate) fn start(mode: Mode, cable: &Cable) -> Self {
        let endpoint = Arc::new(endpoint(mode.sockets(cable), plain(), &mode.options()).unwrap());
        let recorders: Vec<_> = endpoint.queues().iter().map(|_| Recorder::default()).collect();
        let runner = Runner::attach(endpoint, |queue| recorders[queue].clone()).unwrap();
        Self { mode, runner, recorders }
    }

    pub(crate) fn received(&self) -> usize {
        self.runner.endpoint().counters().rx.received
    }

    /// It delivered what it should, in order, and dropped the rest by the right cause.
    #[track_caller]
    pub(crate) fn check(self, seed: u64, sent: &[Frame], expected: &Delivered) {
        let endpoint = Arc::clone(self.runner.endpoint());
        self.runner.stop().unwrap();
        let (mode, rx) = (format!("{:?}, seed {seed:#x}", self.mode), endpoint.counters().rx);
        assert!(endpoint.queues().iter().all(|queue| queue.counters().rx.is_balanced()), "{mode}: {rx:?}");
        assert_eq!(rx.received, sent.len(), "{mode}");
        assert_eq!(rx.drops, drops(sent), "{mode}: by cause");
        assert_eq!(
            rx.received_bytes,
            sent.iter().map(|frame| kept(frame) + self.mode.added(frame)).sum::<usize>(),
            "{mode}: bytes"
        );
        assert_eq!(rx.truncated_bytes, truncated_bytes(sent, self.mode), "{mode}: bytes that were cut");
        assert!(self.recorders.iter().all(|recorder| recorder.count() > 0), "{mode}: a socket of the group idles");
        assert_same(self.mode, seed, &union(&self.recorders), expected);
    }
}

/// What all sockets delivered. A flow that came by several of them is out of order here.
fn union(recorders: &[Recorder]) -> Delivered {
    let mut union = Delivered::new();
    for (source, frames) in recorders.iter().flat_map(Recorder::take) {
        union.entry(source).or_default().extend(frames);
    }
    union
}

#[track_caller]
fn assert_same(mode: Mode, seed: u64, delivered: &Delivered, expected: &Delivered) {
    assert!(delivered.keys().eq(expected.keys()), "{mode:?}, seed {seed:#x}: other flows");
    for (flow, frames) in expected {
        let delivered = &delivered[flow];
        let frames = &frames.iter().map(|(bytes, tag)| on_arrival(mode, bytes, *tag)).collect::<Vec<_>>();
        let bytes = |frames: &[(Vec<u8>, _)]| frames.iter().map(|(bytes, _)| bytes.clone()).collect::<Vec<_>>();
        assert_eq!(delivered.len(), frames.len(), "{mode:?}, seed {seed:#x}: flow {flow:?}");
        assert!(
            bytes(delivered) == bytes(frames),
            "{mode:?}, seed {seed:#x}: flow {flow:?} has other frames, or another order"
        );
        let tags = |frames: &[(_, Option<VlanTag>)]| frames.iter().map(|(_, tag)| *tag).collect::<Vec<_>>();
        assert_eq!(tags(delivered), tags(frames), "{mode:?}, seed {seed:#x}: flow {flow:?}");
    }
}

/// The tag is beside the frame, in it, or lost.
fn on_arrival(mode: Mode, untagged: &[u8], tag: Option<VlanTag>) -> (Vec<u8>, Option<VlanTag>) {
    match tag {
        Some(tag) if mode.restores_tags() => (with_tag(untagged, tag), None),
        tag => (untagged.to_vec(), tag.filter(|_| mode.tells_tags())),
    }
}

fn drops(sent: &[Frame]) -> [usize; DropCause::ALL.len()] {
    DropCause::ALL.map(|cause| match cause {
        DropCause::ForeignAddress => sent.iter().filter(|frame| frame.fate() == Fate::Foreign).count(),
        DropCause::Truncated => sent.iter().filter(|frame| frame.fate() == Fate::Truncated).count(),
        _ => 0,
    })
}

fn kept(frame: &Frame) -> usize {
    frame.untagged().len().min(FRAME_LIMIT)
}

fn truncated_bytes(sent: &[Frame], mode: Mode) -> usize {
    let truncated = sent.iter().filter(|frame| frame.fate() == Fate::Truncated);
    truncated.map(|frame| frame.untagged().len() + mode.added(frame)).sum()
}

/// Keeps frames by source address, in order. Clones keep them in the same place.
#[derive(Debug, Clone, Default)]
struct Recorder(Arc<Mutex<Delivered>>);

impl Recorder {
    fn count(&self) -> usize {
        self.0.lock().unwrap().values().map(Vec::len).sum()
    }

    fn take(&self) -> Delivered {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl NetworkDispatcher for Recorder {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let source = packet.link_header()[6..12].try_into().unwrap();
        let frame = (packet.frame().to_vec(), packet.meta().vlan);
        self.0.lock().unwrap().entry(source).or_default().push(frame);
    }
}
