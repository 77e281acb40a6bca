//! Random frames, the same for the same seed.

use fdlink_core::EtherType;
use fdlink_core::io::VlanTag;
use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_tests::support::{OWN, STRANGER, TEST_PROTOCOL};

/// The longest frame that the endpoints receive whole: an MTU of 1500, an Ethernet header and a VLAN tag.
pub(crate) const FRAME_LIMIT: usize = 1518;
/// The longest packet that the interfaces pass.
pub(crate) const LONGEST_PACKET: usize = 9000;

/// One frame, as it is sent.
pub(crate) struct Frame {
    pub(crate) wire: Vec<u8>,
    pub(crate) tag: Option<VlanTag>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Delivered,
    Foreign,
    Truncated,
}

impl Frame {
    /// What an AF_PACKET socket receives: the kernel takes the tag out.
    pub(crate) fn untagged(&self) -> Vec<u8> {
        let tag_len = if self.tag.is_some() { TAG_LEN } else { 0 };
        [&self.wire[..12], &self.wire[12 + tag_len..]].concat()
    }

    /// What becomes of it in an endpoint with [`FRAME_LIMIT`] at [`OWN`].
    pub(crate) fn fate(&self) -> Fate {
        let destination = &self.wire[..6];
        match self.untagged().len() {
            FRAME_LIMIT_AND_1.. => Fate::Truncated,
            _ if destination == OWN.0 || destination[0] & 1 == 1 => Fate::Delivered,
            _ => Fate::Foreign,
        }
    }
}

/// 1 to `longest` frames; the first has this number. Jumbo frames end a burst early, so that it fits every socket buffer.
pub(crate) fn burst(dice: &mut Dice, longest: usize, first: u32) -> Vec<Frame> {
    let (mut frames, mut room) = (Vec::new(), 100_000);
    for number in 0..=dice.below(longest) {
        let frame = frame(dice, first + number as u32);
        if frame.wire.len() > room {
            break;
        }
        room -= frame.wire.len();
        frames.push(frame);
    }
    frames
}

/// A flow has one protocol and one pair of ports, told by the last byte of its source address; everything else changes.
fn frame(dice: &mut Dice, number: u32) -> Frame {
    let flow = dice.below(FLOWS) as u8;
    let destination = dice.one_of(&[OWN.0, OWN.0, OWN.0, STRANGER.0, [0xff; 6], [1, 0, 0x5e, 0, 0, 7], [0; 6]]);
    let tag = (dice.below(4) == 0).then(|| VlanTag { tpid: 0x8100, tci: dice.below(0xfff) as u16 });
    let len = length(dice) - HEADER_LEN;
    let (protocol, packet) = if flow.is_multiple_of(4) { other(number, len) } else { udp(flow, number, len) };
    let source = [2, 0, 0, 0, 7, flow];
    let untagged = [&destination[..], &source, &protocol.0.to_be_bytes(), &packet].concat();
    Frame { wire: tag.map_or_else(|| untagged.clone(), |tag| with_tag(&untagged, tag)), tag }
}

pub(crate) fn with_tag(untagged: &[u8], tag: VlanTag) -> Vec<u8> {
    [&untagged[..12], &tag.tpid.to_be_bytes(), &tag.tci.to_be_bytes(), &untagged[12..]].concat()
}

/// Of the frame without its tag: mostly short, often right at the limit, now and then far above.
fn length(dice: &mut Dice) -> usize {
    match dice.below(8) {
        0 => FRAME_LIMIT - 1 + dice.below(3),
        1 => FRAME_LIMIT + dice.below(HEADER_LEN + LONGEST_PACKET - FRAME_LIMIT + 1),
        2 | 3 => SHORTEST + dice.below(FRAME_LIMIT - SHORTEST),
        _ => SHORTEST + dice.below(100),
    }
}

fn other(number: u32, len: usize) -> (EtherType, Vec<u8>) {
    (TEST_PROTOCOL, filled(number, len))
}

/// UDP over IPv4, from a port of the flow.
fn udp(flow: u8, number: u32, len: usize) -> (EtherType, Vec<u8>) {
    let ([l0, l1], [u0, u1]) = ((len as u16).to_be_bytes(), ((len - 20) as u16).to_be_bytes());
    let ip = [0x45, 0, l0, l1, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
    let udp = [0x40, flow, 0, 7, u0, u1, 0, 0];
    (EtherType::IPV4, [&ip[..], &udp, &filled(number, len - ip.len() - udp.len())].concat())
}

/// No two are the same.
fn filled(number: u32, len: usize) -> Vec<u8> {
    let fill = (4..len).map(|at| (at as u32).wrapping_mul(number | 1).to_be_bytes()[2]);
    number.to_be_bytes().into_iter().chain(fill).collect()
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators").
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

const FRAME_LIMIT_AND_1: usize = FRAME_LIMIT + 1;
/// Room for the headers and the number.
const SHORTEST: usize = 60;
const TAG_LEN: usize = 4;
const FLOWS: usize = 24;
