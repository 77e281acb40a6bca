//! What the senders have in common: the frames, and fdlink's side.

use std::error::Error;
use std::io::IoSlice;
use std::os::fd::AsFd;

use fdlink_core::wire::ethernet::{EthernetHeader, HEADER_LEN};
use fdlink_core::{BATCH_SIZE, EtherType, LinkAddress, LinkEndpoint, Options, Packet};
use fdlink_linux::{FdOptions, endpoint};
use fdlink_tests::support::{OWN, PEER};

use crate::program::{Cost, StepResult};

/// Ethernet, at [`OWN`].
pub(crate) fn options() -> Options {
    Options { address: OWN, ..Options::default() }
}

/// A frame to [`OWN`], for receivers.
pub(crate) fn frame(size: usize) -> Vec<u8> {
    framed(OWN, PEER, size)
}

/// As many frames as go in one batch, each in memory of its own, header and payload to be had apart. They are for nobody: the kernel
/// behind the interface drops them early.
pub(crate) struct Frames(Vec<Vec<u8>>);

impl Frames {
    pub(crate) fn new(size: usize) -> Self {
        Self(vec![framed(PEER, OWN, size); BATCH_SIZE])
    }

    /// Bytes of each.
    pub(crate) fn len(&self) -> usize {
        self.0.first().map_or(0, Vec::len)
    }

    pub(crate) fn whole(&self) -> Vec<[&[u8]; 1]> {
        self.0.iter().map(|frame| [frame.as_slice()]).collect()
    }

    pub(crate) fn payloads(&self) -> Vec<[&[u8]; 1]> {
        self.0.iter().map(|frame| [frame.split_at(HEADER_LEN).1]).collect()
    }

    pub(crate) fn vectors(&self) -> Vec<[IoSlice<'_>; 2]> {
        let split = self.0.iter().map(|frame| frame.split_at(HEADER_LEN));
        split.map(|(header, payload)| [IoSlice::new(header), IoSlice::new(payload)]).collect()
    }
}

/// One packet for each list of parts, each a whole frame.
pub(crate) fn framed_packets<'p>(parts: &'p [[&'p [u8]; 1]]) -> Vec<Packet<'p>> {
    parts.iter().map(|parts| Packet::framed(parts)).collect()
}

/// One packet for each list of parts, its header to be made.
pub(crate) fn bare_packets<'p>(parts: &'p [[&'p [u8]; 1]]) -> Vec<Packet<'p>> {
    parts.iter().map(|parts| Packet::new(EtherType::IPV4, parts).to(PEER)).collect()
}

/// fdlink over `fd`, `group` packets a call: a copy of its code for each type of descriptor.
pub(crate) fn writing<'p, F: AsFd + 'p>(
    fd: F,
    mut packets: Vec<Packet<'p>>,
    group: usize,
) -> Result<impl FnMut() -> StepResult + 'p, Box<dyn Error>> {
    let endpoint = endpoint([fd], options(), &FdOptions::default())?;
    endpoint.attach()?;
    Ok(move || Cost::of(|| write(&endpoint, &mut packets, group)))
}

/// Sends each packet some times, `group` packets a call, and tells how many left and how many did not.
pub(crate) fn write(
    endpoint: &impl LinkEndpoint,
    packets: &mut [Packet<'_>],
    group: usize,
) -> Result<(usize, usize), Box<dyn Error>> {
    let (mut sent, mut failed) = (0, 0);
    for _ in 0..BATCHES_PER_STEP {
        for packets in packets.chunks_mut(group) {
            packets.iter_mut().for_each(Packet::reset);
            let written = endpoint.write_packets(packets)?;
            sent += written.sent;
            failed += written.refused + written.pending;
        }
    }
    Ok((sent, failed))
}

/// A step of a bare loop: `send` tells how many frames of a batch the system took.
pub(crate) fn send_batches(mut send: impl FnMut() -> usize) -> StepResult {
    Cost::of(|| {
        let sent = (0..BATCHES_PER_STEP).map(|_| send()).sum();
        Ok((sent, BATCHES_PER_STEP * BATCH_SIZE - sent))
    })
}

/// IPv4 with protocol UDP, to an address that nobody has.
fn framed(destination: LinkAddress, source: LinkAddress, size: usize) -> Vec<u8> {
    let header = EthernetHeader { destination, source, ether_type: EtherType::IPV4 };
    let [high, low] = u16::try_from(size - HEADER_LEN).unwrap_or(u16::MAX).to_be_bytes();
    let packet = [0x45, 0, high, low, 0, 0, 0, 0, 64, 17, 0, 0, 10, 240, 0, 1, 10, 240, 0, 2];
    let mut frame = [&header.to_bytes()[..], &packet].concat();
    frame.resize(size, 0x5a);
    frame
}

const BATCHES_PER_STEP: usize = 8;
