use super::{LabError, link, refusal};
use nix::{
    sched::{CloneFlags, unshare},
    unistd::{Gid, Uid, getegid, geteuid},
};
use std::{fs, io};

/// How [`enter`] got the right to configure a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The process was root with the needed capabilities and still is.
    Root,
    /// The process is root in a user namespace of its own only: it rules the
    /// networks made here, while files and devices still see the caller's user.
    UserNamespace,
}

/// Moves this process into a new network namespace which it may configure, with
/// its `lo` up; to be called once, first in `main`.
///
/// Root gets a network namespace only, everybody else a user namespace around
/// it in which the caller is mapped to root (`user_namespaces(7)`). IPv6 stays
/// as the kernel sets it.
///
/// # Errors
///
/// [`LabError::Threads`] in a process with threads, as `unshare(2)` moves
/// only the caller; [`LabError::Refused`] when the system forbids both ways.
pub fn enter() -> Result<Privilege, LabError> {
    require_single_thread()?;
    if enter_as_root() {
        return Ok(Privilege::Root);
    }
    enter_user_namespace().map_err(refusal::explain)?;
    link::set_up("lo")?;
    Ok(Privilege::UserNamespace)
}

fn require_single_thread() -> Result<(), LabError> {
    let tasks =
        fs::read_dir("/proc/self/task").map_err(|source| LabError::kernel("count the threads", source))?.count();
    match tasks {
        1 => Ok(()),
        more => Err(LabError::Threads(more)),
    }
}

/// Setting `lo` up is part of the question: unshare wants CAP_SYS_ADMIN, what
/// follows wants CAP_NET_ADMIN, and a container may grant only one of them.
fn enter_as_root() -> bool {
    geteuid().is_root() && unshare(CloneFlags::CLONE_NEWNET).is_ok() && link::set_up("lo").is_ok()
}

fn enter_user_namespace() -> io::Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET)?;
    map_to_root(uid, gid)
}

/// The order is the kernel's: without CAP_SETGID outside, a gid_map may be
/// written only after setgroups is denied.
fn map_to_root(uid: Uid, gid: Gid) -> io::Result<()> {
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {uid} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {gid} 1"))
}
