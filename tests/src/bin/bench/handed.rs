//! G2b: a backlog taken from a receive ring and handed to processors, against a copy on the heap for each frame.
//!
//! What hand over means is what is compared: both do all of it on one core, and a processor that keeps up finds its packets in the cache. What it costs
//! besides to cross to another core that comes late, when all of the backlog was taken, is in a row of its own.

use std::array::from_fn;
use std::error::Error;
use std::hint::black_box;
use std::thread::scope;
use std::time::Duration;

use fdlink_core::NetworkDispatcher;
use fdlink_core::rx::Steering;
use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::wire::FlowHasher;
use fdlink_linux::reference::SlotLoop;
use fdlink_linux::{FdEndpoint, FdOptions};

use crate::arguments::Arguments;
use crate::backlog::{Backlog, take_all};
use crate::contest;
use crate::count::{Count, count_frame};
use crate::fanout::flows;
use crate::machine;
use crate::program::{Cost, Program, StepResult};
use crate::progress::Progress;
use crate::ring::{FRAMES, PATIENCE, Ring, open};
use crate::scenario::Outcome;

pub(crate) fn measure(size: usize, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    let backlog = || Backlog::new(flows(size), Ring::V2.rest());
    let backlogs = [backlog()?, backlog()?, backlog()?, backlog()?];
    let open = |backlog: &Backlog| open(backlog.cable.receiver()?, Ring::V2);
    let endpoints = [open(&backlogs[0])?, open(&backlogs[1])?, open(&backlogs[2])?];
    let ([b1, b2, b3, b4], [e1, e2, e3]) = (&backlogs, &endpoints);
    let one = Program::new("fdlink, processor").copy(taking_turns::<1>(b1, e1, size)?);
    let bare = Program::new("bare TPACKET_V2, malloc and copy").copy(copying(b4)?);
    let two = Program::new("fdlink, 2 processors").copy(taking_turns::<2>(b2, e2, size)?);
    let far = Program::new("fdlink, 2 on another core").copy(one_after_the_other::<2>(b3, e3, size)?);
    let programs = &mut [one.turn(TURN), bare.turn(TURN), two.turn(TURN), far.turn(TURN)];
    Ok(contest::run(programs, &arguments.for_longer(PATIENCE), progress)?.into())
}

/// A batch is delivered before the next one is taken.
fn taking_turns<'b, const N: usize>(
    backlog: &'b Backlog,
    endpoint: &'b FdEndpoint,
    size: usize,
) -> Result<impl FnMut() -> StepResult + 'b, Box<dyn Error>> {
    let mut receiver = endpoint.receiver(0)?;
    let (mut steering, mut processors) = processors::<N>(size);
    Ok(move || {
        let mut delivered = 0;
        let mut cost = backlog.step(take_all(|| {
            let taken = receiver.poll(&mut steering).map_err(|ended| ended.to_string())?;
            delivered += deliver(&mut processors)?;
            Ok(taken)
        }))?;
        cost.failed += cost.frames.saturating_sub(delivered);
        Ok(cost)
    })
}

/// All of it is taken, then delivered on another core: the time of both.
fn one_after_the_other<'b, const N: usize>(
    backlog: &'b Backlog,
    endpoint: &'b FdEndpoint,
    size: usize,
) -> Result<impl FnMut() -> StepResult + 'b, Box<dyn Error>> {
    let mut receiver = endpoint.receiver(0)?;
    let (mut steering, mut processors) = processors::<N>(size);
    Ok(move || {
        let mut cost =
            backlog.step(take_all(|| Ok(receiver.poll(&mut steering).map_err(|ended| ended.to_string())?)))?;
        let delivered = scope(|scope| scope.spawn(|| deliver_apart(&mut processors)).join());
        let delivered = delivered.map_err(|_| "a processor panicked")??;
        cost.failed += cost.frames.saturating_sub(delivered.frames);
        cost.cpu += delivered.cpu;
        Ok(cost)
    })
}

type Processors<const N: usize> = [Processor<'static, Vec<u8>, Vec<Record>>; N];

/// `N` of them, and what spreads packets over them.
fn processors<const N: usize>(size: usize) -> (impl NetworkDispatcher, Processors<N>) {
    let block = move || Block::new(vec![0; FRAMES * (size + 64)], vec![Record::default(); FRAMES]);
    let handoffs: &'static [_; N] = Box::leak(Box::new(from_fn(|_| Handoff::new(block()))));
    let feeds = handoffs.each_ref().map(|handoff| handoff.feed(|| ()));
    let processors = handoffs.each_ref().map(|handoff| Processor::new(handoff, block()));
    (Steering::new(feeds, FlowHasher::new([17, 4])), processors)
}

fn deliver<const N: usize>(processors: &mut Processors<N>) -> Result<usize, String> {
    let delivered = processors.iter_mut().map(|processor| processor.poll(&mut Count));
    delivered.sum::<Result<_, _>>().map_err(|closed| closed.to_string())
}

fn deliver_apart<const N: usize>(processors: &mut Processors<N>) -> Result<Cost, String> {
    machine::pin_apart().map_err(|errno| errno.to_string())?;
    Cost::of(|| Ok((deliver(processors)?, 0))).map_err(|error| error.to_string())
}

fn copying(backlog: &Backlog) -> Result<impl FnMut() -> StepResult, Box<dyn Error>> {
    let mut ring = SlotLoop::new(backlog.cable.receiver()?, FdOptions::DEFAULT_FRAME_LEN)?;
    Ok(move || backlog.step(|_| Cost::of(|| Ok((ring.drain(|frame| count_frame(&black_box(frame.to_vec()))), 0)))))
}

/// Two backlogs or so.
const TURN: Duration = Duration::from_micros(150);
