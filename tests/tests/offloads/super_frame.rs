//! Random super-frames, with everything in their headers that the kernel cuts.

use fdlink_core::wire::layers::IpVersion;
use fdlink_core::{ChecksumState, Gso, GsoType, Offload};
use fdlink_tests::random::Dice;
use fdlink_tests::support::{OWN, PEER};

/// A frame with what is left to do to it.
#[derive(Debug)]
pub(crate) struct SuperFrame {
    pub(crate) bytes: Vec<u8>,
    pub(crate) offload: Offload,
    /// Where the bytes are cut into parts, in order.
    pub(crate) cuts: Vec<usize>,
}

impl SuperFrame {
    pub(crate) fn random(dice: &mut Dice) -> Self {
        let version = dice.pick(&[IpVersion::V4, IpVersion::V6]);
        let is_tcp = dice.flip();
        let transport = if is_tcp { tcp(dice) } else { udp(dice) };
        let link = link(dice, version);
        let network = network(dice, version, is_tcp);
        let headers_len = network.len() + transport.len();
        let size = dice.within(20..=LONGEST - (link.len() - 14) - headers_len);
        let payload_len = payload_len(dice, size);
        let mut bytes = [link.clone(), network.clone(), transport, dice.bytes(payload_len)].concat();
        if !is_tcp {
            let len = (8 + payload_len) as u16;
            bytes[link.len() + network.len() + 4..][..2].copy_from_slice(&len.to_be_bytes());
        }
        let gso_type = match (version, is_tcp) {
            (_, false) => GsoType::UdpL4,
            (IpVersion::V4, true) => GsoType::TcpV4,
            (IpVersion::V6, true) => GsoType::TcpV6,
        };
        let start = (link.len() - 14 + network.len()) as u16;
        let checksum = ChecksumState::Partial { start, offset: if is_tcp { 16 } else { 6 } };
        let mut cuts: Vec<_> = (0..dice.within(0..=4)).map(|_| dice.within(0..=bytes.len())).collect();
        cuts.sort_unstable();
        Self { offload: Offload { checksum, gso: Some(Gso { gso_type, size: size as u16, ecn: false }) }, bytes, cuts }
    }

    /// TCP over IPv4, as simple as it can be.
    pub(crate) fn tcp(payload_len: usize, size: u16) -> Self {
        let ip = [0x45, 0, 0, 0, 0, 7, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let tcp = [0, 9, 0, 80, 0, 0, 0, 0, 0, 0, 0, 9, 0x50, 0x18, 1, 0, 0x12, 0x34, 0, 0];
        let payload = (0..payload_len).map(|at| (at * 31 + (at >> 8)) as u8).collect();
        let checksum = ChecksumState::Partial { start: 20, offset: 16 };
        Self {
            bytes: [[&PEER.0[..], &OWN.0, &[8, 0]].concat(), ip.to_vec(), tcp.to_vec(), payload].concat(),
            offload: Offload { checksum, gso: Some(Gso { gso_type: GsoType::TcpV4, size, ecn: false }) },
            cuts: Vec::new(),
        }
    }

    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        let starts = [0].into_iter().chain(self.cuts.iter().copied());
        let ends = self.cuts.iter().copied().chain([self.bytes.len()]);
        starts.zip(ends).map(|(start, end)| &self.bytes[start..end]).collect()
    }
}

/// From [`OWN`] to a station that is none of the kernel's, with up to two VLAN tags.
fn link(dice: &mut Dice, version: IpVersion) -> Vec<u8> {
    let tags = (0..dice.pick(&[0, 0, 0, 1, 2])).flat_map(|at| [[0x81, 0, 0, 5 + at]]).collect::<Vec<_>>().concat();
    let ether_type = if version == IpVersion::V4 { [8, 0] } else { [0x86, 0xdd] };
    [&PEER.0[..], &OWN.0, &tags, &ether_type].concat()
}

fn network(dice: &mut Dice, version: IpVersion, is_tcp: bool) -> Vec<u8> {
    let protocol = if is_tcp { 6 } else { 17 };
    match version {
        IpVersion::V4 => {
            let options = dice.pick(&[0, 0, 4, 12, 40]);
            let mut header = dice.bytes(20 + options);
            header[0] = 0x45 + options as u8 / 4;
            // Not a fragment.
            header[6..10].copy_from_slice(&[dice.pick(&[0, 0x40]), 0, 64, protocol]);
            header
        }
        IpVersion::V6 => ipv6(dice, protocol),
    }
}

fn ipv6(dice: &mut Dice, protocol: u8) -> Vec<u8> {
    let extensions = dice.pick(&[&[][..], &[], &[0], &[60], &[0, 60], &[43], &[0, 43, 60]]);
    let mut header = dice.bytes(40);
    header[0] = 0x60 | header[0] & 0xf;
    header[6] = extensions.first().copied().unwrap_or(protocol);
    for at in 0..extensions.len() {
        let len = dice.within(0..=1);
        let start = header.len();
        header.extend(dice.bytes(8 * (len + 1)));
        header[start] = extensions.get(at + 1).copied().unwrap_or(protocol);
        header[start + 1] = len as u8;
    }
    header
}

/// Any flags and any options, the sum of some pseudo-header in the checksum's place.
fn tcp(dice: &mut Dice) -> Vec<u8> {
    let options = dice.pick(&[0, 0, 12, 20, 40]);
    let mut header = dice.bytes(20 + options);
    header[12] = (5 + options as u8 / 4) << 4;
    header
}

fn udp(dice: &mut Dice) -> Vec<u8> {
    dice.bytes(8)
}

/// Often next to a multiple of the size.
fn payload_len(dice: &mut Dice, size: usize) -> usize {
    let most = (60_000 / size).min(30);
    let len = dice.within(1..=most) * size;
    match dice.within(0..=2) {
        0 => len,
        1 => len - dice.within(0..=size - 1).min(len - 1),
        _ => len + 1,
    }
}

/// The MTU.
const LONGEST: usize = 1500;
