//! Random frames, packets and lives of an endpoint over an in-memory link, against a model: `cargo xtask fuzz`.
//!
//! Every case is made of one number, its seed, and is the same each time. Cases take the seeds from the first one on; the one that
//! fails is printed, and `fuzz --seed N --cases 1` runs it again.

#![forbid(unsafe_code)]

mod arguments;
mod coalesce;
mod receive;
mod segments;
mod transmit;
mod wire;

use std::panic;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use arguments::Arguments;
use fdlink_tests::random::Dice;

/// The case that is running.
static SEED: AtomicU64 = AtomicU64::new(0);

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => {
            run(&arguments);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A case that fails panics and ends the process.
fn run(arguments: &Arguments) {
    name_the_seed_on_panic();
    println!("fuzz: first seed {}", arguments.seed);
    let start = Instant::now();
    let mut cases = 0;
    while arguments.cases.map_or(start.elapsed() < arguments.time, |most| cases < most) {
        let seed = arguments.seed.wrapping_add(cases);
        SEED.store(seed, Relaxed);
        case(&mut Dice::new(seed));
        cases += 1;
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("fuzz: {cases} cases in {seconds:.1} s, seeds {} and up, all well", arguments.seed);
}

fn case(dice: &mut Dice) {
    match dice.within(0..=3) {
        0 => receive::case(dice),
        1 => transmit::case(dice),
        2 => segments::case(dice),
        _ => coalesce::case(dice),
    }
}

fn name_the_seed_on_panic() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        hook(info);
        eprintln!("fuzz: this was seed {0}; again: fuzz --seed {0} --cases 1", SEED.load(Relaxed));
    }));
}
