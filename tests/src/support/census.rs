use std::fs;

use super::until;

/// What the process holds of the things that are easily left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Census {
    /// Open descriptors, with the one that it takes to count them.
    pub fds: usize,
    /// Threads.
    pub threads: usize,
}

impl Census {
    /// Counts now.
    ///
    /// # Panics
    ///
    /// Without procfs.
    #[must_use]
    pub fn now() -> Self {
        Self { fds: entries("/proc/self/fd"), threads: entries("/proc/self/task") }
    }

    /// Waits until the process holds no more than this. A thread that was joined stays in the list for a moment, also while it is counted
    /// at first, so that it may be less.
    ///
    /// # Panics
    ///
    /// If it does not in time.
    #[track_caller]
    pub fn assert_is_back(&self) {
        until(&format!("{self:?} again, after {:?}", Self::now()), || {
            let now = Self::now();
            now.fds <= self.fds && now.threads <= self.threads
        });
    }
}

fn entries(directory: &str) -> usize {
    fs::read_dir(directory).expect("procfs").count()
}

/// Memory of the process in bytes: how much is mapped, and how much of that is in use (`VmSize` and `VmRSS`, proc_pid_status(5)).
///
/// # Panics
///
/// Without procfs.
#[must_use]
pub fn memory() -> (usize, usize) {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    (kibibytes(&status, "VmSize:") << 10, kibibytes(&status, "VmRSS:") << 10)
}

fn kibibytes(status: &str, name: &str) -> usize {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("every process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kibibytes")
}
