//! A program that is measured, and what it took.

use std::borrow::Cow;
use std::error::Error;
use std::hint::black_box;
use std::time::Duration;

use crate::machine::thread_cpu;
use crate::spread::{Spread, median};

/// What a step of a program did, and the CPU time it took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    pub(crate) frames: usize,
    /// Frames that the system did not take, or that did not arrive.
    pub(crate) failed: usize,
    /// Frames that were taken before the time counted.
    pub(crate) untimed: usize,
    pub(crate) cpu: Duration,
}

/// What came of a step.
pub(crate) type StepResult = Result<Cost, Box<dyn Error>>;

impl Cost {
    /// What `job` takes, which returns how many frames it moved and how many it could not.
    pub(crate) fn of(job: impl FnOnce() -> Result<(usize, usize), Box<dyn Error>>) -> StepResult {
        let start = thread_cpu()?;
        let (frames, failed) = job()?;
        Ok(Self { frames, failed, cpu: thread_cpu()?.saturating_sub(start), ..Self::default() })
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.failed += other.failed;
        self.untimed += other.untimed;
        self.cpu += other.cpu;
    }

    pub(crate) const fn taken(&self) -> usize {
        self.frames + self.untimed
    }

    fn nanoseconds_per_frame(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e9 / self.frames as f64
    }
}

/// One way to do the job of a scenario.
///
/// Where the code of a loop lies makes the system calls in it up to a tenth dearer: on an AMD Zen 3, for one that begins at an odd or
/// at an even multiple of 16 bytes. Where its memory lies, or when a timer of the kernel began, does as much elsewhere. All of that is luck, which no
/// program has in its hands: so each is there in several copies, and their mean stands for it.
pub(crate) struct Program<'p> {
    pub(crate) name: Cow<'static, str>,
    pub(crate) copies: Vec<Runner<'p>>,
    turn: Duration,
}

impl<'p> Program<'p> {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into(), copies: Vec::new(), turn: TURN }
    }

    /// Takes turns of this much CPU time instead of [`TURN`], or of one step if that is longer.
    pub(crate) fn turn(mut self, turn: Duration) -> Self {
        self.turn = turn;
        self
    }

    /// Adds a copy by a step of it, which takes about a turn or less.
    pub(crate) fn copy(mut self, step: impl FnMut() -> StepResult + 'p) -> Self {
        self.copies.push(Runner { step: Box::new(step), total: Cost::default(), rounds: Rounds::default() });
        self
    }

    /// The copies, each with the length of its turn.
    pub(crate) fn turns(&mut self) -> impl Iterator<Item = (&mut Runner<'p>, Duration)> {
        let turn = self.turn;
        self.copies.iter_mut().map(move |copy| (copy, turn))
    }

    /// What stands for the program; `None` if there is no copy.
    pub(crate) fn rounds(&self) -> Option<Rounds> {
        Rounds::mean(self.copies.iter().map(|copy| &copy.rounds))
    }

    /// The part of the frames that the system did not take.
    pub(crate) fn failed(&self) -> f64 {
        let mut total = Cost::default();
        self.copies.iter().for_each(|copy| total.add(copy.total));
        total.failed as f64 / (total.failed + total.frames) as f64
    }
}

/// Makes the code around it different for each `COPY`, and lie elsewhere.
#[inline(always)]
pub(crate) fn pad<const COPY: usize>() {
    for number in 0..=COPY {
        black_box(number);
    }
}

/// Steps without any frame after which something is wrong.
const MOST_IDLE_STEPS: usize = 100;

/// A copy of a program, and what is known of it so far.
pub(crate) struct Runner<'p> {
    step: Box<dyn FnMut() -> StepResult + 'p>,
    total: Cost,
    rounds: Rounds,
}

impl Runner<'_> {
    pub(crate) fn begin_round(&mut self) {
        self.rounds.0.push(Vec::new());
    }

    pub(crate) fn take_turn(&mut self, turn: Duration) -> Result<(), Box<dyn Error>> {
        let mut cost = (self.step)()?;
        let mut idle = 0;
        // A machine that has other work may let a step pass without a frame.
        while cost.cpu < turn || (cost.frames == 0 && idle < MOST_IDLE_STEPS) {
            idle += usize::from(cost.frames == 0);
            cost.add((self.step)()?);
        }
        if cost.frames == 0 {
            return Err("the system took no frame".into());
        }
        if let Some(turns) = self.rounds.0.last_mut() {
            turns.push(cost.nanoseconds_per_frame());
        }
        self.total.add(cost);
        Ok(())
    }
}

/// Nanoseconds per frame in the turns of each round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Rounds(Vec<Vec<f64>>);

impl Rounds {
    /// Turn by turn, of copies that took as many.
    fn mean<'r>(copies: impl Iterator<Item = &'r Self> + Clone) -> Option<Self> {
        let count = copies.clone().count() as f64;
        let add = |mut sum: Self, other: &Self| {
            let pairs = sum.0.iter_mut().flatten().zip(other.0.iter().flatten());
            pairs.for_each(|(sum, figure)| *sum += figure);
            sum
        };
        let mut copies = copies.cloned();
        let mut sum = copies.next().map(|first| copies.fold(first, |sum, other| add(sum, &other)))?;
        sum.0.iter_mut().flatten().for_each(|figure| *figure /= count);
        Some(sum)
    }

    /// Nanoseconds per frame.
    pub(crate) fn costs(&self) -> Spread {
        Spread::of(self.0.iter().map(|turns| median(&mut turns.clone())).collect())
    }

    /// CPU time in parts of another's, round by round.
    pub(crate) fn ratios(&self, other: &Self) -> Spread {
        let rounds = self.0.iter().zip(&other.0);
        Spread::of(rounds.map(|(ours, theirs)| median_ratio(ours, theirs)).collect())
    }
}

fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&mut ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>())
}

/// CPU time of one copy in a turn.
const TURN: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(rounds: &[&[f64]]) -> Rounds {
        Rounds(rounds.iter().map(|turns| turns.to_vec()).collect())
    }

    fn program(copies: &[&[&[f64]]]) -> Program<'static> {
        let copy = |figures: &&[&[f64]]| Runner {
            step: Box::new(|| Ok(Cost::default())),
            total: Cost::default(),
            rounds: rounds(figures),
        };
        Program { copies: copies.iter().map(copy).collect(), ..Program::new("") }
    }

    #[test]
    fn mean_is_taken_turn_by_turn() {
        let figures: [&[&[f64]]; 2] = [&[&[3.0, 1.0], &[5.0]], &[&[1.0, 2.0], &[9.0]]];
        assert_eq!(program(&figures).rounds(), Some(rounds(&[&[2.0, 1.5], &[7.0]])));
        assert_eq!(program(&[]).rounds(), None);
    }

    #[test]
    fn ratios_are_taken_turn_by_turn() {
        let (ours, theirs) = (rounds(&[&[2.0, 20.0, 30.0]]), rounds(&[&[1.0, 10.0, 10.0]]));
        assert_eq!(ours.ratios(&theirs).median, 2.0);
    }
}
