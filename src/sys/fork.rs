//! Children that run this program's code.

use std::fs;
use std::io;

use nix::unistd::{ForkResult, Pid, fork};

use super::exit;

/// Starts a child that is a copy of this process, runs `child` and ends with the status that this returns.
/// Returns the child's id. An error if this process has several threads: the copy has one, and locks of the
/// others would stay closed in it.
pub fn start_child(child: impl FnOnce() -> i32) -> io::Result<Pid> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("this process has several threads"));
    }
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => exit::now(child()),
        ForkResult::Parent { child } => Ok(child),
    }
}
