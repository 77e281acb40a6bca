use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

/// How a segment passes frames on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// To every other port. With two ports it is a cable.
    Hub,
    /// To the port where the destination address was seen as a source, to every other port if it was not (IEEE 802.1D bridging).
    Switch,
}

/// What the wires of a segment are like, from each port to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// From the last bit sent to the frame's arrival.
    pub latency: Duration,
    /// None: frames take no time to send.
    pub bits_per_second: Option<u64>,
    /// Frames on their way to one port; what comes above is lost. Unix sockets have no such queue.
    pub queue_frames: usize,
    /// Longest packet in bytes behind an Ethernet header. Packet sockets refuse longer ones, TAP and TUN interfaces lose them.
    pub mtu: usize,
}

impl Default for Wire {
    /// Instant, with room for 1000 frames of 1500 bytes.
    fn default() -> Self {
        Self { latency: Duration::ZERO, bits_per_second: None, queue_frames: 1000, mtu: 1500 }
    }
}

impl Wire {
    /// How long `len` bytes take to send.
    pub(super) fn time_to_send(&self, len: usize) -> Duration {
        let nanoseconds = |rate: u64| (len as u64).saturating_mul(8_000_000_000) / rate.max(1);
        self.bits_per_second.map_or(Duration::ZERO, |rate| Duration::from_nanos(nanoseconds(rate)))
    }
}

/// Names a segment of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentId(pub(super) usize);

#[derive(Debug)]
pub(super) struct Segment {
    pub(super) wire: Wire,
    topology: Topology,
    ports: Vec<usize>,
    /// Where a switch saw an address last.
    learned: BTreeMap<[u8; 6], usize>,
}

impl Segment {
    pub(super) const fn new(topology: Topology, wire: Wire) -> Self {
        Self { wire, topology, ports: Vec::new(), learned: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, port: usize) {
        self.ports.push(port);
    }

    /// The first other port: the peer, on a cable.
    pub(super) fn peer(&self, port: usize) -> Option<usize> {
        self.ports.iter().copied().find(|other| *other != port)
    }

    /// Where a frame from `from` goes.
    pub(super) fn targets(&mut self, from: usize, frame: &[u8]) -> Vec<usize> {
        let learned = if self.topology == Topology::Switch { self.learn(from, frame) } else { None };
        match learned {
            Some(port) if port == from => Vec::new(),
            Some(port) => Vec::from([port]),
            None => self.ports.iter().copied().filter(|port| *port != from).collect(),
        }
    }

    fn learn(&mut self, from: usize, frame: &[u8]) -> Option<usize> {
        let (destination, rest) = frame.split_first_chunk::<6>()?;
        let source = *rest.first_chunk::<6>()?;
        if source.first().is_some_and(|first| first & 1 == 0) {
            self.learned.insert(source, from);
        }
        self.learned.get(destination).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(destination: u8, source: u8) -> [u8; 14] {
        [2, 0, 0, 0, 0, destination, 2, 0, 0, 0, 0, source, 8, 0]
    }

    #[test]
    fn switch_learns_and_floods() {
        let mut segment = Segment::new(Topology::Switch, Wire::default());
        (0..3).for_each(|port| segment.add(port));
        assert_eq!(segment.targets(0, &frame(2, 1)), [1, 2], "nobody knows 2");
        assert_eq!(segment.targets(1, &frame(1, 2)), [0]);
        assert_eq!(segment.targets(0, &frame(2, 1)), [1]);
        assert_eq!(segment.targets(0, &frame(1, 1)), [], "to itself");
        assert_eq!(segment.targets(2, &[0xff; 14]), [0, 1], "a group is never learned");
        assert_eq!(segment.targets(2, &[2; 7]), [0, 1], "too short to tell");
    }

    #[test]
    fn bandwidth_is_in_bits() {
        let wire = Wire { bits_per_second: Some(8_000), ..Wire::default() };
        assert_eq!(wire.time_to_send(250), Duration::from_millis(250));
        assert_eq!(Wire::default().time_to_send(250), Duration::ZERO);
    }
}
