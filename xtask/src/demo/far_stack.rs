//! The other side as a second smoltcp stack, where there is no kernel behind the link.

use std::thread::Scope;
use std::time::{Duration, Instant};

use super::carrier::far_ethernet;
use super::echo::EchoServer;
use super::far::{DOWNLOAD_PORT, DOWNLOAD_SEED, News, Reporter, UPLOAD_PORT};
use super::stack::Stack;
use super::transfer::{Sink, Source, Transfer};
use super::{OURS, THEIRS, http};
use anyhow::bail;
use fdlink_core::io::RawIo;
use fdlink_core::{Endpoint, LinkEndpoint as _, Queue};
use smoltcp::iface::SocketHandle;

/// Runs the stack on a thread of its own.
pub(super) fn start<'scope, P: RawIo + Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    io: P,
    time: Duration,
    reporter: Reporter,
) -> anyhow::Result<()> {
    scope.spawn(move || {
        if let Err(error) = run(io, time, &reporter) {
            reporter.tell(Err(error.context("the smoltcp stack on the other side")));
        }
    });
    Ok(())
}

fn run<P: RawIo>(io: P, time: Duration, reporter: &Reporter) -> anyhow::Result<()> {
    let endpoint = Endpoint::new([Queue::new(io)], far_ethernet())?;
    endpoint.attach()?;
    let mut stack = Stack::new(&endpoint, THEIRS)?;
    let echo = EchoServer::open(&mut stack)?;
    let download = stack.listen(DOWNLOAD_PORT)?;
    let upload = stack.listen(UPLOAD_PORT)?;
    let mut side = StackSide { stack, reporter };
    let sent = side.send(download, &echo, time)?;
    reporter.tell(Ok(News::Transfer(sent)));
    let received = side.receive(upload)?;
    reporter.tell(Ok(News::Transfer(received)));
    let page = side.fetch()?;
    reporter.tell(Ok(News::Page(page)));
    side.linger()
}

struct StackSide<'e, 'r, P: RawIo> {
    stack: Stack<'e, P>,
    reporter: &'r Reporter,
}

impl<P: RawIo> StackSide<'_, '_, P> {
    fn send(&mut self, handle: SocketHandle, echo: &EchoServer, time: Duration) -> anyhow::Result<Transfer> {
        self.drive(|stack| {
            echo.step(stack)?;
            Ok(stack.tcp(handle).is_active().then_some(()))
        })?;
        let mut source = Source::new(DOWNLOAD_SEED, Instant::now() + time);
        self.drive(|stack| source.step(stack.tcp(handle)))
    }

    fn receive(&mut self, handle: SocketHandle) -> anyhow::Result<Transfer> {
        let mut sink = Sink::new();
        let received = self.drive(|stack| sink.step(stack.tcp(handle)))?;
        self.stack.tcp(handle).close();
        Ok(received)
    }

    fn fetch(&mut self) -> anyhow::Result<Vec<u8>> {
        let handle = self.stack.connect((OURS, http::PORT), CLIENT_PORT)?;
        let mut client = http::Client::default();
        let page = self.drive(|stack| client.step(stack.tcp(handle)))?;
        self.stack.tcp(handle).close();
        Ok(page)
    }

    /// Our side may still have something to acknowledge.
    fn linger(&mut self) -> anyhow::Result<()> {
        let reporter = self.reporter;
        self.stack.drive("the end", PATIENCE, |_| Ok(reporter.is_stopped().then_some(())))
    }

    fn drive<T>(&mut self, mut step: impl FnMut(&mut Stack<'_, P>) -> anyhow::Result<Option<T>>) -> anyhow::Result<T> {
        let reporter = self.reporter;
        self.stack.drive("its turn", PATIENCE, |stack| {
            if reporter.is_stopped() {
                bail!("stopped");
            }
            step(stack)
        })
    }
}

const CLIENT_PORT: u16 = 50_000;
/// Longer than our side takes, which so gives up first and says why.
const PATIENCE: Duration = Duration::from_secs(90_000);
