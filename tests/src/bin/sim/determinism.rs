//! One number for all transcripts and captures of some seeds: the same for every build and machine.

use std::hash::Hasher as _;

use fdlink_tests::sim::Run;
use twox_hash::XxHash64;

use crate::arguments::Arguments;

/// Each seed is played twice.
pub(crate) fn run(arguments: &Arguments) -> bool {
    let mut digest = XxHash64::with_seed(0);
    for number in 0..arguments.seeds {
        for scenario in &arguments.scenarios {
            let seed = arguments.from.wrapping_add(number);
            let [first, second] = [(); 2].map(|()| Run::new(*scenario, seed).recorded().go());
            let (Some(a), Some(b)) = (first.record, second.record) else { return false };
            if a.transcript != b.transcript || a.capture != b.capture {
                println!("DIFFERS {} seed {seed}: two runs of one seed", scenario.name());
                return false;
            }
            digest.write(a.transcript.text().as_bytes());
            digest.write(a.capture.bytes());
        }
    }
    println!("{:016x}", digest.finish());
    true
}
