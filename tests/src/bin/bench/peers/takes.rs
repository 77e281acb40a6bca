//! Ways to take frames that are there. Each `COPY` is code of its own.

use std::error::Error;
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use pnet_datalink::DataLinkReceiver;
use rustix::io::{Errno, read};
use smoltcp::phy::{Device, RxToken as _};
use smoltcp::time::Instant;
use tun_rs::SyncDevice;

use crate::count::{Count, count_frame};
use crate::messages::Messages;
use crate::program::pad;
use crate::sending::options;

/// Takes some frames, none if there are none, and tells how many.
pub(super) type Take = Box<dyn FnMut() -> Result<usize, Box<dyn Error>>>;

pub(super) fn polling<const COPY: usize>(fd: OwnedFd, mode: DispatchMode) -> Result<Take, Box<dyn Error>> {
    let fd_options = FdOptions { dispatch_mode: Some(mode), ..FdOptions::default() };
    let endpoint: &'static FdEndpoint<_> = Box::leak(Box::new(endpoint([Own::<COPY>(fd)], options(), &fd_options)?));
    endpoint.attach()?;
    let mut receiver = endpoint.receiver(0)?;
    Ok(Box::new(move || Ok(receiver.poll(&mut Count).map_err(|ended| ended.to_string())?)))
}

/// A type for each copy of fdlink's code.
struct Own<const COPY: usize>(OwnedFd);

impl<const COPY: usize> AsFd for Own<COPY> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// `read(2)` into one hot buffer.
pub(super) fn reading<const COPY: usize>(fd: OwnedFd) -> Take {
    let mut buffer = vec![0; SLOT];
    Box::new(move || {
        pad::<COPY>();
        let received = read(&fd, &mut buffer[..]).map_err(Errno::into);
        count(received.map(|len| &buffer[..len]))
    })
}

pub(super) fn gathering<const COPY: usize>(fd: OwnedFd) -> Take {
    let mut messages = Messages::new(FdOptions::RECVMMSG_BATCH, SLOT);
    Box::new(move || {
        pad::<COPY>();
        messages.receive(&fd, count_frame)
    })
}

pub(super) fn by_smoltcp<const COPY: usize>(mut device: impl Device + 'static) -> Take {
    Box::new(move || {
        pad::<COPY>();
        let Some((token, _)) = device.receive(Instant::ZERO) else { return Ok(0) };
        token.consume(count_frame);
        Ok(1)
    })
}

pub(super) fn by_tun_rs<const COPY: usize>(device: SyncDevice) -> Take {
    let mut buffer = vec![0; SLOT];
    Box::new(move || {
        pad::<COPY>();
        count(device.recv(&mut buffer).map(|len| &buffer[..len]))
    })
}

pub(super) fn by_pnet<const COPY: usize>(mut receiver: Box<dyn DataLinkReceiver>) -> Take {
    Box::new(move || {
        pad::<COPY>();
        count(receiver.next())
    })
}

fn count(received: std::io::Result<&[u8]>) -> Result<usize, Box<dyn Error>> {
    match received {
        Ok(frame) => {
            count_frame(frame);
            Ok(1)
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Bytes of a slot, as many as fdlink's have.
const SLOT: usize = 1536;
