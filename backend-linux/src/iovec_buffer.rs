//! Scattered reads into views of growing size, for callers who keep what they read.

use core::mem::take;
use std::io::IoSliceMut;
use std::os::fd::AsFd;

use rustix::io::{Errno, readv};

/// The origin's `BufConfig`: sizes of the views in bytes, small ones first. The first holds the longest IP and TCP headers (120 bytes), all
/// together more than the longest IP packet.
pub const BUF_CONFIG: [usize; 10] = [128, 256, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768];

/// Reads a frame into several views and hands out only those that it filled (origin: `iovecBuffer`).
///
/// [`FdRx`](crate::FdRx) reads into one contiguous slot and lends it, which is cheaper. This is for callers who want to own a frame without
/// copying it and without spending a buffer of the largest size on it: a frame of 100 bytes takes one view of 128.
#[derive(Debug)]
pub struct IovecBuffer {
    sizes: Box<[usize]>,
    /// Empty where a view was pulled; replaced by the next read.
    views: Box<[Vec<u8>]>,
    /// Bytes at the start of each frame that are read and not handed out: a virtio-net header.
    skip: Box<[u8]>,
}

impl IovecBuffer {
    /// A buffer with views of these sizes in bytes, behind `skip` bytes that are read and thrown away.
    #[must_use]
    pub fn new(sizes: &[usize], skip: usize) -> Self {
        Self { sizes: sizes.into(), views: sizes.iter().map(|_| Vec::new()).collect(), skip: vec![0; skip].into() }
    }

    /// Reads one frame and returns its length in bytes, the skipped ones included. A frame longer than all views is cut, which readv(2) does not tell.
    ///
    /// # Errors
    ///
    /// What readv(2) reports; `EAGAIN` where nothing is there and the descriptor is non-blocking.
    pub fn read(&mut self, fd: impl AsFd) -> Result<usize, Errno> {
        self.renew();
        let skip = (!self.skip.is_empty()).then(|| IoSliceMut::new(&mut self.skip));
        let views = self.views.iter_mut().map(|view| IoSliceMut::new(view));
        let mut iovecs: Vec<_> = skip.into_iter().chain(views).collect();
        rustix::io::retry_on_intr(|| readv(&fd, &mut iovecs))
    }

    /// Takes the views that hold the first `len` bytes of the last frame, as returned by [`read`](IovecBuffer::read), the last one cut to size. The
    /// views behind them stay for the next read.
    pub fn pull(&mut self, len: usize) -> Vec<Vec<u8>> {
        let mut left = len.saturating_sub(self.skip.len());
        let mut pulled = Vec::new();
        for view in &mut self.views {
            if left == 0 {
                break;
            }
            let mut view = take(view);
            view.truncate(left);
            left -= view.len();
            pulled.push(view);
        }
        pulled
    }

    /// Replaces the views that were pulled.
    fn renew(&mut self) {
        for (view, size) in self.views.iter_mut().zip(&self.sizes) {
            if view.is_empty() {
                *view = vec![0; *size];
            }
        }
    }
}
