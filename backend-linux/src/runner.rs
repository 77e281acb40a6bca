use core::fmt;
use std::any::Any;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use fdlink_core::io::RawIo;
use fdlink_core::{Ended, Endpoint, LinkEndpoint, LinkEvent, NetworkDispatcher, Queue, StateError};
use rustix::io::Errno;

/// Receives from every queue of an endpoint, each on a thread of its own (`fdlink-rx-0`, …), as the origin's `Attach` does.
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
    threads: Vec<JoinHandle<Ended<IO::Error>>>,
}

/// Why receive threads could not be started, or how one went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunnerError {
    /// The endpoint cannot be attached now.
    State(StateError),
    /// A thread could not be started; none is left running.
    Spawn(Errno),
    /// A dispatcher panicked. The other threads ended as they should.
    Panicked {
        /// The number of the queue.
        queue: usize,
        /// What the dispatcher said.
        message: String,
    },
}

impl fmt::Display for RunnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State(error) => error.fmt(f),
            Self::Spawn(errno) => write!(f, "starting a receive thread: {errno}"),
            Self::Panicked { queue, message } => write!(f, "the dispatcher of queue {queue} panicked: {message}"),
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
    /// Attaches `endpoint` and starts a thread for each queue, with the dispatcher that `dispatcher` makes for it.
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
        endpoint.attach().map_err(RunnerError::State)?;
        // From here on, dropping `runner` undoes everything.
        let mut runner = Self { endpoint, threads: Vec::new() };
        for queue in 0..runner.endpoint.queues().len() {
            let thread = spawn(Arc::clone(&runner.endpoint), queue, dispatcher(queue)).map_err(RunnerError::Spawn)?;
            runner.threads.push(thread);
        }
        Ok(runner)
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
        let ends = ends.into_iter().enumerate();
        ends.map(|(queue, end)| end.map_err(|panic| RunnerError::Panicked { queue, message: message(&*panic) }))
            .collect()
    }
}

impl<IO: RawIo, Q: AsRef<[Queue<IO>]>> Drop for Runner<IO, Q> {
    fn drop(&mut self) {
        self.endpoint.detach();
        // A panic was printed by the panic hook when it happened; `stop` and `wait` return it.
        let _ = self.join();
    }
}

fn spawn<IO, Q, D>(
    endpoint: Arc<Endpoint<IO, Q>>,
    queue: usize,
    mut dispatcher: D,
) -> Result<JoinHandle<Ended<IO::Error>>, Errno>
where
    IO: RawIo + 'static,
    IO::Rx: Send,
    IO::Tx: Send + Sync,
    IO::Stop: Send + Sync,
    IO::Error: Send,
    Q: AsRef<[Queue<IO>]> + Send + Sync + 'static,
    D: NetworkDispatcher + Send + 'static,
{
    let thread = Builder::new().name(format!("fdlink-rx-{queue}"));
    let spawned = thread.spawn(move || match endpoint.receiver(queue) {
        Ok(mut receiver) => receiver.run(&mut dispatcher),
        // Detached before the thread came to run.
        Err(_) => {
            dispatcher.notify(LinkEvent::Detached);
            Ended::Detached
        }
    });
    spawned.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::AGAIN))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
