//! Any kind of channel with middleware around it: what wraps a channel is one.

use std::sync::Arc;
use std::time::Duration;

use fdlink_mock::device::{Capture, Counts, Faulty, Tracer, Watched};
use fdlink_mock::fault::FaultPlan;
use fdlink_mock::record::LinkType;
use spin::Mutex;

use super::{Bench, Traits};

/// Channels of a kind behind a capture, a tracer, a fault injector that makes no fault, and counts.
#[derive(Debug, Clone, Copy)]
pub struct Wrapped<B>(pub B);

impl<B: Bench> Bench for Wrapped<B> {
    type Io = Watched<Faulty<Watched<Watched<B::Io, Capture>, Tracer>>, Counts>;
    type Far = B::Far;

    fn open(&self, receive_len: usize) -> (Self::Io, B::Far) {
        let (io, far) = self.0.open(receive_len);
        let (io, _) = Watched::new(io, Capture::new("wrapped", LinkType::Ethernet, || Duration::ZERO));
        let (io, _) = Watched::new(io, Tracer::new(|| Duration::ZERO, |line| assert!(!line.to_string().is_empty())));
        let faulty = Faulty::new(io, Arc::new(Mutex::new(FaultPlan::none())), 0);
        let (io, _) = Watched::new(faulty, Counts::default());
        (io, far)
    }

    fn traits(&self) -> Traits {
        self.0.traits()
    }
}
