use super::{LabError, link};
use nix::sched::{CloneFlags, setns, unshare};
use std::{
    fs::{self, File},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::resume_unwind,
    thread,
};

/// A handle to a network namespace, which keeps it alive
/// (`network_namespaces(7)`).
#[derive(Debug)]
pub struct Namespace(OwnedFd);

impl Namespace {
    /// Makes a network namespace with `lo` up and, where `/proc/sys` is
    /// writable, IPv6 off, so that no router solicitation or duplicate address
    /// detection comes between the frames a test counts.
    ///
    /// # Errors
    ///
    /// [`LabError::Kernel`] without [`enter`](super::enter) before, or when
    /// descriptors, threads or namespaces run out.
    pub fn new() -> Result<Self, LabError> {
        Self::create(disable_ipv6)
    }

    /// Makes a network namespace as [`new`](Self::new) does, but leaves IPv6 on.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_ipv6() -> Result<Self, LabError> {
        Self::create(|| ())
    }

    /// The network namespace the calling thread is in.
    ///
    /// # Errors
    ///
    /// [`LabError::Kernel`] without procfs or when descriptors run out.
    pub fn current() -> Result<Self, LabError> {
        // Not /proc/self, which stands for the first thread of the process.
        File::open("/proc/thread-self/ns/net")
            .map(|file| Self(file.into()))
            .map_err(|source| LabError::kernel("open the current network namespace", source))
    }

    /// Runs `f` in this namespace, on a thread of its own, and waits for it: the
    /// calling thread stays where it is. Descriptors opened by `f` belong to
    /// this namespace wherever they are used afterwards. Beware of `/proc/net`,
    /// which always shows the first thread's; `/proc/thread-self/net` and
    /// `/proc/sys/net` show this one's (`proc_pid_net(5)`).
    ///
    /// # Panics
    ///
    /// As `f` does; also when no thread can be started or the process may not
    /// enter the namespace, which means that it did not call
    /// [`enter`](super::enter).
    pub fn run<R: Send>(&self, f: impl FnOnce() -> R + Send) -> R {
        let moved = || self.enter_thread().map(|()| f());
        match on_own_thread(moved) {
            Ok(result) => result,
            Err(error) => panic!("{error}"),
        }
    }

    /// Moves the calling thread into this namespace for good (`setns(2)`).
    ///
    /// # Errors
    ///
    /// [`LabError::Kernel`] without [`enter`](super::enter) before.
    pub fn enter_thread(&self) -> Result<(), LabError> {
        setns(self, CloneFlags::CLONE_NEWNET).map_err(|source| LabError::kernel("enter a network namespace", source))
    }

    fn create(prepare: impl FnOnce() + Send) -> Result<Self, LabError> {
        on_own_thread(|| {
            unshare(CloneFlags::CLONE_NEWNET).map_err(|source| LabError::kernel("make a network namespace", source))?;
            prepare();
            link::set_up("lo")?;
            Self::current()
        })
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The files under /proc/sys/net are those of the namespace of the thread which
/// opens them. A read-only /proc/sys, as in most containers, leaves IPv6 on.
fn disable_ipv6() {
    for scope in ["all", "default"] {
        let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
        let _: io::Result<()> = fs::write(path, "1");
    }
}

fn on_own_thread<R: Send>(f: impl FnOnce() -> Result<R, LabError> + Send) -> Result<R, LabError> {
    thread::scope(|scope| {
        let name = thread::current().name().unwrap_or("lab").to_owned();
        thread::Builder::new()
            .name(name)
            .spawn_scoped(scope, f)
            .map_err(|source| LabError::kernel("start a thread", source))?
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic))
    })
}
