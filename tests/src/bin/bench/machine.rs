//! The machine: its clocks and cores, and what it is.

use std::fs;
use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

/// User and system time of this thread.
pub(crate) fn thread_cpu() -> nix::Result<Duration> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from)
}

/// Keeps this thread, and those that it starts, on the last core that it may use.
pub(crate) fn pin() -> nix::Result<()> {
    pin_to(cores().len().wrapping_sub(1))
}

/// Keeps this thread on a core where what [`pin`] pinned is not, if there is one.
pub(crate) fn pin_apart() -> nix::Result<()> {
    pin_to(0)
}

/// Keeps this thread on the core of this number among those that the process may use, if there is one.
pub(crate) fn pin_to(number: usize) -> nix::Result<()> {
    let Some(core) = cores().get(number) else { return Ok(()) };
    let mut set = CpuSet::new();
    set.set(*core)?;
    sched_setaffinity(Pid::from_raw(0), &set)
}

/// The cores that the process might use when this was asked first, before any thread was pinned.
pub(crate) fn cores() -> &'static [usize] {
    static CORES: OnceLock<Vec<usize>> = OnceLock::new();
    CORES.get_or_init(|| {
        let allowed = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
        (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false)).collect()
    })
}

/// Ends the sleeps of this thread when they are over and not up to 50 microseconds later (prctl(2), `PR_SET_TIMERSLACK`).
pub(crate) fn wake_on_time() -> nix::Result<()> {
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))
        .map_err(|errno| nix::Error::from_raw(errno.raw_os_error()))
}

pub(crate) fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned())
}

/// The model, and how many cores are on.
pub(crate) fn cpu() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let values = |key| info.lines().filter_map(|line| line.split_once(':')).filter(move |(name, _)| name.trim() == key);
    let model = values("model name").next().map_or(std::env::consts::ARCH, |(_, model)| model.trim());
    format!("{model}, {} cores", values("processor").count())
}

/// The time in UTC, as in RFC 3339.
pub(crate) fn date() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    rfc3339(seconds)
}

fn rfc3339(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Days since the Unix epoch as year, month and day, in years that begin in March so that the leap day comes last
/// (<https://howardhinnant.github.io/date_algorithms.html>, `civil_from_days`).
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_across_leap_days() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_709_251_199), "2024-02-29T23:59:59Z");
        assert_eq!(rfc3339(4_107_542_400), "2100-03-01T00:00:00Z");
    }
}
