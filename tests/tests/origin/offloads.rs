use fdlink_core::{ConfigError, Options, UnsupportedOption};
use fdlink_linux::{FdOptions, SetupError, endpoint};
use fdlink_tests::support::{Offloaded, Segments, coalesced, plain, seqpacket};

/// Cases of the origin that wait for an option, and the option. They are to be added to the tests of the same names when the option is
/// supported, which makes `cases_that_wait_for_an_option_are_refused_by_its_name` fail.
pub(crate) const WAITING: [(&str, UnsupportedOption); 1] = [(
    "TestDispatchPacketFormat with RXChecksumOffload (recvmmsg marks packets as validated)",
    UnsupportedOption::RxChecksumOffload,
)];

pub(crate) fn cases_that_wait_for_an_option_are_refused_by_its_name() {
    for (case, option) in WAITING {
        for options in asking_for(option) {
            let refused = endpoint([seqpacket().0], options, &FdOptions::default()).err();
            let expected = SetupError::Config(ConfigError::Unsupported(option));
            assert_eq!(refused, Some(expected), "{case}");
            let text = expected.to_string();
            assert!(text.starts_with(option.name()) && text.contains("not supported"), "{text}");
        }
        println!("waiting for {}: {case}", option.name());
    }
}

fn asking_for(option: UnsupportedOption) -> Vec<Options> {
    match option {
        UnsupportedOption::RxChecksumOffload => vec![Options { rx_checksum_offload: true, ..plain() }],
        other => panic!("no case waits for {}", other.name()),
    }
}

/// The origin wants a power of two of buckets, into which it sorts flows. Here there are none: any eight flows are held at a time, and a
/// ninth closes the run that is the oldest.
pub(crate) fn test_n_buckets() {
    assert_eq!(delivered_of(8), 8, "each flow in one packet");
    assert_eq!(delivered_of(9), 18, "each flow closes another");
}

/// How many packets come of two frames of each of so many flows, which take turns.
fn delivered_of(count: u16) -> usize {
    let mut flows: Vec<_> = (0..count).map(|at| Segments::tcp(at * 8)).collect();
    let mut round = || flows.iter_mut().map(|flow| Offloaded::plain(&flow.next(&[1; 100], 0))).collect();
    let frames: [Vec<_>; 2] = [round(), round()];
    coalesced(&frames.concat(), 14).len()
}
