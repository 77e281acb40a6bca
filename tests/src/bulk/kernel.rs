use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike as _};
use nix::time::{ClockId, clock_gettime};

use super::stream::CHUNK;
use super::{Direction, Stream, Transfer};

/// The end of the connections that is the kernel's: a thread that serves one transfer after the other.
#[derive(Debug)]
pub struct Kernel {
    transfers: Sender<Transfer>,
    results: Receiver<io::Result<Received>>,
}

/// What passed at the kernel's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// Bytes.
    pub len: u64,
    /// Their hash.
    pub hash: u64,
    /// User and system time of the thread.
    pub cpu: Duration,
}

impl Kernel {
    /// Serves what comes to `listener`, with cubic for congestion control: a pacing one, such as bbr, is slowed down by its own timers.
    /// `prepare` is called on the thread, to bind it to a core.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new(listener: TcpListener, prepare: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        setsockopt(&listener, sockopt::TcpCongestion, &OsString::from("cubic"))?;
        // For accept(2), too.
        setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE.as_secs() as i64))?;
        let (transfers, to_do) = channel();
        let (done, results) = channel();
        thread::Builder::new().spawn(move || {
            prepare();
            while let Ok(transfer) = to_do.recv() {
                if done.send(serve(&listener, &transfer)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { transfers, results })
    }

    /// Has the next connection be used so.
    ///
    /// # Panics
    ///
    /// If the thread has ended.
    pub fn expect(&self, transfer: Transfer) {
        self.transfers.send(transfer).expect("the kernel's end lives");
    }

    /// What came of it.
    ///
    /// # Errors
    ///
    /// What the system said, or that it took too long.
    pub fn result(&self) -> io::Result<Received> {
        match self.results.recv_timeout(2 * PATIENCE) {
            Ok(result) => result,
            Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
            Err(RecvTimeoutError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn serve(listener: &TcpListener, transfer: &Transfer) -> io::Result<Received> {
    let (socket, _) = listener.accept()?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut stream = Stream::new(transfer.is_hashed);
    let start = cpu();
    match transfer.direction {
        Direction::Download => write_all(socket, &mut stream, transfer.len)?,
        Direction::Upload => read_all(socket, &mut stream)?,
    }
    Ok(Received { len: stream.position, hash: stream.hash(), cpu: cpu().saturating_sub(start) })
}

fn write_all(mut socket: TcpStream, stream: &mut Stream, len: u64) -> io::Result<()> {
    while stream.position < len {
        let written = socket.write(stream.next(len - stream.position))?;
        stream.advance(written);
    }
    socket.shutdown(Shutdown::Write)?;
    // The far end closes when it has all.
    socket.read(&mut [0]).map(drop)
}

fn read_all(mut socket: TcpStream, stream: &mut Stream) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match socket.read(&mut buffer)? {
            0 => return Ok(()),
            len => stream.take(&buffer[..len]),
        }
    }
}

fn cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

const PATIENCE: Duration = Duration::from_secs(10);
