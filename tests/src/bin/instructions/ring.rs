//! Frames from a receive ring on a veth pair.

use std::thread::sleep;
use std::time::Duration;

use fdlink_core::{BATCH_SIZE, LinkEndpoint as _, Options, Receiver};
use fdlink_linux::{DispatchMode, FdIo, FdOptions, RingOptions, endpoint};
use fdlink_tests::lab;
use fdlink_tests::support::{Cable, OWN, to_own};

use crate::receive::Ignore;
use crate::{Job, counted};

pub(crate) fn slots() -> Job {
    draining(RingOptions::V2)
}

pub(crate) fn blocks() -> Job {
    draining(RingOptions::V3)
}

/// A poll that finds nothing, a wait, and a poll that finds a frame.
pub(crate) fn wakes() -> Job {
    let (cable, mut receiver) = open(RingOptions::V2);
    let (peer, frame) = (cable.peer(), to_own(&[0x45; 50]));
    Box::new(move || {
        assert_eq!(counted(|| receiver.poll(&mut Ignore)), Ok(0));
        peer.send(&frame);
        counted(|| receiver.wait(Some(PATIENCE), &mut Ignore)).expect("nothing goes wrong");
        assert_eq!(counted(|| receiver.poll(&mut Ignore)), Ok(1));
        // It lasts as long as the job.
        let _ = &cable;
    })
}

fn draining(ring: RingOptions) -> Job {
    let (cable, mut receiver) = open(ring);
    let (peer, frame) = (cable.peer(), to_own(&[0x45; 50]));
    Box::new(move || {
        (0..BATCH).for_each(|_| peer.send(&frame));
        let mut left = BATCH;
        while left > 0 {
            // Until the timer of the block has gone off, where frames wait for one.
            sleep(MOMENT);
            left -= counted(|| receiver.poll(&mut Ignore)).expect("nothing goes wrong");
        }
        let _ = &cable;
    })
}

fn open(ring: RingOptions) -> (Cable, Receiver<'static, FdIo>) {
    lab::enter().expect("a network namespace is allowed");
    let cable = Cable::new();
    let options = Options { address: OWN, ..Options::default() };
    let fd_options = FdOptions { dispatch_mode: Some(DispatchMode::PacketMmap), ring, ..FdOptions::default() };
    let endpoint = endpoint([cable.socket()], options, &fd_options).expect("the options are good");
    let endpoint = Box::leak(Box::new(endpoint));
    endpoint.attach().expect("it is new");
    (cable, endpoint.receiver(0).expect("it is attached"))
}

pub(crate) const BATCH: usize = BATCH_SIZE;
const MOMENT: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(1);
