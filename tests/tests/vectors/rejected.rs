//! Malformed and odd virtio-net headers, as received ones. What fdlink answers differently from Linux is listed with its reason.

use std::collections::BTreeMap;

use fdlink_core::wire::VnetError;
use fdlink_tests::vectors::{Case, cases};

use super::cut::{assert_cut_as_expected, offload};

/// A word of the case's name, how many such cases there are, and why.
type Difference = (&'static str, usize, &'static str);

/// What Linux refuses or loses, and fdlink takes.
const TAKEN: [Difference; 5] = [
    ("hdr_len", 20, "a hint that fdlink does not look at, so that a lie in it does no harm"),
    ("of TCP options, payload = gso_size", 15, "one segment is not cut: it only lacks its checksum"),
    (
        "virtio-net header",
        5,
        "too short for its link header: the endpoint drops it as a runt, whatever the header says",
    ),
    ("version nibble", 2, "neither IPv4 nor IPv6: the endpoint drops it, whatever the header says"),
    ("IP length field overflows", 4, "longer than the MTU of the device, which the header has no part in"),
];

/// What Linux takes, and fdlink refuses.
const REFUSED: [Difference; 2] = [
    ("UFO", 1, "cut into IP fragments, which nobody sends any more; fdlink does not fragment"),
    ("csum_start", 8, "begins within the IP header: Linux counts its 20 bytes from the Ethernet header on"),
];

pub(crate) fn what_linux_refuses_is_an_error_or_corrected() {
    let refused = all().into_iter().filter(|case| case.expect.is_none());
    let taken = refused.filter(|case| case.frame().vnet.is_some() && offload(case).is_ok());
    assert_listed(taken, &TAKEN);
}

pub(crate) fn what_linux_takes_comes_out_the_same() {
    let mut refused = Vec::new();
    for case in all().into_iter().filter(|case| case.expect.is_some()) {
        match offload(&case) {
            Ok(offload) => assert_cut_as_expected(&case, offload),
            Err(error) => {
                assert!(matches!(error, VnetError::GsoType | VnetError::ChecksumStart), "{}: {error}", case.name);
                refused.push(case);
            }
        }
    }
    assert_listed(refused.into_iter(), &REFUSED);
}

fn all() -> Vec<Case> {
    let cases = cases("rejected");
    assert_eq!(cases.len(), 503);
    cases
}

#[track_caller]
fn assert_listed(cases: impl Iterator<Item = Case>, list: &[Difference]) {
    let mut counts: BTreeMap<_, _> = list.iter().map(|(word, _, _)| (*word, 0)).collect();
    for case in cases {
        let difference = list.iter().find(|(word, _, _)| case.name.contains(word));
        let (word, _, _) = difference.unwrap_or_else(|| panic!("{} is not listed", case.name));
        *counts.entry(word).or_default() += 1;
    }
    assert_eq!(counts, list.iter().map(|(word, count, _)| (*word, *count)).collect());
}
