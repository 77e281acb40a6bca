//! The threads behind a receive thread.

use std::any::Any;
use std::sync::Arc;
use std::thread::{self, Builder, JoinHandle};

use fdlink_core::rx::handoff::{Block, Feed, Handoff, Processor, Record};
use fdlink_core::{FlowHasher, NetworkDispatcher, Steering};
use rustix::io::Errno;

use crate::sys::mapping::Mapping;

type Backlog = Handoff<Mapping, Vec<Record>>;

/// The processors of one queue. Dropping them waits until each has delivered what was handed over.
pub(crate) struct Processors {
    workers: Vec<Worker>,
}

struct Worker {
    backlog: Arc<Backlog>,
    thread: JoinHandle<()>,
}

/// How much may wait for each processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BacklogSize {
    pub(crate) packets: usize,
    /// The longest of them.
    pub(crate) frame_len: usize,
}

/// A dispatcher that panicked.
pub(crate) struct Panicked {
    pub(crate) processor: usize,
    pub(crate) panic: Box<dyn Any + Send>,
}

impl Processors {
    /// Starts a thread for each of `dispatchers`, named `fdlink-proc-`, the queue, `-` and its number.
    pub(crate) fn spawn<D>(queue: usize, dispatchers: impl Iterator<Item = D>, size: BacklogSize) -> Result<Self, Errno>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        // From here on, dropping `processors` ends those that run.
        let mut processors = Self { workers: Vec::new() };
        for (number, dispatcher) in dispatchers.enumerate() {
            let worker = Worker::spawn(format!("fdlink-proc-{queue}-{number}"), dispatcher, size)?;
            processors.workers.push(worker);
        }
        Ok(processors)
    }

    /// A dispatcher that spreads packets over them.
    pub(crate) fn steering(&self, hasher: FlowHasher) -> impl NetworkDispatcher {
        Steering::new(self.workers.iter().map(Worker::feed).collect::<Vec<_>>(), hasher)
    }

    /// Waits until each has delivered what was handed over.
    pub(crate) fn finish(mut self) -> Result<(), Panicked> {
        self.end()
    }

    /// Joins all, also behind one that panicked; returns the first panic.
    fn end(&mut self) -> Result<(), Panicked> {
        self.workers.iter().for_each(Worker::close);
        let ends: Vec<_> = self.workers.drain(..).map(|worker| worker.thread.join()).collect();
        let mut ends = ends.into_iter().enumerate();
        ends.try_for_each(|(processor, end)| end.map_err(|panic| Panicked { processor, panic }))
    }
}

impl Drop for Processors {
    fn drop(&mut self) {
        // Nobody is left to be told of a panic; the panic hook was.
        let _ = self.end();
    }
}

impl Worker {
    fn spawn<D>(name: String, mut dispatcher: D, size: BacklogSize) -> Result<Self, Errno>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        let (filled, worked_off) = (size.block()?, size.block()?);
        let backlog = Arc::new(Backlog::new(filled));
        let shared = Arc::clone(&backlog);
        let thread = Builder::new().name(name).spawn(move || run(Processor::new(&shared, worked_off), &mut dispatcher));
        let thread = thread.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))?;
        Ok(Self { backlog, thread })
    }

    fn feed(&self) -> Feed<'_, Mapping, Vec<Record>, impl FnMut()> {
        let thread = self.thread.thread().clone();
        self.backlog.feed(move || thread.unpark())
    }

    fn close(&self) {
        self.backlog.close();
        self.thread.thread().unpark();
    }
}

fn run<D: NetworkDispatcher>(mut processor: Processor<'_, Mapping, Vec<Record>>, dispatcher: &mut D) {
    let mut idle = 0;
    while let Ok(delivered) = processor.poll(dispatcher) {
        idle = if delivered > 0 { 0 } else { YIELDS.min(idle) + 1 };
        match idle {
            0 => {}
            1..=YIELDS => thread::yield_now(),
            _ => thread::park(),
        }
    }
}

impl BacklogSize {
    fn block(self) -> Result<Block<Mapping, Vec<Record>>, Errno> {
        let bytes = Mapping::anonymous(self.packets.saturating_mul(self.frame_len))?;
        let mut records = Vec::new();
        records.try_reserve_exact(self.packets).map_err(|_| Errno::NOMEM)?;
        records.resize(self.packets, Record::default());
        Ok(Block::new(bytes, records))
    }
}

/// How often a processor that has run dry lets others run before it parks. A processor is faster than its receiver, and to be put to sleep and woken
/// for each batch costs both threads several times what the packets do.
const YIELDS: u32 = 16;
