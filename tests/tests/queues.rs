//! Endpoints of several descriptors: fanout groups of sockets, TAP interfaces with several queues; and of several processors behind each.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "queues/detaching.rs"]
mod detaching;
#[path = "queues/driven.rs"]
mod driven;
#[path = "queues/fanout.rs"]
mod fanout;
#[path = "queues/flows.rs"]
mod flows;
#[path = "queues/groups.rs"]
mod groups;
#[path = "queues/helper.rs"]
mod helper;
#[path = "queues/interface.rs"]
mod interface;
#[path = "queues/kinds.rs"]
mod kinds;
#[path = "queues/ordering.rs"]
mod ordering;
#[path = "queues/preconfigured.rs"]
mod preconfigured;
#[path = "queues/processors.rs"]
mod processors;

use std::process::ExitCode;

use fdlink_tests::support::Trials;

fn main() -> ExitCode {
    if let Some(code) = helper::run() {
        return code;
    }
    let mut trials = Trials::enter();
    fanout::add(&mut trials);
    groups::add(&mut trials);
    preconfigured::add(&mut trials);
    ordering::add(&mut trials);
    interface::add(&mut trials);
    detaching::add(&mut trials);
    kinds::add(&mut trials);
    processors::add(&mut trials);
    trials.conclude()
}
