use std::thread;
use std::time::Duration;

use super::carrier::{Carrier, OUR_MAC, ethernet};
use super::far::Far;
use super::lab::Lab;
use super::pcap::{FrameLog, LinkType, Trace};
use super::report::Report;
use super::stack::Stack;
use super::{DemoArgs, OURS, script, serve};
use anyhow::Context as _;
use fdlink_core::io::RawIo;
use fdlink_core::{Endpoint, LinkEndpoint as _, Options, Queue};
use fdlink_mock::Link;
use rustix::time::{ClockId, clock_gettime};

/// What a session is about, besides its channel.
struct Session<'s> {
    args: &'s DemoArgs,
    lab: &'s Lab,
    report: &'s mut Report,
}

/// Runs all steps over `carrier`.
pub(super) fn run(carrier: Carrier, args: &DemoArgs, lab: &Lab, report: &mut Report) -> anyhow::Result<()> {
    let session = Session { args, lab, report };
    match carrier {
        Carrier::Kernel(io, options) => session.traced(io, options, Far::<fdlink_linux::FdIo>::Kernel),
        Carrier::Pair(ours, theirs) => session.traced(ours, ethernet(OUR_MAC), Far::Stack(theirs)),
        Carrier::Mock => {
            let link = Box::new(Link::<MOCK_FRAMES, MOCK_FRAME_LEN>::new());
            let (ours, theirs) = link.ends();
            session.traced(ours, ethernet(OUR_MAC), Far::Stack(theirs))
        }
    }
}

impl Session<'_> {
    /// Puts the frame log between endpoint and channel, if one was asked for: it is a channel itself.
    fn traced<IO: RawIo, P: RawIo + Send>(self, io: IO, options: Options, far: Far<P>) -> anyhow::Result<()> {
        let Some(path) = &self.args.pcap else { return self.over(io, options, far) };
        let link_type = if options.ethernet_header { LinkType::Ethernet } else { LinkType::Raw };
        let log = FrameLog::create(path, link_type).with_context(|| format!("--pcap {}", path.display()))?;
        let outcome = self.over(Trace::new(io, &log), options, far);
        let written = log.finish().with_context(|| format!("--pcap {}", path.display()));
        outcome.and(written)
    }

    fn over<IO: RawIo, P: RawIo + Send>(self, io: IO, options: Options, far: Far<P>) -> anyhow::Result<()> {
        let endpoint = Endpoint::new([Queue::new(io)], options)?;
        endpoint.attach()?;
        let mut stack = Stack::new(&endpoint, OURS)?;
        let cpu = thread_cpu_time();
        let outcome = thread::scope(|scope| {
            let far = far.start(scope, self.args.transfer_time())?;
            let server = script::run(&mut stack, &far, self.args.transfer_time(), self.report)?;
            if self.args.serve { serve::run(&mut stack, &server, self.args.seconds, self.lab) } else { Ok(()) }
        });
        self.report.cpu = thread_cpu_time().saturating_sub(cpu);
        // What the kernel dropped is asked for at the end.
        drop(stack);
        self.report.counters = endpoint.counters();
        outcome
    }
}

/// User and system time of the calling thread.
fn thread_cpu_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

/// Each way, a TCP window of frames and some more. The link is made on the stack, so not many more.
const MOCK_FRAMES: usize = 256;
const MOCK_FRAME_LEN: usize = 1514;
