use std::fmt;
use std::io::{Write as _, stderr, stdout};
use std::time::Duration;

use super::carrier::LinkKind;
use super::choice::Choice;
use super::lab::Lab;
use super::table;
use super::transfer::Transfer;
use anyhow::ensure;
use fdlink_core::{Counters, DropCause, RefusalCause};
use serde_json::{Map, Value, json};

/// What was found, as far as the demonstration came.
pub(super) struct Report {
    pub(super) kind: LinkKind,
    pub(super) why: String,
    pub(super) mode: String,
    pub(super) far_side: &'static str,
    pub(super) place: &'static str,
    pub(super) ping: Count,
    pub(super) udp: Count,
    pub(super) download: Option<Leg>,
    pub(super) upload: Option<Leg>,
    pub(super) http_ok: bool,
    pub(super) counters: Counters,
    pub(super) cpu: Duration,
}

impl Report {
    pub(super) fn new(choice: &Choice, lab: &Lab) -> Self {
        Self {
            kind: choice.kind,
            why: choice.why.clone(),
            mode: choice.carrier.mode(),
            far_side: choice.carrier.far_side(),
            place: lab.describe(),
            ping: Count::default(),
            udp: Count::default(),
            download: None,
            upload: None,
            http_ok: false,
            counters: Counters::default(),
            cpu: Duration::ZERO,
        }
    }

    /// Says what will be done, and why so. Nothing depends on whether it can be written.
    pub(super) fn announce(&self) {
        let Self { kind, why, mode, far_side, place, .. } = self;
        let _ = writeln!(stderr(), "fd         {kind} ({why})");
        let _ = writeln!(stderr(), "setting    smoltcp, fdlink in mode {mode}, {kind}; peer: {far_side}; in {place}");
    }

    /// Prints the table, if there is anything to show; with `json` that goes to the standard error, and one object to the standard output.
    pub(super) fn print(&self, json: bool, error: Option<&anyhow::Error>) -> anyhow::Result<()> {
        let table = table::Table(self);
        if json {
            let _ = write!(stderr(), "\n{table}");
            writeln!(stdout(), "{}", self.to_json(error))?;
        } else if self.ping.tried > 0 {
            write!(stdout(), "\n{table}")?;
        }
        Ok(())
    }

    /// Frames that came and were neither delivered, merged nor dropped for a cause, and frames that the system refused. Those that were unfit
    /// for the link do not count: refusing them is right.
    pub(super) fn lost(&self) -> usize {
        let Counters { rx, tx } = self.counters;
        let unaccounted = (rx.received + rx.split).abs_diff(rx.delivered + rx.merged + rx.dropped_total());
        unaccounted + tx.refused_total() - tx.refused(RefusalCause::Unfit)
    }

    /// None is lost where all worked.
    pub(super) fn check_losses(&self) -> anyhow::Result<()> {
        ensure!(self.lost() == 0, "{} frames were lost; {}", self.lost(), self.counters);
        Ok(())
    }

    pub(super) fn cpu_ns_per_frame(&self) -> u64 {
        let frames = (self.counters.rx.received + self.counters.tx.sent).max(1);
        u64::try_from(self.cpu.as_nanos() / frames as u128).unwrap_or(u64::MAX)
    }

    fn legs(&self) -> impl Iterator<Item = &Leg> {
        [&self.download, &self.upload].into_iter().flatten()
    }

    fn hash_ok(&self) -> bool {
        self.legs().count() == 2 && self.legs().all(Leg::is_whole)
    }

    fn to_json(&self, error: Option<&anyhow::Error>) -> Value {
        let Counters { rx, tx } = self.counters;
        json!({
            "ok": error.is_none(),
            "error": error.map(|error| format!("{error:#}")),
            "fd": self.kind.to_string(),
            "why": self.why,
            "mode": self.mode,
            "peer": self.far_side,
            "ping_sent": self.ping.tried,
            "ping_replies": self.ping.ok,
            "udp_sent": self.udp.tried,
            "udp_echoed": self.udp.ok,
            "tcp_bytes": self.legs().map(|leg| leg.received.bytes).sum::<u64>(),
            "download_gbit_s": self.download.as_ref().map(Leg::gigabits),
            "upload_gbit_s": self.upload.as_ref().map(Leg::gigabits),
            "hash_ok": self.hash_ok(),
            "http_ok": self.http_ok,
            "rx_frames": rx.received,
            "rx_bytes": rx.received_bytes,
            "rx_calls": rx.calls,
            "tx_frames": tx.sent,
            "tx_bytes": tx.sent_bytes,
            "tx_calls": tx.calls,
            "cpu_ns_per_frame": self.cpu_ns_per_frame(),
            "rx_frames_per_syscall": frames_per_call(rx.received, rx.calls),
            "tx_frames_per_syscall": frames_per_call(tx.sent, tx.calls),
            "drops": by_cause(&DropCause::ALL, &rx.drops),
            "refusals": by_cause(&RefusalCause::ALL, &tx.refusals),
            "lost": self.lost(),
        })
    }
}

fn by_cause<C: fmt::Display>(causes: &[C], counts: &[usize]) -> Value {
    causes
        .iter()
        .zip(counts)
        .map(|(cause, count)| (cause.to_string().replace(' ', "_"), (*count).into()))
        .collect::<Map<_, _>>()
        .into()
}

/// `None` without any call: a ring in shared memory needs none.
pub(super) fn frames_per_call(frames: usize, calls: usize) -> Option<f64> {
    (calls > 0).then(|| frames as f64 / calls as f64)
}

/// How many were tried, and how many of these went well.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    pub(super) tried: u32,
    pub(super) ok: u32,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.ok, self.tried)
    }
}

/// One TCP stream, as both sides saw it.
pub(super) struct Leg {
    pub(super) sent: Transfer,
    pub(super) received: Transfer,
    pub(super) time: Duration,
}

impl Leg {
    /// What was received is what was sent, and not nothing.
    pub(super) fn is_whole(&self) -> bool {
        self.sent == self.received && self.sent.bytes > 0
    }

    pub(super) fn gigabits(&self) -> f64 {
        self.received.bytes as f64 * 8e-9 / self.time.as_secs_f64()
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received, time } = self;
        let (megabytes, seconds) = (received.bytes as f64 / 1e6, time.as_secs_f64());
        write!(f, "{megabytes:.1} MB in {seconds:.1} s, {:.2} Gbit/s, ", self.gigabits())?;
        if self.is_whole() {
            write!(f, "hash {:016x} on both sides", received.hash)
        } else {
            write!(f, "sent {} bytes, hash {:016x}, received {} bytes, ", sent.bytes, sent.hash, received.bytes)?;
            write!(f, "hash {:016x}", received.hash)
        }
    }
}
