//! Frames with a virtio-net header, sound ones and wrong ones, through an endpoint: each is delivered with what is left to do to it, or
//! counted under its cause; what the options ask for is done.

use fdlink_core::io::{Offloads, RawIo as _, TxFrame, TxQueue as _};
use fdlink_core::wire::vnet::{ByteOrder, DATA_VALID, LEN, NEEDS_CSUM, VirtioNetHdr};
use fdlink_core::{
    ChecksumState, DropCause, Endpoint, EtherType, LinkAddress, LinkEndpoint as _, NetworkDispatcher, Offload, Options,
    Queue, RxPacket,
};
use fdlink_mock::Link;

use super::segments::Draft;
use super::wire::WithHeader;
use super::{Outcome, scale};
use crate::random::{Dice, judge};
use crate::support::OWN;

pub(super) fn case(dice: &mut Dice) -> Outcome {
    let options = options(dice);
    let frames: Vec<_> = (0..dice.within(1..=SLOTS)).map(|_| Frame::new(dice, &options)).collect();
    let link = Box::new(Link::<SLOTS, LONGEST>::new());
    let (near, far) = link.ends();
    let endpoint = Endpoint::new([Queue::new(WithHeader { io: near, offloads: Offloads::empty() })], options)
        .expect("the options are good");
    endpoint.attach().expect("it is new");
    let far = far.split();
    let mut kept = Kept::default();
    for frame in &frames {
        assert_eq!(far.tx.send(&[TxFrame { header: &frame.vnet, parts: &[&frame.bytes] }]).ok(), Some(1));
    }
    let mut receiver = endpoint.receiver(0).expect("it is attached");
    while receiver.poll(&mut kept).expect("the other end lives") > 0 {}
    drop(receiver);
    check(&frames, &kept.0, &options);
    let rx = endpoint.counters().rx;
    assert!(rx.is_balanced() && rx.received == frames.len(), "{rx:?}");
    let misled = frames.iter().filter(|frame| frame.is_misled(&options)).count();
    let refused = rx.drops[DropCause::VnetHeader as usize];
    assert!(refused == misled || (options.rx_split && refused > misled), "{refused}, {misled}");
    let drops: Vec<_> = DropCause::ALL.into_iter().filter(|cause| rx.drops[*cause as usize] > 0).collect();
    Outcome {
        kind: format!("{} split {} {drops:?}", asked(&options), scale(rx.split) / 4),
        size: frames.iter().map(|frame| frame.bytes.len()).sum(),
    }
}

fn options(dice: &mut Dice) -> Options {
    let ethernet_header = !dice.one_in(3);
    let rx_split = dice.one_in(3);
    Options {
        ethernet_header,
        address: if ethernet_header { OWN } else { LinkAddress::ZERO },
        mtu: 1000,
        rx_split,
        gro: !rx_split && dice.one_in(3),
        complete_checksums: dice.flip(),
        rx_checksum_offload: dice.flip(),
        ..Options::default()
    }
}

fn asked(options: &Options) -> String {
    let words = [
        (options.ethernet_header, "ethernet"),
        (options.rx_split, "rx_split"),
        (options.gro, "gro"),
        (options.complete_checksums, "complete"),
        (options.rx_checksum_offload, "verify"),
    ];
    words.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| *word).collect::<Vec<_>>().join(",")
}

/// What is sent towards the endpoint.
struct Frame {
    vnet: [u8; LEN],
    bytes: Vec<u8>,
}

impl Frame {
    /// A sound super-frame, in which some bytes may be wrong, behind a header in which a field may be.
    fn new(dice: &mut Dice, options: &Options) -> Self {
        let mut draft = Draft::new(dice, if options.ethernet_header { 14 } else { 0 }, LONGEST - 300);
        if options.ethernet_header {
            draft.frame[..6].copy_from_slice(&if dice.one_in(10) { [2; 6] } else { OWN.0 });
        }
        let mut vnet = draft.vnet();
        if dice.flip() {
            vnet.flags = dice.pick(&[0, NEEDS_CSUM, DATA_VALID, 0xff]);
            vnet.gso_type = dice.pick(&[0, 1, 3, 4, 5, 0x81, 0x85]);
        }
        if dice.one_in(4) {
            [vnet.gso_size, vnet.csum_start, vnet.csum_offset] =
                [dice.number(), dice.number(), dice.number()].map(|noise| (noise >> (16 + noise % 48)) as u16);
        }
        if dice.one_in(4) {
            draft.frame.truncate(dice.within(0..=draft.frame.len()));
        }
        for _ in 0..if dice.one_in(4) { draft.frame.len().min(3) } else { 0 } {
            let at = dice.within(0..=draft.frame.len().min(60) - 1);
            draft.frame[at] = dice.number() as u8;
        }
        Self { vnet: vnet.encode(ByteOrder::Native), bytes: draft.frame }
    }

    /// What is delivered of it where no option changes it.
    fn expected(&self, options: &Options) -> Option<Delivered> {
        let (protocol, payload) = judge(&self.bytes, options, options.address, LONGEST).ok()?;
        let vnet = VirtioNetHdr::decode(&self.vnet, ByteOrder::Native)?;
        let offload = vnet.offload(&self.bytes, self.bytes.len() - payload.len()).ok()?;
        Some(Delivered { protocol, frame: self.bytes.clone(), network: self.bytes.len() - payload.len(), offload })
    }

    /// It is for us, and its header asks for what cannot be done.
    fn is_misled(&self, options: &Options) -> bool {
        judge(&self.bytes, options, options.address, LONGEST).is_ok() && self.expected(options).is_none()
    }
}

fn check(frames: &[Frame], delivered: &[Delivered], options: &Options) {
    if !(options.rx_split || options.gro || options.complete_checksums || options.rx_checksum_offload) {
        let expected: Vec<_> = frames.iter().filter_map(|frame| frame.expected(options)).collect();
        assert_eq!(delivered, expected);
    }
    for packet in delivered {
        let Offload { checksum, gso } = packet.offload;
        assert!(gso.is_none() || !options.rx_split);
        if let ChecksumState::Partial { start, offset } = checksum {
            assert!(packet.network + usize::from(start) + usize::from(offset) + 2 <= packet.frame.len());
            assert!(gso.is_some() || !options.complete_checksums);
        }
    }
}

/// What the network layer got.
#[derive(Default)]
struct Kept(Vec<Delivered>);

#[derive(Debug, PartialEq, Eq)]
struct Delivered {
    protocol: EtherType,
    frame: Vec<u8>,
    network: usize,
    offload: Offload,
}

impl NetworkDispatcher for Kept {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        let (network, offload) = (packet.link_header().len(), packet.offload());
        let frame = packet.parts().concat();
        assert_eq!(frame.len(), packet.meta().len);
        self.0.push(Delivered { protocol, frame, network, offload });
    }
}

const SLOTS: usize = 12;
const LONGEST: usize = 2000;
