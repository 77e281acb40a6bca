use std::fmt::{self, Display, Formatter};

use super::report::{Leg, Report, frames_per_call};
use fdlink_core::{Counters, DropCause, RefusalCause};

/// The end of the demonstration, for people.
pub(super) struct Table<'r>(pub(super) &'r Report);

impl Display for Table<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        let Counters { rx, tx } = report.counters;
        writeln!(f, "fd         {}, mode {}, peer: {}", report.kind, report.mode, report.far_side)?;
        writeln!(
            f,
            "           {:>10} {:>14} {:>15} {:>14}   dropped",
            "frames", "bytes", "frames/syscall", "TCP, Gbit/s"
        )?;
        let received = Row { frames: rx.received, bytes: rx.received_bytes, calls: rx.calls, leg: &report.download };
        writeln!(f, "received   {received}   {}", Causes(&DropCause::ALL, &rx.drops))?;
        let sent = Row { frames: tx.sent, bytes: tx.sent_bytes, calls: tx.calls, leg: &report.upload };
        writeln!(f, "sent       {sent}   {}", Causes(&RefusalCause::ALL, &tx.refusals))?;
        writeln!(
            f,
            "cpu        {} ns per frame, of the thread with fdlink, smoltcp and the hash",
            report.cpu_ns_per_frame()
        )?;
        writeln!(f, "lost       {} frames, unaccounted for or refused by the system", report.lost())?;
        if cfg!(debug_assertions) {
            writeln!(
                f,
                "           (a development build; `cargo run --release -p xtask -- demo` shows better figures)"
            )?;
        }
        Ok(())
    }
}

/// One direction.
struct Row<'r> {
    frames: usize,
    bytes: usize,
    calls: usize,
    leg: &'r Option<Leg>,
}

impl Display for Row<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { frames, bytes, calls, leg } = self;
        write!(f, "{frames:>10} {bytes:>14} ")?;
        match frames_per_call(*frames, *calls) {
            Some(ratio) => write!(f, "{ratio:>15.2} ")?,
            None => write!(f, "{:>15} ", "no syscall")?,
        }
        match leg {
            Some(leg) => write!(f, "{:>14.2}", leg.gigabits()),
            None => write!(f, "{:>14}", "-"),
        }
    }
}

/// Counts that are not zero, with their causes.
struct Causes<'c, C>(&'c [C], &'c [usize]);

impl<C: Display> Display for Causes<'_, C> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(causes, counts) = self;
        let mut separator = "";
        for (cause, count) in causes.iter().zip(*counts).filter(|(_, count)| **count > 0) {
            write!(f, "{separator}{cause} {count}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("none") } else { Ok(()) }
    }
}
