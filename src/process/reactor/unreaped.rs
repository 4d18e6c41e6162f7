//! Children that were given up before they could be reaped, and whether a child has ended.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};

/// Children that were given up before they could be reaped.
static UNREAPED: Mutex<Vec<OwnedFd>> = Mutex::new(Vec::new());

fn unreaped() -> MutexGuard<'static, Vec<OwnedFd>> {
    UNREAPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps the pidfd of a child that may not have been reaped.
pub fn give_up(child: OwnedFd) {
    unreaped().push(child);
    reap_given_up();
}

/// Reaps those given up that can be reaped now.
pub fn reap_given_up() {
    let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG;
    unreaped().retain(|child| waitid(Id::PIDFd(child.as_fd()), ended) == Ok(WaitStatus::StillAlive));
}

/// True if the process behind a pidfd has ended, reaped or not.
pub fn has_ended(pidfd: &OwnedFd) -> bool {
    poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO) == Ok(1)
}
