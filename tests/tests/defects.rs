//! The proven defects of the origin, by their number in the list of its faults: fdlink has none of them. All on real descriptors.
//!
//! Not here: 17 and 19 to 21 (mapped rings) and 36 (VLAN metadata), which belong to the tests of those features; 44 (dead fields), which has no
//! behaviour.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "defects/accounting.rs"]
mod accounting;
#[path = "defects/attaching.rs"]
mod attaching;
#[path = "defects/closing.rs"]
mod closing;
#[path = "defects/coalescing.rs"]
mod coalescing;
#[path = "defects/filtering.rs"]
mod filtering;
#[path = "defects/interrupting.rs"]
mod interrupting;
#[path = "defects/leftovers.rs"]
mod leftovers;
#[path = "defects/processors.rs"]
mod processors;
#[path = "defects/receiving.rs"]
mod receiving;
#[path = "defects/refusing.rs"]
mod refusing;
#[path = "defects/scattering.rs"]
mod scattering;
#[path = "defects/segmenting.rs"]
mod segmenting;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    let mut trials = Trials::enter();
    receiving::add(&mut trials);
    closing::add(&mut trials);
    interrupting::add(&mut trials);
    attaching::add(&mut trials);
    leftovers::add(&mut trials);
    refusing::add(&mut trials);
    scattering::add(&mut trials);
    filtering::add(&mut trials);
    accounting::add(&mut trials);
    processors::add(&mut trials);
    coalescing::add(&mut trials);
    segmenting::add(&mut trials);
    trials.conclude()
}
