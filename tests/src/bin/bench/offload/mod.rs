//! G6 and G7: super-frames of 64 KiB behind a virtio-net header, as kernels hand bulk TCP to each other. Their bytes are what costs.

mod receive;
mod send;
mod super_frame;

use std::error::Error;

use fdlink_linux::DispatchMode;

use crate::arguments::Arguments;
use crate::progress::Progress;
use crate::scenario::Outcome;
use crate::workplace::Needs;

/// What is done with the super-frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Job {
    /// Taken from a packet socket.
    Receive(DispatchMode),
    /// Sent by a packet socket, many a call.
    Send,
    /// Read from a TUN interface.
    Tun,
}

impl Job {
    pub(crate) const ALL: [Self; 4] =
        [Self::Receive(DispatchMode::Readv), Self::Receive(DispatchMode::RecvMmsg), Self::Send, Self::Tun];

    pub(crate) fn name(self) -> String {
        match self {
            Self::Receive(mode) => format!("offload-veth-{mode}"),
            Self::Send => "offload-veth-sendmmsg".to_owned(),
            Self::Tun => "offload-tun-readv".to_owned(),
        }
    }

    pub(crate) const fn gate(self) -> &'static str {
        match self {
            Self::Receive(_) | Self::Send => "G6",
            Self::Tun => "G7",
        }
    }

    pub(crate) const fn limit(self) -> f64 {
        match self {
            Self::Receive(_) | Self::Send => 1.05,
            Self::Tun => 1.1,
        }
    }

    pub(crate) const fn needs(self) -> Needs {
        match self {
            Self::Receive(_) | Self::Send => Needs::Namespace,
            Self::Tun => Needs::Tun,
        }
    }
}

pub(crate) fn measure(job: Job, arguments: &Arguments, progress: &mut Progress) -> Result<Outcome, Box<dyn Error>> {
    match job {
        Job::Receive(mode) => receive::measure_packet_socket(mode, arguments, progress),
        Job::Send => send::measure(arguments, progress),
        Job::Tun => receive::measure_tun(arguments, progress),
    }
}
