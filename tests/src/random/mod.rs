//! Random frames, packets and options, and what an endpoint must make of them, written down a second time.

mod dice;
mod draft;
mod flows;
mod frames;

pub use dice::Dice;
pub use draft::Draft;
pub use flows::{Flows, leave_undone};
pub use frames::{frame, judge, length, options};
