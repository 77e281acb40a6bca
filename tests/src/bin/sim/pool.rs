//! Seeds, spread over threads.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use fdlink_tests::sim::{Run, Seen};

use crate::arguments::Arguments;
use crate::progress::Progress;

/// What came of all seeds.
#[derive(Default)]
pub(crate) struct Total {
    pub(crate) seeds: u64,
    pub(crate) failures: Vec<Failure>,
    /// How often each fault came.
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) seen: Seen,
    pub(crate) time: Duration,
    pub(crate) virtual_time: Duration,
}

/// A run that failed, and why.
pub(crate) struct Failure {
    pub(crate) run: Run,
    pub(crate) message: String,
}

/// What the threads share.
struct Pool<'a> {
    arguments: &'a Arguments,
    start: Instant,
    next: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    stopped: AtomicBool,
    /// What each thread is at, and since when.
    current: Vec<Mutex<Option<(Run, Instant)>>>,
}

pub(crate) fn run(arguments: &Arguments) -> Total {
    let pool = Pool {
        arguments,
        start: Instant::now(),
        next: AtomicU64::new(0),
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        current: (0..arguments.threads).map(|_| Mutex::new(None)).collect(),
    };
    let mut total = Total::default();
    thread::scope(|scope| {
        let workers: Vec<_> = pool.current.iter().map(|at| scope.spawn(|| pool.work(at))).collect();
        pool.watch(|| workers.iter().all(thread::ScopedJoinHandle::is_finished));
        for worker in workers {
            total.add(worker.join().expect("failures are caught"));
        }
    });
    total.failures.sort_by_key(|failure| (failure.run.seed, failure.run.scenario));
    total.time = pool.start.elapsed();
    total
}

impl Pool<'_> {
    fn work(&self, at: &Mutex<Option<(Run, Instant)>>) -> Total {
        let mut total = Total::default();
        while let Some(seed) = self.next_seed() {
            for scenario in &self.arguments.scenarios {
                let run = Run::new(*scenario, seed);
                *at.lock().expect("nobody panics with it") = Some((run.clone(), Instant::now()));
                if total.play(run) {
                    self.failed.fetch_add(1, Relaxed);
                    self.stopped.fetch_or(self.arguments.first_failure, Relaxed);
                }
            }
            total.seeds += 1;
            self.done.fetch_add(1, Relaxed);
        }
        *at.lock().expect("nobody panics with it") = None;
        total
    }

    fn next_seed(&self) -> Option<u64> {
        let number = self.next.fetch_add(1, Relaxed);
        let goes_on = match self.arguments.time {
            Some(time) => self.start.elapsed() < time,
            None => number < self.arguments.seeds,
        };
        (goes_on && !self.stopped.load(Relaxed)).then(|| self.arguments.from.wrapping_add(number))
    }

    /// Tells how far it is, and ends the process where a run hangs: a thread cannot be ended.
    fn watch(&self, is_over: impl Fn() -> bool) {
        let mut progress = Progress::new(self.arguments);
        while !is_over() {
            thread::sleep(TICK);
            progress.show(self.start.elapsed(), self.done.load(Relaxed), self.failed.load(Relaxed));
            for at in &self.current {
                let current = at.lock().expect("nobody panics with it").clone();
                if let Some((run, _)) = current.filter(|(_, since)| since.elapsed() > HANG) {
                    progress.end();
                    println!("HANG {} seed {}: no end after {HANG:?}", run.scenario.name(), run.seed);
                    println!("  again: {}", crate::replay::command(&run));
                    std::process::exit(1);
                }
            }
        }
        progress.end();
    }
}

impl Total {
    /// True if the run failed.
    fn play(&mut self, run: Run) -> bool {
        let outcome = run.go();
        for (_, fault) in &outcome.fired {
            *self.faults.entry(fault.name()).or_default() += 1;
        }
        self.seen.add(&outcome.seen);
        self.virtual_time += outcome.time;
        let Some(message) = outcome.failure else { return false };
        self.failures.push(Failure { run, message });
        true
    }

    fn add(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.failures.extend(other.failures);
        for (fault, count) in other.faults {
            *self.faults.entry(fault).or_default() += count;
        }
        self.seen.add(&other.seen);
        self.virtual_time += other.virtual_time;
    }
}

const TICK: Duration = Duration::from_millis(50);
/// A run takes milliseconds; the longest, a mebibyte over a bad wire, some seconds.
const HANG: Duration = Duration::from_secs(60);
