//! The other side of the link: the kernel's sockets, or a second smoltcp stack, on threads of their own.
//!
//! It answers UDP echo, sends one TCP stream, receives another one, then fetches our page; each result is told as [`News`], in this
//! order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::Scope;
use std::time::Duration;

use super::transfer::Transfer;
use super::{far_kernel, far_stack};
use anyhow::bail;
use fdlink_core::io::RawIo;

/// Who is on the other side.
pub(super) enum Far<P> {
    /// The kernel, behind the interface.
    Kernel,
    /// A smoltcp stack over this end.
    Stack(P),
}

/// One result of the other side.
pub(super) enum News {
    /// A stream was sent or received.
    Transfer(Transfer),
    /// A page was fetched.
    Page(Vec<u8>),
}

impl<P: RawIo + Send> Far<P> {
    /// Starts the other side, which sends for `time`. When this returns, its ports are open.
    pub(super) fn start<'scope>(self, scope: &'scope Scope<'scope, '_>, time: Duration) -> anyhow::Result<FarEnd>
    where
        P: 'scope,
    {
        let (sender, news) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let reporter = Reporter { sender, stop: Arc::clone(&stop) };
        match self {
            Self::Kernel => far_kernel::start(scope, time, reporter)?,
            Self::Stack(io) => far_stack::start(scope, io, time, reporter)?,
        }
        Ok(FarEnd { news, stop })
    }
}

/// Our handle of the other side. Dropping it ends the other side.
pub(super) struct FarEnd {
    news: Receiver<anyhow::Result<News>>,
    stop: Arc<AtomicBool>,
}

impl FarEnd {
    /// The next result, if it is there, which has to be a stream.
    pub(super) fn transfer(&self) -> anyhow::Result<Option<Transfer>> {
        match self.next()? {
            None => Ok(None),
            Some(News::Transfer(transfer)) => Ok(Some(transfer)),
            Some(News::Page(_)) => bail!("the other side is ahead of us"),
        }
    }

    /// The next result, if it is there, which has to be a page.
    pub(super) fn page(&self) -> anyhow::Result<Option<Vec<u8>>> {
        match self.next()? {
            None => Ok(None),
            Some(News::Page(page)) => Ok(Some(page)),
            Some(News::Transfer(_)) => bail!("the other side is behind us"),
        }
    }

    fn next(&self) -> anyhow::Result<Option<News>> {
        match self.news.try_recv() {
            Ok(news) => news.map(Some),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => bail!("the other side has ended"),
        }
    }
}

impl Drop for FarEnd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// What the other side has of us.
#[derive(Clone)]
pub(super) struct Reporter {
    sender: Sender<anyhow::Result<News>>,
    stop: Arc<AtomicBool>,
}

impl Reporter {
    /// Nobody may listen any more, which is as well.
    pub(super) fn tell(&self, news: anyhow::Result<News>) {
        let _ = self.sender.send(news);
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

pub(super) const ECHO_PORT: u16 = 7;
pub(super) const DOWNLOAD_PORT: u16 = 5001;
pub(super) const UPLOAD_PORT: u16 = 5002;
/// What the streams are made of.
pub(super) const DOWNLOAD_SEED: u64 = 0x9e37_79b9_7f4a_7c15;
/// Another one, so that the streams cannot be mistaken for each other.
pub(super) const UPLOAD_SEED: u64 = 0xd1b5_4a32_d192_ed03;
