//! When a receiver that has run dry looks again.

use std::time::Duration;

use fdlink_core::io::Wake;
use fdlink_core::{Options, WakePolicy};

use crate::recorder::Recorder;
use crate::scripted::{Script, attached};

const DELAY: Duration = Duration::from_micros(200);

fn waits(wake: WakePolicy, polls: &[usize]) -> (usize, Vec<Duration>) {
    let script = Script::receiving(polls.iter().map(|frames| Ok(vec![vec![0x45]; *frames])));
    let endpoint = attached([&script], Options { wake, ..Options::default() });
    let mut receiver = endpoint.receiver(0).unwrap();
    for frames in polls {
        assert_eq!(receiver.poll(&mut Recorder::default()), Ok(*frames));
        assert_eq!(receiver.wait(None, &mut Recorder::default()), Ok(Wake::Ready));
    }
    (script.slept.get(), script.paused.borrow().clone())
}

#[test]
fn prompt_sleeps_each_time_and_never_pauses() {
    assert_eq!(waits(WakePolicy::Prompt, &[0, 1, 0]), (3, vec![]));
}

#[test]
fn coalesce_lets_the_delay_pass_behind_each_wake() {
    assert_eq!(waits(WakePolicy::Coalesce { max_delay: DELAY }, &[0, 1]), (2, vec![DELAY, DELAY]));
}

/// One sleep for each gathering while there is something to gather.
#[test]
fn coalesce_does_not_wait_for_the_first_of_many() {
    let wake = WakePolicy::Coalesce { max_delay: DELAY };
    assert_eq!(waits(wake, &[2, 3, 2]), (0, vec![DELAY; 3]));
    assert_eq!(waits(wake, &[2, 0, 1]), (2, vec![DELAY; 3]));
}

#[test]
fn coalesce_gathers_no_longer_than_the_caller_waits() {
    let script = Script::receiving([Ok(vec![vec![0x45]; 2])]);
    let wake = WakePolicy::Coalesce { max_delay: DELAY };
    let endpoint = attached([&script], Options { wake, ..Options::default() });
    let mut receiver = endpoint.receiver(0).unwrap();
    receiver.poll(&mut Recorder::default()).unwrap();
    receiver.wait(Some(DELAY / 4), &mut Recorder::default()).unwrap();
    assert_eq!(*script.paused.borrow(), [DELAY / 4]);
}

#[test]
fn busy_poll_sleeps_once_its_budget_is_spent_and_has_it_back_with_a_frame() {
    let wake = WakePolicy::BusyPoll { budget: 3 };
    assert_eq!(waits(wake, &[0, 0, 0]).0, 0);
    assert_eq!(waits(wake, &[0, 0, 0, 0, 0]).0, 2);
    assert_eq!(waits(wake, &[0, 0, 0, 1, 0, 0]).0, 0);
}

#[test]
fn coalesce_does_not_pause_once_it_is_stopped() {
    let script = Script::default();
    let endpoint =
        attached([&script], Options { wake: WakePolicy::Coalesce { max_delay: DELAY }, ..Options::default() });
    script.stopped.set(true);
    let mut receiver = endpoint.receiver(0).unwrap();
    assert_eq!(receiver.wait(None, &mut Recorder::default()), Ok(Wake::Stopped));
    assert!(script.paused.borrow().is_empty());
}
