use alloc::vec::Vec;

use crate::fault::{Fault, Site};

/// The faults without which a run would not fail: takes out of `faults` what can be taken out while `fails` stays true.
///
/// Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), by complements only. What is left is
/// minimal in that no single fault can go, unless `tries` runs were too few to find out.
///
/// ```
/// use fdlink_mock::fault::{Fault, Op, Site, shrink};
///
/// let faults: Vec<_> = (0..40).map(|nth| (Site { port: 0, op: Op::Carry, nth }, Fault::Drop)).collect();
/// let needs = |faults: &[(Site, Fault)], nth| faults.iter().any(|(site, _)| site.nth == nth);
/// let left = shrink(&faults, 1000, |faults| needs(faults, 3) && needs(faults, 31));
/// assert_eq!(left, [faults[3], faults[31]]);
/// ```
pub fn shrink(
    faults: &[(Site, Fault)],
    mut tries: usize,
    mut fails: impl FnMut(&[(Site, Fault)]) -> bool,
) -> Vec<(Site, Fault)> {
    let mut left = faults.to_vec();
    let mut chunk = left.len();
    while chunk > 0 && tries > 0 {
        let before = left.len();
        let mut at = 0;
        while at < left.len() && tries > 0 {
            tries -= 1;
            let fewer = without(&left, at, chunk);
            if fails(&fewer) {
                left = fewer;
            } else {
                at += chunk;
            }
        }
        // At the smallest chunk once more, until nothing goes: what went may have let others go.
        if chunk > 1 || left.len() == before {
            chunk /= 2;
        }
    }
    left
}

fn without(faults: &[(Site, Fault)], at: usize, count: usize) -> Vec<(Site, Fault)> {
    let (before, rest) = faults.split_at(at.min(faults.len()));
    before.iter().chain(rest.iter().skip(count)).copied().collect()
}
