//! Frames that one thread receives and others deliver, for the axis of processors.

use std::error::Error;
use std::thread::scope;

use fdlink_core::rx::handoff::{Block, Handoff, Processor, Record};
use fdlink_core::{FlowHasher, Steering};
use rustix::net::{SendFlags, send};

use crate::count::Count;
use crate::fanout::flows;
use crate::growth::{pair, receiver};
use crate::program::{Cost, StepResult};

/// Fills a socket with frames of as many flows, and times how they are received and delivered by `N` processors, a thread each: the time of
/// all threads.
pub(crate) fn handing<const N: usize>() -> Result<impl FnMut() -> StepResult + 'static, Box<dyn Error>> {
    let (near, far) = pair()?;
    let mut receiver = receiver(near)?;
    let mut frames = flows(SIZE);
    frames.truncate(FRAMES);
    let block = || Block::new(vec![0; FRAMES * (SIZE + 64)], vec![Record::default(); FRAMES]);
    let handoffs: &'static [_; N] = Box::leak(Box::new([(); N].map(|()| Handoff::new(block()))));
    let mut processors = handoffs.each_ref().map(|handoff| Processor::new(handoff, block()));
    let mut steering = Steering::new(handoffs.each_ref().map(|handoff| handoff.feed(|| ())), FlowHasher::new([17, 4]));
    Ok(move || {
        let queued = frames.iter().take_while(|frame| send(&far, frame, SendFlags::DONTWAIT).is_ok()).count();
        let mut cost = Cost::of(|| {
            let mut left = queued;
            while left > 0 {
                left -= receiver.poll(&mut steering).map_err(|ended| ended.to_string())?;
            }
            Ok((queued, 0))
        })?;
        cost.cpu += deliver(&mut processors)?.cpu;
        Ok(cost)
    })
}

fn deliver(processors: &mut [Processor<'_, Vec<u8>, Vec<Record>>]) -> StepResult {
    let poll = |processor: &mut Processor<'_, _, _>| {
        Cost::of(|| Ok((processor.poll(&mut Count)?, 0))).map_err(|error| error.to_string())
    };
    scope(|scope| {
        let threads: Vec<_> = processors.iter_mut().map(|processor| scope.spawn(move || poll(processor))).collect();
        let mut total = Cost::default();
        for thread in threads {
            total.add(thread.join().map_err(|_| "a processor panicked")??);
        }
        Ok(total)
    })
}

/// Frames in a step, and bytes of each.
const FRAMES: usize = 256;
const SIZE: usize = 64;
