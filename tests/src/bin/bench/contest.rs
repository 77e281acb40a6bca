//! Programs that do the same job in turns.

use std::error::Error;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::machine::thread_cpu;
use crate::progress::Progress;
use crate::spread::{Spread, median};

/// What a step of a program did, and the CPU time it took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    frames: usize,
    /// Frames that the system did not take.
    failed: usize,
    cpu: Duration,
}

/// What came of a step.
pub(crate) type StepResult = Result<Cost, Box<dyn Error>>;

impl Cost {
    /// What `job` takes, which returns how many frames it moved and how many it could not.
    pub(crate) fn of(job: impl FnOnce() -> Result<(usize, usize), Box<dyn Error>>) -> StepResult {
        let start = thread_cpu()?;
        let (frames, failed) = job()?;
        Ok(Self { frames, failed, cpu: thread_cpu()?.saturating_sub(start) })
    }

    fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.failed += other.failed;
        self.cpu += other.cpu;
    }

    fn nanoseconds_per_frame(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.frames as f64
    }
}

/// One way to do the job of a scenario.
///
/// Where the code of a loop lies in memory makes the system calls in it up to a tenth dearer, whatever it does: seen with `read` on an
/// AMD Zen 3, the same source at another address. So a program is there in several copies, and the fastest stands for it.
pub(crate) struct Program<'p> {
    name: &'static str,
    copies: Vec<Runner<'p>>,
}

impl<'p> Program<'p> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, copies: Vec::new() }
    }

    /// Adds a copy by a step of it, which takes about a millisecond or less.
    pub(crate) fn copy(mut self, step: impl FnMut() -> StepResult + 'p) -> Self {
        self.copies.push(Runner { step: Box::new(step), total: Cost::default(), turns: Vec::new() });
        self
    }

    /// The figure of this round, and the copy that it is of.
    fn fastest(&self) -> Option<(f64, &Runner<'p>)> {
        let figures = self.copies.iter().map(|copy| (median(&mut copy.turns.clone()), copy));
        figures.min_by(|one, other| one.0.total_cmp(&other.0))
    }

    fn failed(&self) -> f64 {
        let mut total = Cost::default();
        self.copies.iter().for_each(|copy| total.add(copy.total));
        total.failed as f64 / (total.failed + total.frames) as f64
    }
}

/// A copy of a program, and what is known of it so far.
struct Runner<'p> {
    step: Box<dyn FnMut() -> StepResult + 'p>,
    total: Cost,
    /// Nanoseconds per frame in the turns of this round.
    turns: Vec<f64>,
}

impl Runner<'_> {
    fn take_turn(&mut self) -> Result<(), Box<dyn Error>> {
        let mut cost = Cost::default();
        while cost.cpu < TURN {
            cost.add((self.step)()?);
        }
        if cost.frames == 0 {
            return Err("the system took no frame".into());
        }
        self.turns.push(cost.nanoseconds_per_frame());
        self.total.add(cost);
        Ok(())
    }
}

/// What came of a contest: the first program against the second, and every program for itself.
pub(crate) struct Standings {
    /// CPU time of the first program in parts of the second's, round by round.
    pub(crate) ratio: Spread,
    pub(crate) programs: Vec<Standing>,
}

pub(crate) struct Standing {
    pub(crate) program: &'static str,
    /// CPU nanoseconds per frame, round by round.
    pub(crate) cost: Spread,
    /// The part of the frames that the system did not take.
    pub(crate) failed: f64,
}

/// Lets the programs work in turns.
///
/// A turn is a millisecond, and the order is drawn anew each time, so that neither a change of the machine's speed nor anything that
/// comes round (a tick, another process's time slice) meets one program more than another. The figure of a round is the median of its
/// turns: an interrupt or a stolen core spoils a turn, not a round. Ratios are taken of turns that were next to each other.
pub(crate) fn run(
    programs: &mut [Program<'_>],
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Standings, Box<dyn Error>> {
    let mut dice = Dice(1);
    let mut rounds = Vec::new();
    // Warm up.
    round(programs, arguments.run / 10, &mut dice)?;
    for _ in 0..arguments.rounds {
        rounds.push(round(programs, arguments.run, &mut dice)?);
        progress.advance();
    }
    Ok(standings(programs, &rounds))
}

/// The figures of one round.
struct Round {
    ratio: f64,
    /// Of each program.
    costs: Vec<f64>,
}

fn round(programs: &mut [Program<'_>], run: Duration, dice: &mut Dice) -> Result<Round, Box<dyn Error>> {
    let copies = programs.iter().map(|program| program.copies.len()).max().unwrap_or(1);
    programs.iter_mut().flat_map(|program| &mut program.copies).for_each(|copy| copy.turns.clear());
    for _ in 0..run.as_nanos().div_ceil(TURN.as_nanos() * copies as u128) {
        let mut order: Vec<_> = programs.iter_mut().flat_map(|program| &mut program.copies).collect();
        dice.shuffle(&mut order);
        order.into_iter().try_for_each(Runner::take_turn)?;
    }
    let fastest: Vec<_> = programs.iter().filter_map(Program::fastest).collect();
    let [(_, ours), (_, theirs), ..] = fastest[..] else { return Err("a contest needs two programs".into()) };
    let mut ratios: Vec<_> = ours.turns.iter().zip(&theirs.turns).map(|(ours, theirs)| ours / theirs).collect();
    Ok(Round { ratio: median(&mut ratios), costs: fastest.iter().map(|(cost, _)| *cost).collect() })
}

fn standings(programs: &[Program<'_>], rounds: &[Round]) -> Standings {
    let cost = |at: usize| Spread::of(rounds.iter().filter_map(|round| round.costs.get(at).copied()).collect());
    let standing = |(at, program): (usize, &Program<'_>)| Standing {
        program: program.name,
        cost: cost(at),
        failed: program.failed(),
    };
    let ratio = Spread::of(rounds.iter().map(|round| round.ratio).collect());
    Standings { ratio, programs: programs.iter().enumerate().map(standing).collect() }
}

/// xorshift64 (Marsaglia 2003): the same order on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize % n
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            items.swap(end, self.below(end + 1));
        }
    }
}

/// CPU time of one copy in a turn.
const TURN: Duration = Duration::from_millis(1);
