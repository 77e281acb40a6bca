//! Programs that do the same job in turns.

use std::borrow::Cow;
use std::error::Error;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::program::{Program, Rounds, Runner};
use crate::progress::Progress;
use crate::spread::Spread;

/// What came of a contest: the first program against the second, and every program for itself.
pub(crate) struct Standings {
    /// CPU time of the first program in parts of the second's, round by round.
    pub(crate) ratio: Spread,
    pub(crate) programs: Vec<Standing>,
}

pub(crate) struct Standing {
    pub(crate) program: Cow<'static, str>,
    /// CPU nanoseconds per frame, round by round.
    pub(crate) cost: Spread,
    /// CPU time in parts of the second program's, round by round.
    pub(crate) ratio: Spread,
    /// The part of the frames that the system did not take.
    pub(crate) failed: f64,
}

/// Lets the programs work in turns.
///
/// A turn is a millisecond or less, and the order is drawn anew each time, so that neither a change of the machine's speed nor anything that
/// comes round (a tick, another process's time slice) meets one program more than another. The figure of a round is the median of its
/// turns: an interrupt or a stolen core spoils a turn, not a round. Ratios are taken of turns that were next to each other.
pub(crate) fn run(
    programs: &mut [Program<'_>],
    arguments: &Arguments,
    progress: &mut Progress,
) -> Result<Standings, Box<dyn Error>> {
    let mut dice = Dice(1);
    // Not of any round: they warm up.
    turns(programs, arguments.run / 10, &mut dice)?;
    for _ in 0..arguments.rounds {
        programs.iter_mut().flat_map(|program| &mut program.copies).for_each(Runner::begin_round);
        turns(programs, arguments.run, &mut dice)?;
        progress.advance();
    }
    standings(programs)
}

/// Turns for as long as each program has in a round, what it does besides what is timed included; each copy gets some in any case.
fn turns(programs: &mut [Program<'_>], run: Duration, dice: &mut Dice) -> Result<(), Box<dyn Error>> {
    let (start, time) = (Instant::now(), run * u32::try_from(programs.len())?);
    for taken in 0.. {
        if taken >= LEAST_TURNS && start.elapsed() >= time {
            break;
        }
        let mut order: Vec<_> = programs.iter_mut().flat_map(Program::turns).collect();
        dice.shuffle(&mut order);
        order.into_iter().try_for_each(|(copy, turn)| copy.take_turn(turn))?;
    }
    Ok(())
}

fn standings(programs: &[Program<'_>]) -> Result<Standings, Box<dyn Error>> {
    let played: Vec<_> = programs.iter().filter_map(|program| Some((program, program.rounds()?))).collect();
    let [(_, ours), (_, theirs), ..] = played.as_slice() else { return Err("a contest needs two programs".into()) };
    let standing = |(program, rounds): &(&Program<'_>, Rounds)| Standing {
        program: program.name.clone(),
        cost: rounds.costs(),
        ratio: rounds.ratios(theirs),
        failed: program.failed(),
    };
    Ok(Standings { ratio: ours.ratios(theirs), programs: played.iter().map(standing).collect() })
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

const LEAST_TURNS: usize = 3;
