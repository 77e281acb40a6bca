//! The counters of a queue against those of the network.

use fdlink_core::io::ErrorKind;
use fdlink_core::rx::gro::MAX_SEGMENTS;
use fdlink_core::{Counters, DropCause, Options, RefusalCause, TxPolicy};
use fdlink_mock::network::Ledger;

/// What the endpoint counted as received is what the network handed out, and nothing is unaccounted for.
#[track_caller]
pub(super) fn check_received(counters: &Counters, ledger: &Ledger) {
    let rx = counters.rx;
    assert!(rx.is_balanced(), "{rx:?}");
    let kernel = rx.dropped(DropCause::Kernel);
    assert!(kernel <= ledger.overrun, "{kernel} drops told of {}", ledger.overrun);
    assert_eq!(rx.received - kernel, ledger.taken, "frames taken");
    assert_eq!(rx.received_bytes, ledger.taken_bytes, "bytes taken");
    assert_eq!(rx.calls + final_errors(ledger), ledger.receive_calls, "calls to receive");
    assert_eq!(rx.errors + final_errors(ledger), ledger.failed.total(), "receives that failed");
}

/// An end counts neither as a call nor as an error that passes.
fn final_errors(ledger: &Ledger) -> usize {
    ledger.failed[ErrorKind::Closed] + ledger.failed[ErrorKind::Fatal]
}

/// Once every receiver is back, every drop was told.
#[track_caller]
pub(super) fn check_drops(counters: &Counters, ledger: &Ledger) {
    assert_eq!(counters.rx.dropped(DropCause::Kernel), ledger.overrun, "drops of the system");
}

/// What the endpoint counted as sent is what the network took, and each refusal is counted under its cause.
#[track_caller]
pub(super) fn check_sent(counters: &Counters, ledger: &Ledger, options: &Options) {
    let tx = counters.tx;
    assert_eq!((tx.sent, tx.sent_bytes), (ledger.sent, ledger.sent_bytes), "frames and bytes sent");
    assert_eq!(tx.calls, ledger.send_calls, "calls to send");
    // A frame that asked for an offload is tried again without.
    let refused = &ledger.refused;
    let rejected =
        refused[ErrorKind::OffloadRejected] + refused[ErrorKind::FrameTooLong] + refused[ErrorKind::FrameRejected];
    assert_eq!(tx.refused(RefusalCause::Rejected), rejected, "rejected");
    check_refused(counters, RefusalCause::LinkDown, refused_as(ledger, ErrorKind::LinkDown), options);
}

/// Whether it asked for an offload or not.
pub(super) fn refused_as(ledger: &Ledger, kind: ErrorKind) -> usize {
    ledger.refused[kind] + ledger.refused_offloads[kind]
}

/// Errors that may pass refuse frames only where the policy says so. Not for a smoltcp device, which gives up frames itself.
#[track_caller]
pub(super) fn check_policy(counters: &Counters, ledger: &Ledger, options: &Options) {
    let ends = [ErrorKind::Closed, ErrorKind::Fatal].map(|kind| refused_as(ledger, kind));
    check_refused(counters, RefusalCause::Closed, ends[0] + ends[1], options);
    let passing = [(RefusalCause::WouldBlock, ErrorKind::WouldBlock), (RefusalCause::NoBuffers, ErrorKind::NoBuffers)];
    for (cause, kind) in passing {
        let frames = if options.tx_policy == TxPolicy::Drop { refused_as(ledger, kind) } else { 0 };
        check_refused(counters, cause, frames, options);
    }
}

/// With a frame goes a packet, or several where they are merged.
#[track_caller]
fn check_refused(counters: &Counters, cause: RefusalCause, frames: usize, options: &Options) {
    let packets = counters.tx.refused(cause);
    let most = if options.tx_coalesce { MAX_SEGMENTS * frames } else { frames };
    assert!((frames..=most).contains(&packets), "{cause}: {packets} packets of {frames} frames");
}

/// Frames towards a port are lost, arrived, or still on the wire; `on_the_wire` is known where nothing is.
#[track_caller]
pub(super) fn check_wire(ledger: &Ledger, on_the_wire: usize) {
    let ended =
        ledger.lost + ledger.overflowed + ledger.undeliverable + ledger.filtered + ledger.overrun + ledger.arrived;
    assert_eq!(ledger.carried, ended + on_the_wire, "{ledger:?}");
}
