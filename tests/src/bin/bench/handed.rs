//! G2b: a backlog taken from a receive ring and handed to two processors on another thread, against a copy on the heap for each frame.

use std::error::Error;
use std::hint::black_box;
use std::thread::scope;
use std::time::Duration;

use fdlink_core::rx::Steering;
use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::wire::FlowHasher;
use fdlink_linux::reference::SlotLoop;
use fdlink_linux::{FdEndpoint, FdOptions};

use crate::arguments::Arguments;
use crate::backlog::Backlog;
use crate::contest;
use crate::count::{Count, count_frame};
use crate::fanout::flows;
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::ring::{FRAMES, Ring, open};
use crate::scenario::Outcome;

pub(crate) fn measure(size: usize, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let backlogs = [Backlog::new(flows(size), Ring::V2.rest())?, Backlog::new(flows(size), Ring::V2.rest())?];
    let [ours, theirs] = &backlogs;
    let endpoint = open(ours.cable.receiver()?, Ring::V2)?;
    let fdlink = Program::new("fdlink, 2 processors").copy(handing(ours, &endpoint, size)?);
    let bare = Program::new("bare TPACKET_V2, malloc and copy").copy(copying(theirs)?);
    Ok(contest::run(&mut [fdlink.turn(TURN), bare.turn(TURN)], arguments, progress)?.into())
}

/// The time of the thread that receives, and of the one that delivers.
fn handing<'b>(
    backlog: &'b Backlog,
    endpoint: &'b FdEndpoint,
    size: usize,
) -> Result<impl FnMut() -> StepResult + 'b, Box<dyn Error>> {
    let mut receiver = endpoint.receiver(0)?;
    let block = move || Block::new(vec![0; FRAMES * (size + 64)], vec![Record::default(); FRAMES]);
    let handoffs: &'static [_; 2] = Box::leak(Box::new([Handoff::new(block()), Handoff::new(block())]));
    let feeds = handoffs.each_ref().map(|handoff| handoff.feed(|| ()));
    let mut processors = handoffs.each_ref().map(|handoff| Processor::new(handoff, block()));
    let mut steering = Steering::new(feeds, FlowHasher::new([17, 4]));
    Ok(move || {
        backlog.step(|most| {
            let mut cost = Cost::of(|| {
                let mut taken = 0;
                while taken < most {
                    match receiver.poll(&mut steering).map_err(|ended| ended.to_string())? {
                        0 => break,
                        more => taken += more,
                    }
                }
                Ok((taken, 0))
            })?;
            let delivered = scope(|scope| scope.spawn(|| deliver(&mut processors)).join());
            let delivered = delivered.map_err(|_| "a processor panicked")??;
            cost.failed = cost.frames - delivered.frames.min(cost.frames);
            cost.cpu += delivered.cpu;
            Ok(cost)
        })
    })
}

fn deliver(processors: &mut [Processor<'_, Vec<u8>, Vec<Record>>]) -> Result<Cost, String> {
    machine::pin_apart().map_err(|errno| errno.to_string())?;
    let work = || {
        let delivered = processors.iter_mut().map(|processor| processor.poll(&mut Count));
        Ok((delivered.sum::<Result<usize, _>>()?, 0))
    };
    Cost::of(work).map_err(|error| error.to_string())
}

fn copying(backlog: &Backlog) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let mut ring = SlotLoop::new(backlog.cable.receiver()?, FdOptions::DEFAULT_FRAME_LEN)?;
    Ok(move || backlog.step(|_| Cost::of(|| Ok((ring.drain(|frame| count_frame(&black_box(frame.to_vec()))), 0)))))
}

/// Two backlogs or so.
const TURN: Duration = Duration::from_micros(150);
