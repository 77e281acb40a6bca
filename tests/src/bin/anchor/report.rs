use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use fdlink_core::{EtherType, LinkEvent, NetworkDispatcher, RxPacket};
use nix::time::{ClockId, clock_gettime};

static FRAMES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static PROTOCOL: AtomicU64 = AtomicU64::new(0);

/// Counts in a function that is not inlined, as the other anchors do.
pub(crate) struct Count;

impl NetworkDispatcher for Count {
    fn deliver(&mut self, protocol: EtherType, packet: RxPacket<'_>) {
        count(protocol, packet.payload());
    }

    fn notify(&mut self, event: LinkEvent) {
        if event.is_end() {
            eprintln!("anchor: {event:?}");
        }
    }
}

#[inline(never)]
fn count(protocol: EtherType, payload: &[u8]) {
    FRAMES.store(FRAMES.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + payload.len() as u64, Relaxed);
    PROTOCOL.store(u64::from(protocol.0), Relaxed);
}

pub(crate) fn counted() -> (u64, u64) {
    (FRAMES.load(Relaxed), BYTES.load(Relaxed))
}

/// Prints the object of the contract.
pub(crate) fn print(frames: u64, bytes: u64, cpu: Duration, drops: i64, secs: Option<f64>) {
    let (cpu, rss) = (cpu.as_secs_f64(), resident_kib());
    let secs = secs.map(|secs| format!(",\"secs\":{secs:.6}")).unwrap_or_default();
    println!("{{\"pk\":{frames},\"by\":{bytes},\"cpu\":{cpu:.6},\"rss\":{rss},\"drops\":{drops}{secs}}}");
}

/// User and system time of the whole process.
pub(crate) fn process_cpu() -> Duration {
    read_clock(ClockId::CLOCK_PROCESS_CPUTIME_ID)
}

/// User and system time of this thread.
pub(crate) fn thread_cpu() -> Duration {
    read_clock(ClockId::CLOCK_THREAD_CPUTIME_ID)
}

fn read_clock(clock: ClockId) -> Duration {
    clock_gettime(clock).map_or(Duration::ZERO, Duration::from)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}
