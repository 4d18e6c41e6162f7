//! A write that never waits, on a socket that waits otherwise. Nix does not know the call.

use std::io::{self, IoSlice};
use std::os::fd::BorrowedFd;

use rustix::io::{ReadWriteFlags, pwritev2};

/// The offset with which `pwritev2` is `writev`.
const NO_OFFSET: u64 = u64::MAX;

/// Writes as many of the bytes as the socket takes at once: their number. `EAGAIN` if it takes none now,
/// `EOPNOTSUPP` before Linux 6.5, which knows the flag for other files only.
pub fn write_now(socket: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    Ok(pwritev2(socket, &[IoSlice::new(bytes)], NO_OFFSET, ReadWriteFlags::NOWAIT)?)
}
