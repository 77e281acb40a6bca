use std::io::{Write as _, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::OURS;
use super::http::{PORT, Server};
use super::lab::Lab;
use super::stack::Stack;
use fdlink_core::io::RawIo;
use signal_hook::consts::{SIGINT, SIGTERM};

/// Keeps the page up for `seconds`, or until Ctrl-C, and says how to reach it.
pub(super) fn run<IO: RawIo>(
    stack: &mut Stack<'_, IO>,
    server: &Server,
    seconds: Option<u32>,
    lab: &Lab,
) -> anyhow::Result<()> {
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let time = seconds.map(|seconds| Duration::from_secs(seconds.into()));
    announce(time, lab);
    let started = Instant::now();
    stack.drive("serve", Duration::MAX, |stack| {
        server.step(stack)?;
        let over = time.is_some_and(|time| started.elapsed() >= time);
        Ok((over || interrupted.load(Ordering::Relaxed)).then_some(()))
    })
}

fn announce(time: Option<Duration>, lab: &Lab) {
    let pid = std::process::id();
    let until = time.map_or("until Ctrl-C".to_owned(), |time| format!("for {} s", time.as_secs()));
    let _ = writeln!(
        stderr(),
        "serving    http://{OURS}:{PORT}/ {until}, to whoever is in the network namespace /proc/{pid}/ns/net:\n           \
         {} -t {pid} curl http://{OURS}/",
        lab.nsenter(),
    );
}
