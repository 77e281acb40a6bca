//! An endpoint of several descriptors that the test itself polls.

use std::os::fd::AsFd;

use fdlink_core::LinkEndpoint as _;
use fdlink_linux::{DispatchMode, FdEndpoint, FdOptions, endpoint};
use fdlink_tests::support::{Collector, Peer, plain};

use crate::flows::{Mark, marks, send_in_bursts};

pub(crate) struct Driven<F: AsFd> {
    pub(crate) endpoint: FdEndpoint<F>,
    pub(crate) collectors: Vec<Collector>,
}

impl<F: AsFd> Driven<F> {
    /// Attached, in the best mode of the descriptors.
    pub(crate) fn new(fds: impl IntoIterator<Item = F>) -> Self {
        Self::in_mode(None, fds)
    }

    pub(crate) fn in_mode(dispatch_mode: Option<DispatchMode>, fds: impl IntoIterator<Item = F>) -> Self {
        let endpoint = endpoint(fds, plain(), &FdOptions { dispatch_mode, ..FdOptions::default() }).unwrap();
        endpoint.attach().unwrap();
        let collectors = endpoint.queues().iter().map(|_| Collector::new()).collect();
        Self { endpoint, collectors }
    }

    /// Takes what is there now from each queue; returns how many frames were received so far.
    pub(crate) fn poll(&mut self) -> usize {
        for (queue, collector) in self.collectors.iter_mut().enumerate() {
            self.endpoint.receiver(queue).unwrap().poll(collector).unwrap();
        }
        self.endpoint.counters().rx.received
    }

    /// Sends `frames` to the endpoint; what each queue delivered.
    pub(crate) fn receive(&mut self, peer: &Peer, frames: &[Mark]) -> Vec<Vec<Mark>> {
        send_in_bursts(peer, frames, || self.poll());
        self.marks()
    }

    /// What each queue delivered so far.
    pub(crate) fn marks(&self) -> Vec<Vec<Mark>> {
        self.collectors.iter().map(marks).collect()
    }
}
