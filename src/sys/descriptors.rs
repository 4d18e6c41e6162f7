//! Descriptors by their numbers: those that a process has been started with, and closing in bulk.

use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// Closes every descriptor from `first` on. It is for a process that is about to exec: no value may own one
/// of them.
pub fn close_from(first: u32) -> Result<(), Errno> {
    // SAFETY: takes numbers only. What it closes is not used again: the caller execs next.
    Errno::result(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) }).map(drop)
}

/// A duplicate of the descriptor with this number, above the standard three. An error if there is no such
/// descriptor.
pub fn duplicate(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: used for one call, which the kernel answers with an error if nothing has this number.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    let duplicate = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(3))?;
    // SAFETY: the call has just made it, so nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(duplicate) })
}

/// Closes a descriptor that this process was started with and that nothing in it owns.
pub fn close(number: RawFd) {
    // SAFETY: takes a number; the caller knows that nobody has it.
    unsafe { libc::close(number) };
}
