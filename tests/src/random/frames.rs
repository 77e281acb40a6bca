use fdlink_core::wire::ethernet::HEADER_LEN;
use fdlink_core::{DropCause, EtherType, LinkAddress, Options};

use super::Dice;
use crate::support::{OWN, PEER, STRANGER};

/// A length up to `most`. Short lengths and those next to a limit come often.
pub fn length(dice: &mut Dice, limit: usize, most: usize) -> usize {
    let len = match dice.within(0..=3) {
        0 => dice.within(0..=20),
        1 => dice.within(limit.saturating_sub(2)..=limit + 2),
        _ => dice.within(0..=most),
    };
    len.min(most)
}

/// Noise, often with a destination that counts or a first byte that does.
pub fn frame(dice: &mut Dice, len: usize) -> Vec<u8> {
    let mut frame = dice.bytes(len);
    if let Some(destination) = frame.first_chunk_mut().filter(|_| dice.flip()) {
        *destination = dice.pick(&[OWN, PEER, STRANGER, LinkAddress::BROADCAST]).0;
    } else if let Some(first) = frame.first_mut().filter(|_| dice.flip()) {
        *first = dice.pick(&[0x45, 0x60, 0x00, 0xff]);
    }
    frame
}

/// Options of an endpoint whose queues carry frames of `frame_len` bytes.
pub fn options(dice: &mut Dice, frame_len: usize) -> Options {
    let ethernet_header = dice.flip();
    let header = if ethernet_header { HEADER_LEN } else { 0 };
    Options {
        ethernet_header,
        mtu: dice.within(1..=frame_len - header) as u32,
        address: if ethernet_header { OWN } else { LinkAddress::ZERO },
        promiscuous: dice.one_in(4),
        rx_budget: dice.within(1..=20),
        ..Options::default()
    }
}

/// The protocol and the payload of a frame, or why it is dropped.
///
/// # Errors
///
/// The cause.
///
/// # Panics
///
/// Never.
pub fn judge<'f>(
    frame: &'f [u8],
    options: &Options,
    own: LinkAddress,
    receive_len: usize,
) -> Result<(EtherType, &'f [u8]), DropCause> {
    if frame.len() > receive_len {
        return Err(DropCause::Truncated);
    }
    if !options.ethernet_header {
        return match frame.first().map(|first| first >> 4) {
            Some(4) => Ok((EtherType::IPV4, frame)),
            Some(6) => Ok((EtherType::IPV6, frame)),
            Some(_) => Err(DropCause::UnknownVersion),
            None => Err(DropCause::Runt),
        };
    }
    if frame.len() < HEADER_LEN {
        return Err(DropCause::Runt);
    }
    let is_ours = frame[..6] == own.0 || frame[0] & 1 == 1 || options.promiscuous;
    let protocol = EtherType(u16::from(frame[12]) << 8 | u16::from(frame[13]));
    if is_ours { Ok((protocol, &frame[HEADER_LEN..])) } else { Err(DropCause::ForeignAddress) }
}
