//! Closing descriptors in bulk.

use nix::errno::Errno;
use nix::libc;

/// Closes every descriptor from `first` on. For a process that is about to exec: nothing else may own them.
pub fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers only. What it closes is not used again: the caller execs next.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}
