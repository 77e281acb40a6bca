use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic;
use std::time::Duration;

use fdlink_mock::fault::{Fault, Site};
use fdlink_mock::record::Record;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What did not hold, if something did not.
    pub failure: Option<String>,
    /// What went wrong by plan, in order.
    pub fired: Vec<(Site, Fault)>,
    /// How often the run came to places that are worth coming to.
    pub seen: Seen,
    /// Only if one was asked for.
    pub record: Option<Record>,
    /// Virtual time that passed.
    pub time: Duration,
}

/// Places that runs came to, with how often.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(pub BTreeMap<&'static str, u64>);

impl Seen {
    /// Once more at this place.
    pub fn at(&mut self, place: &'static str) {
        *self.0.entry(place).or_default() += 1;
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Self) {
        for (place, count) in &other.0 {
            *self.0.entry(place).or_default() += count;
        }
    }
}

thread_local! {
    /// Where the panic of this thread was.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Panics are outcomes here: keeps their places and prints nothing. Once for the process.
pub fn quiet_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        PLACE.with_borrow_mut(|kept| *kept = place);
    }));
}

/// Where and why.
pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let place = PLACE.with_borrow_mut(Option::take).map(|place| format!("{place}: ")).unwrap_or_default();
    place + text.unwrap_or("a panic without words")
}
