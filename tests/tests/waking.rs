//! What a wake policy and the timer of a ring of blocks add to the way of a frame that comes after a rest.
//!
//! Each frame is sent when the receiver has delivered the one before and sleeps, or polls by its policy; its time is taken from there to the
//! dispatcher. `--nocapture` shows the figures.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use fdlink_core::{EtherType, NetworkDispatcher, Options, RxPacket, WakePolicy};
use fdlink_linux::{DispatchMode, FdOptions, RingOptions, RingVersion, Runner, endpoint};
use fdlink_tests::support::{Cable, PATIENCE, Trials, in_mode, marked, plain, to_own, until};

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    trials.in_namespaces(prompt_adds_less_than_any_delay);
    trials.in_namespaces(coalescing_adds_its_delay_and_little_more);
    trials.in_namespaces(blocks_add_their_timer_at_most);
    trials.conclude()
}

fn prompt_adds_less_than_any_delay() {
    let modes = [in_mode(DispatchMode::Readv), in_mode(DispatchMode::RecvMmsg), in_ring(RingOptions::V2)];
    for (fd_options, name) in modes.into_iter().zip(["readv", "recvmmsg", "ring V2"]) {
        let prompt = measure(&format!("prompt, {name}"), WakePolicy::Prompt, fd_options);
        let busy = measure(&format!("busy poll, {name}"), WakePolicy::BusyPoll { budget: 20_000 }, fd_options);
        assert!(prompt.p50 < Duration::from_micros(900) && busy.p50 < Duration::from_micros(900), "{name}");
    }
}

fn coalescing_adds_its_delay_and_little_more() {
    for (fd_options, name) in [(in_mode(DispatchMode::RecvMmsg), "recvmmsg"), (in_ring(RingOptions::V2), "ring V2")] {
        for max_delay in [Duration::from_micros(200), Duration::from_millis(1)] {
            let times =
                measure(&format!("coalesce {max_delay:?}, {name}"), WakePolicy::Coalesce { max_delay }, fd_options);
            assert!(times.p50 >= max_delay * 9 / 10, "{name}: {times:?} is less than {max_delay:?}");
            assert!(times.p50 < max_delay + SLACK, "{name}: {times:?} is far more than {max_delay:?}");
        }
    }
}

/// Two timers: the kernel looks at a block once a period, and hands it over when it has not been touched for one.
fn blocks_add_their_timer_at_most() {
    for retire in [Duration::from_millis(1), Duration::from_millis(8)] {
        let ring = RingOptions { version: RingVersion::V3 { retire }, ..RingOptions::V3 };
        let times = measure(&format!("ring V3, {retire:?}"), WakePolicy::Prompt, in_ring(ring));
        assert!(times.p50 < 2 * retire + 2 * JIFFY + SLACK, "{times:?}");
    }
}

#[derive(Debug)]
struct Times {
    p50: Duration,
}

fn measure(what: &str, wake: WakePolicy, fd_options: FdOptions) -> Times {
    let cable = Cable::new();
    let (fd, peer) = cable.pair();
    let endpoint = Arc::new(endpoint([fd], Options { wake, ..plain() }, &fd_options).unwrap());
    let (sender, delivered) = channel();
    let runner = Runner::attach(endpoint, |_| Clock(sender.clone())).unwrap();
    let is_busy_polling = matches!(wake, WakePolicy::BusyPoll { .. });
    let mut times: Vec<_> = (0..FRAMES)
        .map(|number| {
            until("the receiver to rest", || is_busy_polling || is_asleep());
            let sent = Instant::now();
            peer.send(&to_own(&marked(number, 60)));
            next(&delivered, number).duration_since(sent)
        })
        .collect();
    runner.stop().unwrap();
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    println!("{what}: least {:?}, p50 {:?}, p99 {:?}", times[0], at(50), at(99));
    Times { p50: at(50) }
}

fn next(delivered: &Receiver<(u32, Instant)>, number: u32) -> Instant {
    let (got, at) = delivered.recv_timeout(PATIENCE).unwrap();
    assert_eq!(got, number);
    at
}

/// The one receive thread waits in the kernel (proc_pid_stat(5)).
fn is_asleep() -> bool {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let stats = threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok());
    stats.into_iter().any(|stat| stat.contains("(fdlink-rx-0) S "))
}

fn in_ring(ring: RingOptions) -> FdOptions {
    FdOptions { ring, ..in_mode(DispatchMode::PacketMmap) }
}

/// Tells when each frame was delivered.
struct Clock(Sender<(u32, Instant)>);

impl NetworkDispatcher for Clock {
    fn deliver(&mut self, _protocol: EtherType, packet: RxPacket<'_>) {
        let number = u32::from_be_bytes(packet.payload()[..4].try_into().unwrap());
        self.0.send((number, Instant::now())).unwrap();
    }
}

const FRAMES: u32 = 300;
/// Generous: the machine does other things too.
const SLACK: Duration = Duration::from_millis(5);
/// The longest tick of the kernel (`CONFIG_HZ_100`), to which the timer of blocks is rounded.
const JIFFY: Duration = Duration::from_millis(10);
