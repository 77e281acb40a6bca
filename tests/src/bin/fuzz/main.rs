//! Random cases for a time, each held against a model: `cargo xtask fuzz`.
//!
//! Cases take the seeds from the first one on; the one that fails is printed with the command that runs it again.

#![forbid(unsafe_code)]

mod arguments;

use std::panic;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;

use arguments::Arguments;
use fdlink_tests::fuzz::{Corpus, Target};

/// The case that is running.
static RUNNING: Mutex<(&str, u64)> = Mutex::new(("", 0));

fn main() -> ExitCode {
    match Arguments::parse(std::env::args().skip(1)).and_then(|arguments| Ok(run(&arguments)?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fuzz: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A case that fails panics and ends the process.
fn run(arguments: &Arguments) -> std::io::Result<()> {
    name_the_seed_on_panic();
    println!("fuzz: first seed {}", arguments.seed);
    let mut kept: Vec<_> = arguments.targets.iter().map(|target| (*target, Corpus::load(*target))).collect();
    let before: usize = kept.iter().map(|(_, corpus)| corpus.len()).sum();
    let start = Instant::now();
    let mut cases = 0;
    while arguments.cases.map_or(start.elapsed() < arguments.time, |most| cases < most) {
        for (target, corpus) in &mut kept {
            let seed = arguments.seed.wrapping_add(cases);
            set_running(target, seed);
            corpus.add(seed, target.run(seed));
        }
        cases += 1;
    }
    let new = kept.iter().map(|(_, corpus)| corpus.len()).sum::<usize>() - before;
    let seconds = start.elapsed().as_secs_f64();
    println!("fuzz: {cases} cases of each target in {seconds:.1} s, all well; {new} kinds that the corpus has not");
    if arguments.keep {
        kept.iter().try_for_each(|(target, corpus)| corpus.save(*target))?;
    }
    Ok(())
}

fn set_running(target: &Target, seed: u64) {
    if let Ok(mut running) = RUNNING.lock() {
        *running = (target.name, seed);
    }
}

fn name_the_seed_on_panic() {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        hook(info);
        if let Ok(running) = RUNNING.lock() {
            let (target, seed) = *running;
            eprintln!("fuzz: again: fuzz --only {target} --seed {seed} --cases 1");
        }
    }));
}
