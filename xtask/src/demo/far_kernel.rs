//! The other side as the kernel's own sockets, with nothing but the standard library.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use super::far::{DOWNLOAD_PORT, DOWNLOAD_SEED, ECHO_PORT, News, Reporter, UPLOAD_PORT};
use super::transfer::{Data, Digest, Transfer};
use super::{OURS, THEIRS, http};
use anyhow::{Context as _, bail};

/// Opens all ports in the network namespace of the calling thread, then serves them on two threads.
pub(super) fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    time: Duration,
    reporter: Reporter,
) -> anyhow::Result<()> {
    let echo = UdpSocket::bind((THEIRS, ECHO_PORT)).context("the kernel's UDP socket")?;
    echo.set_read_timeout(Some(TICK))?;
    let download = listen(DOWNLOAD_PORT)?;
    let upload = listen(UPLOAD_PORT)?;
    let echo_reporter = reporter.clone();
    scope.spawn(move || serve_echo(&echo, &echo_reporter));
    scope.spawn(move || {
        let kernel = KernelSide { reporter };
        if let Err(error) = kernel.run(&download, &upload, time) {
            kernel.reporter.tell(Err(error.context("the kernel's side")));
        }
    });
    Ok(())
}

fn listen(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((THEIRS, port)).context("the kernel's TCP socket")?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// What was not answered is missed on the other side: errors need no telling here.
fn serve_echo(socket: &UdpSocket, reporter: &Reporter) {
    let mut buffer = [0; 2048];
    while !reporter.is_stopped() {
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(buffer.get(..len).unwrap_or_default(), from);
        }
    }
}

struct KernelSide {
    reporter: Reporter,
}

impl KernelSide {
    fn run(&self, download: &TcpListener, upload: &TcpListener, time: Duration) -> anyhow::Result<()> {
        let sent = self.send(self.accept(download)?, time)?;
        self.reporter.tell(Ok(News::Transfer(sent)));
        let received = self.receive(self.accept(upload)?)?;
        self.reporter.tell(Ok(News::Transfer(received)));
        let page = self.fetch()?;
        self.reporter.tell(Ok(News::Page(page)));
        Ok(())
    }

    fn accept(&self, listener: &TcpListener) -> anyhow::Result<TcpStream> {
        let (stream, _) = self.patiently(|| {
            let accepted = listener.accept();
            if accepted.is_err() {
                thread::sleep(Duration::from_millis(1));
            }
            accepted
        })?;
        stream.set_nodelay(true)?;
        self.set_timeouts(&stream)?;
        Ok(stream)
    }

    fn set_timeouts(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(TICK))?;
        stream.set_write_timeout(Some(TICK))
    }

    fn send(&self, mut stream: TcpStream, time: Duration) -> anyhow::Result<Transfer> {
        let mut data = Data::new(DOWNLOAD_SEED);
        let mut digest = Digest::new();
        let until = Instant::now() + time;
        while Instant::now() < until {
            let sent = self.patiently(|| stream.write(data.next(PIECE)))?;
            digest.add(data.next(sent));
            data.take(sent);
        }
        stream.shutdown(Shutdown::Write)?;
        // Until the other side has read everything and closes, so that nothing is cut off.
        self.patiently(|| stream.read(&mut [0]))?;
        Ok(digest.transfer())
    }

    fn receive(&self, mut stream: TcpStream) -> anyhow::Result<Transfer> {
        let mut digest = Digest::new();
        let mut buffer = vec![0; PIECE];
        loop {
            match self.patiently(|| stream.read(&mut buffer))? {
                0 => return Ok(digest.transfer()),
                len => digest.add(buffer.get(..len).unwrap_or_default()),
            }
        }
    }

    fn fetch(&self) -> anyhow::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&(OURS, http::PORT).into(), PATIENCE).context("HTTP")?;
        self.set_timeouts(&stream)?;
        stream.write_all(http::REQUEST.as_bytes())?;
        let mut answer = Vec::new();
        let mut buffer = [0; 2048];
        loop {
            match self.patiently(|| stream.read(&mut buffer))? {
                0 => return Ok(answer),
                len => answer.extend_from_slice(buffer.get(..len).unwrap_or_default()),
            }
        }
    }

    /// Repeats `call` while nothing is there, until our side gives up or patience ends.
    fn patiently<T>(&self, mut call: impl FnMut() -> io::Result<T>) -> anyhow::Result<T> {
        let started = Instant::now();
        loop {
            match call() {
                Err(error) if !is_passing(&error) => return Err(error.into()),
                Err(_) if self.reporter.is_stopped() => bail!("stopped"),
                Err(_) if started.elapsed() >= PATIENCE => bail!("nothing came for {PATIENCE:?}"),
                Err(_) => {}
                Ok(result) => return Ok(result),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// How often a stop is looked for.
const TICK: Duration = Duration::from_millis(100);
/// Longer than our side takes for any one step, which so gives up first and says why.
const PATIENCE: Duration = Duration::from_secs(60);
const PIECE: usize = 256 << 10;
