use core::fmt;
use std::any::Any;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use fdlink_core::io::RawIo;
use fdlink_core::{
    Ended, Endpoint, FlowHasher, LinkEndpoint, LinkEvent, NetworkDispatcher, Queue, Receiver, ReceiverError, StateError,
};
use rustix::io::Errno;

use crate::processors::{BacklogSize, Panicked, Processors};

/// Receives from every queue of an endpoint, each on a thread of its own (`fdlink-rx-0`, …), as the origin's `Attach` does.
///
/// With [`Options::processors_per_channel`](fdlink_core::Options::processors_per_channel) above 1, packets are spread by flow over that many threads for each queue (`fdlink-proc-0-0`,
/// `fdlink-proc-0-1`, …), each with a dispatcher of its own:
///
/// - The packets of one flow go to one processor and keep their order; those that have no flow go to the first.
/// - [`Options::processor_backlog`](fdlink_core::Options::processor_backlog) packets may wait for a processor; what comes on top is dropped as
///   [`DropCause::BacklogFull`](fdlink_core::DropCause::BacklogFull). A packet counts as delivered when it was handed over.
/// - Each processor is told every [`LinkEvent`], behind the packets that came before; the end once, as the last.
/// - The receiver of a queue is back, and the queue has ended, when its processors have delivered all that was handed over.
///
/// Dropping it detaches the endpoint and joins the threads.
///
/// # Examples
///
/// ```
/// use std::os::unix::net::UnixDatagram;
/// use std::sync::{Arc, mpsc};
///
/// use fdlink_core::{EtherType, LinkEndpoint, NetworkDispatcher, Options, RxPacket};
/// use fdlink_linux::{FdOptions, Runner, endpoint};
///
/// struct Forward(mpsc::Sender<Vec<u8>>);
///
/// impl NetworkDispatcher for Forward {
///     fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
///         self.0.send(packet.payload().to_vec()).expect("the test still listens");
///     }
/// }
///
/// let (ours, theirs) = UnixDatagram::pair()?;
/// let options = Options { ethernet_header: false, ..Options::default() };
/// let endpoint = Arc::new(endpoint([ours], options, &FdOptions::default())?);
/// let (sender, packets) = mpsc::channel();
/// let runner = Runner::attach(Arc::clone(&endpoint), |_queue| Forward(sender.clone()))?;
///
/// theirs.send(b"\x45 an IPv4 packet")?;
/// assert_eq!(packets.recv()?, b"\x45 an IPv4 packet");
/// runner.stop()?;
/// assert!(!endpoint.is_attached());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Runner<IO: RawIo, Q: AsRef<[Queue<IO>]>> {
    endpoint: Arc<Endpoint<IO, Q>>,
    threads: Vec<JoinHandle<QueueEnd<IO>>>,
}

type QueueEnd<IO> = Result<Ended<<IO as RawIo>::Error>, Panicked>;

/// Why receive threads could not be started, or how one went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunnerError {
    /// The endpoint cannot be attached now.
    State(StateError),
    /// A thread, or memory for what waits for it, could not be had; none is left running.
    Spawn(Errno),
    /// A dispatcher panicked. The other threads ended as they should; what was for a processor that is gone was dropped and counted.
    Panicked {
        /// The number of the queue.
        queue: usize,
        /// The number of the processor behind it; 0 where there is only one.
        processor: usize,
        /// What the dispatcher said.
        message: String,
    },
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => error.fmt(f),
            Self::Spawn(errno) => write!(f, "starting a thread: {errno}"),
            Self::Panicked { queue, processor, message } => {
                write!(f, "the dispatcher of queue {queue}, processor {processor}, panicked: {message}")
            }
        }
    }
}

impl core::error::Error for RunnerError {}

impl<IO, Q> Runner<IO, Q>
where
    IO: RawIo + 'static,
    IO::Rx: Send,
    IO::Tx: Send + Sync,
    IO::Stop: Send + Sync,
    IO::Error: Send,
    Q: AsRef<[Queue<IO>]> + Send + Sync + 'static,
{
    /// Attaches `endpoint` and starts its threads, with the dispatcher that `dispatcher` makes for each queue. With several processors it is
    /// called for each of them.
    ///
    /// # Errors
    ///
    /// [`RunnerError::State`], [`RunnerError::Spawn`]; the endpoint is as it was.
    pub fn attach<D>(
        endpoint: Arc<Endpoint<IO, Q>>,
        mut dispatcher: impl FnMut(usize) -> D,
    ) -> Result<Self, RunnerError>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        Self::attach_processors(endpoint, |queue, _processor| dispatcher(queue))
    }

    /// As [`attach`](Runner::attach), for dispatchers that differ by the number of the processor behind the queue too.
    ///
    /// # Errors
    ///
    /// As for [`attach`](Runner::attach).
    pub fn attach_processors<D>(
        endpoint: Arc<Endpoint<IO, Q>>,
        dispatcher: impl FnMut(usize, usize) -> D,
    ) -> Result<Self, RunnerError>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        endpoint.attach().map_err(RunnerError::State)?;
        Self::resume(endpoint, dispatcher)
    }

    /// Starts the threads of an endpoint that is attached already, as one that was [restored](Endpoint::restore), with the dispatcher that
    /// `dispatcher` makes for each queue and processor. Where it is not attached, or somebody else has the receiver of a queue, the dispatchers are told
    /// [`LinkEvent::Detached`] and nothing else.
    ///
    /// # Errors
    ///
    /// [`RunnerError::Spawn`]; the endpoint is detached then.
    pub fn resume<D>(
        endpoint: Arc<Endpoint<IO, Q>>,
        mut dispatcher: impl FnMut(usize, usize) -> D,
    ) -> Result<Self, RunnerError>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        // From here on, dropping `runner` undoes everything.
        let mut runner = Self { endpoint, threads: Vec::new() };
        let hasher = flow_hasher(&runner.endpoint);
        for queue in 0..runner.endpoint.queues().len() {
            let thread = runner.spawn(queue, hasher, |processor| dispatcher(queue, processor));
            runner.threads.push(thread.map_err(RunnerError::Spawn)?);
        }
        Ok(runner)
    }

    /// Starts the threads of a queue.
    fn spawn<D>(
        &self,
        queue: usize,
        hasher: FlowHasher,
        mut dispatcher: impl FnMut(usize) -> D,
    ) -> Result<JoinHandle<QueueEnd<IO>>, Errno>
    where
        D: NetworkDispatcher + Send + 'static,
    {
        let endpoint = Arc::clone(&self.endpoint);
        let count = endpoint.options().processors_per_channel;
        if count <= 1 {
            let dispatcher = dispatcher(0);
            return start(queue, move || Ok(run(&mut endpoint.receiver(queue), dispatcher)));
        }
        let size = backlog_size(&endpoint, queue);
        let processors = Processors::spawn(queue, (0..count).map(dispatcher), size)?;
        start(queue, move || {
            // Back only behind the processors, so that the endpoint is not drained before.
            let mut receiver = endpoint.receiver(queue);
            let ended = run(&mut receiver, processors.steering(hasher));
            processors.finish().map(|()| ended)
        })
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> Runner<IO, Q> {
    /// Detaches the endpoint, waits for the threads, and says how each queue ended.
    ///
    /// # Errors
    ///
    /// [`RunnerError::Panicked`] for the first dispatcher that panicked.
    pub fn stop(mut self) -> Result<Vec<Ended<IO::Error>>, RunnerError> {
        self.endpoint.detach();
        self.join()
    }

    /// Waits until every queue has ended by itself (its peer is gone, it failed) or somebody detached the endpoint, and says how.
    ///
    /// # Errors
    ///
    /// [`RunnerError::Panicked`] for the first dispatcher that panicked.
    pub fn wait(mut self) -> Result<Vec<Ended<IO::Error>>, RunnerError> {
        self.join()
    }

    /// The endpoint.
    #[must_use]
    pub const fn endpoint(&self) -> &Arc<Endpoint<IO, Q>> {
        &self.endpoint
    }

    /// Joins all, also behind one that panicked.
    fn join(&mut self) -> Result<Vec<Ended<IO::Error>>, RunnerError> {
        let ends: Vec<_> = self.threads.drain(..).map(JoinHandle::join).collect();
        let ends = ends.into_iter().map(|end| end.unwrap_or_else(|panic| Err(Panicked { processor: 0, panic })));
        ends.enumerate().map(|(queue, end)| end.map_err(|panicked| panicked.at(queue))).collect()
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> Drop for Runner<IO, Q> {
    fn drop(&mut self) {
        self.endpoint.detach();
        // A panic was printed by the panic hook when it happened; `stop` and `wait` return it.
        let _ = self.join();
    }
}

/// Without a seed of the caller, a random one.
fn flow_hasher<IO: RawIo, Q: AsRef<[Queue<IO>]>>(endpoint: &Endpoint<IO, Q>) -> FlowHasher {
    let seed = endpoint.flow_seed(|| {
        // Where the standard library has its secrets from: the system, without an error to handle.
        let random = RandomState::new();
        [random.hash_one(0), random.hash_one(1)]
    });
    FlowHasher::new(seed).symmetric(endpoint.options().symmetric_flow_hash)
}

fn backlog_size<IO: RawIo, Q: AsRef<[Queue<IO>]>>(endpoint: &Endpoint<IO, Q>, queue: usize) -> BacklogSize {
    let frame_len = endpoint.queues().get(queue).map_or(0, |queue| queue.limits().max_frame_len);
    BacklogSize { packets: endpoint.options().processor_backlog, frame_len }
}

fn start<R: Send + 'static>(queue: usize, body: impl FnOnce() -> R + Send + 'static) -> Result<JoinHandle<R>, Errno> {
    let spawned = Builder::new().name(format!("fdlink-rx-{queue}")).spawn(body);
    spawned.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
}

/// The body of a receive thread.
fn run<IO: RawIo>(
    receiver: &mut Result<Receiver<'_, IO>, ReceiverError>,
    mut dispatcher: impl NetworkDispatcher,
) -> Ended<IO::Error> {
    match receiver {
        Ok(receiver) => receiver.run(&mut dispatcher),
        // Detached before the thread came to run.
        Err(_) => {
            dispatcher.notify(LinkEvent::Detached);
            Ended::Detached
        }
    }
}

impl Panicked {
    fn at(&self, queue: usize) -> RunnerError {
        RunnerError::Panicked { queue, processor: self.processor, message: message(&*self.panic) }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
