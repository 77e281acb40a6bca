//! Whatever comes and goes: every frame is delivered as it was sent or counted under its cause, in order, and ends are told once.

use std::collections::VecDeque;
use std::mem::take;

use crate::support::{OWN, PEER};
use fdlink_core::io::{ErrorKind, IoError as _, RawIo as _};
use fdlink_core::{
    DropCause, Ended, Endpoint, EtherType, LinkAddress, LinkEndpoint, LinkEvent, NetworkDispatcher, Options, Queue,
    RxPacket, State, StateError,
};

use super::wire::{FarEnd, LONGEST, NearEnd, Wire};
use super::{Outcome, scale};
use crate::random::Dice;
use crate::random::{frame, judge, length, options};

pub(super) fn case(dice: &mut Dice) -> Outcome {
    let receive_len = dice.within(20..=LONGEST);
    let link = Wire::<SLOTS>::new().with_receive_len(receive_len);
    let (near, far) = link.ends();
    let options = options(dice, receive_len);
    let endpoint = Endpoint::new([Queue::new(near)], options).expect("the options are good");
    let mut life = Life {
        endpoint,
        far: Some(FarEnd::new(far.split())),
        queued: VecDeque::new(),
        own: options.address,
        model: Model { options, receive_len, drops: [0; DropCause::ALL.len()], delivered: 0 },
        seen: Seen::default(),
    };
    for _ in 0..dice.within(1..=6) {
        life.attachment(dice);
    }
    let rx = life.endpoint.counters().rx;
    let has_link_header = options.ethernet_header;
    let drops: Vec<_> = DropCause::ALL.into_iter().filter(|cause| rx.drops[*cause as usize] > 0).collect();
    let size = rx.received_bytes;
    let ending = life.end(dice);
    Outcome {
        kind: format!("link header {has_link_header} delivered {} {drops:?} {ending}", scale(rx.delivered) / 2),
        size,
    }
}

/// An endpoint, what is at the other end of the link, and what should have come of it.
struct Life<'l> {
    endpoint: Near<'l>,
    far: Option<FarEnd<'l, SLOTS>>,
    /// Frames on their way.
    queued: VecDeque<Vec<u8>>,
    own: LinkAddress,
    model: Model,
    seen: Seen,
}

type Near<'l> = Endpoint<NearEnd<'l, SLOTS>>;

impl Life<'_> {
    /// From attach to detach.
    fn attachment(&mut self, dice: &mut Dice) {
        self.endpoint.attach().expect("detached");
        for _ in 0..dice.within(0..=30) {
            match dice.within(0..=9) {
                0..=4 => self.send(dice),
                5 => self.rename(dice),
                _ => self.poll(),
            }
        }
        self.leave(dice, |endpoint| endpoint.detach(), [State::Detaching, State::Detached]);
    }

    fn send(&mut self, dice: &mut Dice) {
        let len = length(dice, self.model.receive_len, LONGEST);
        let frame = frame(dice, len);
        let Some(far) = &self.far else { return };
        match far.send(&frame) {
            Ok(()) => self.queued.push_back(frame),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
    }

    fn rename(&mut self, dice: &mut Dice) {
        if self.model.options.ethernet_header {
            self.own = dice.pick(&[OWN, PEER]);
            self.endpoint.set_link_address(self.own).expect("no group");
        }
    }

    fn poll(&mut self) {
        let mut receiver = self.endpoint.receiver(0).expect("attached");
        let taken = receiver.poll(&mut self.seen).expect("the queue lives");
        drop(receiver);
        let least = usize::from(!self.queued.is_empty());
        assert!((least..=self.queued.len().min(self.model.options.rx_budget)).contains(&taken));
        let frames: Vec<_> = self.queued.drain(..taken).collect();
        self.model.check(&frames, self.own, &take(&mut self.seen.packets));
        self.check_counters();
    }

    fn check_counters(&self) {
        let rx = self.endpoint.counters().rx;
        assert!(rx.is_balanced(), "{rx:?}");
        assert_eq!((rx.delivered, rx.drops), (self.model.delivered, self.model.drops));
    }

    /// A receiver that is out sees the end, and tells it once; without one, it is over at once.
    fn leave(&mut self, dice: &mut Dice, leave: fn(&dyn LinkEndpoint), [meanwhile, then]: [State; 2]) {
        let receiver = dice.flip().then(|| self.endpoint.receiver(0).expect("attached"));
        leave(&self.endpoint);
        if let Some(mut receiver) = receiver {
            assert_eq!(self.endpoint.state(), meanwhile);
            for _ in 0..2 {
                assert_eq!(receiver.poll(&mut self.seen), Err(Ended::Detached));
            }
            assert_eq!(take(&mut self.seen.events), [LinkEvent::Detached]);
        }
        assert_eq!(self.endpoint.state(), then);
    }

    /// Closes the endpoint, with frames on their way or after the peer went.
    fn end(mut self, dice: &mut Dice) -> &'static str {
        self.endpoint.attach().expect("detached");
        let loses_peer = dice.flip();
        if loses_peer {
            self.lose_the_peer();
            self.endpoint.close();
        } else {
            self.leave(dice, |endpoint| endpoint.close(), [State::Closing, State::Closed]);
        }
        assert_eq!(self.endpoint.state(), State::Closed);
        assert_eq!(self.endpoint.attach(), Err(StateError::Closed));
        self.check_counters();
        if loses_peer { "peer lost" } else { "closed" }
    }

    /// What it had sent comes first.
    fn lose_the_peer(&mut self) {
        self.far = None;
        while !self.queued.is_empty() {
            self.poll();
        }
        let mut receiver = self.endpoint.receiver(0).expect("attached");
        for _ in 0..2 {
            assert_eq!(receiver.poll(&mut self.seen), Err(Ended::PeerClosed));
        }
        assert_eq!(take(&mut self.seen.events), [LinkEvent::PeerClosed]);
        assert_eq!(self.endpoint.state(), State::Ended);
    }
}

/// What should have come of the frames so far.
struct Model {
    options: Options,
    receive_len: usize,
    drops: [usize; DropCause::ALL.len()],
    delivered: usize,
}

impl Model {
    fn check(&mut self, frames: &[Vec<u8>], own: LinkAddress, packets: &[(EtherType, Vec<u8>)]) {
        let mut packets = packets.iter();
        for frame in frames {
            match judge(frame, &self.options, own, self.receive_len) {
                Ok((protocol, payload)) => {
                    assert_eq!(packets.next(), Some(&(protocol, payload.to_vec())));
                    self.delivered += 1;
                }
                Err(cause) => self.drops[cause as usize] += 1,
            }
        }
        assert_eq!(packets.next(), None);
    }
}

/// What the network layer got.
#[derive(Default)]
struct Seen {
    packets: Vec<(EtherType, Vec<u8>)>,
    events: Vec<LinkEvent>,
}

impl NetworkDispatcher for Seen {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        self.packets.push((protocol, packet.payload().to_vec()));
    }

    fn notify(&mut self, event: LinkEvent) {
        self.events.push(event);
    }
}

const SLOTS: usize = 16;
