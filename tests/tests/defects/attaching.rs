//! Attach, and attach again.

use std::sync::Arc;
use std::time::Duration;

use fdlink_core::io::Wake;
use fdlink_core::{Ended, LinkEndpoint as _, LinkEvent, State};
use fdlink_linux::{Runner, endpoint, injectable};
use fdlink_tests::support::{
    Collector, MODES, PAIRS, Trials, attach_in, in_mode, marked, plain, seqpacket, to_own, write,
};

pub(crate) fn add(trials: &mut Trials) {
    trials.anywhere(defect_09_endpoint_can_be_attached_again_and_again);
    trials.anywhere(defect_09_stop_of_the_last_attachment_is_forgotten);
    trials.anywhere(defect_13_injectable_endpoint_says_that_it_is_attached);
}

fn defect_09_endpoint_can_be_attached_again_and_again() {
    for mode in MODES {
        for pair in PAIRS {
            let (fd, peer) = pair();
            let endpoint = Arc::new(endpoint([fd], plain(), &in_mode(mode)).unwrap());
            for round in 0..20 {
                let collector = Collector::new();
                let runner = Runner::attach(Arc::clone(&endpoint), |_| collector.clone()).unwrap();
                let sent = [marked(2 * round, 60), marked(2 * round + 1, 60)];
                if round == 0 {
                    peer.send(&to_own(&sent[0]));
                }
                peer.send(&to_own(&sent[1]));
                assert_eq!(collector.wait_for(2), sent, "{mode}, round {round}");
                assert_eq!(write(&*endpoint, &[sent[0].clone()]).sent, 1);
                assert_eq!(peer.receive()[14..], sent[0]);

                assert_eq!(runner.stop().unwrap(), [Ended::Detached]);
                assert_eq!(collector.events(), [LinkEvent::Detached]);
                assert_eq!(endpoint.state(), State::Detached);
                // Comes while nobody receives, and is the first of the next round.
                peer.send(&to_own(&marked(2 * round + 2, 60)));
            }
            assert!(endpoint.counters().rx.is_balanced());
        }
    }
}

/// Or the receiver would never sleep again.
fn defect_09_stop_of_the_last_attachment_is_forgotten() {
    for mode in MODES {
        let (fd, _peer) = seqpacket();
        let endpoint = attach_in(mode, fd, plain());
        let waits = || endpoint.receiver(0).unwrap().wait(Some(Duration::ZERO), &mut Collector::new());
        for _ in 0..3 {
            assert_eq!(waits(), Ok(Wake::TimedOut), "{mode}");
            endpoint.detach();
            endpoint.attach().unwrap();
        }
        let receiver = endpoint.receiver(0);
        endpoint.detach();
        assert_eq!(receiver.unwrap().wait(None, &mut Collector::new()), Ok(Wake::Stopped), "{mode}");
    }
}

fn defect_13_injectable_endpoint_says_that_it_is_attached() {
    let (fd, _peer) = seqpacket();
    let endpoint = injectable(fd, 1500).unwrap();
    assert!(!endpoint.is_attached());
    endpoint.attach().unwrap();
    assert!(endpoint.is_attached());
    endpoint.detach();
    assert!(!endpoint.is_attached());
}
