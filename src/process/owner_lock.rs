//! Owner locks: how each side learns that the other is gone, also where neither is the other's child.
//!
//! ```text
//!   segment byte   0 host   1 worker
//!   each side:     reopen the segment, lock the own byte (F_OFD_SETLK), wait for the other's (F_OFD_SETLKW)
//! ```
//!
//! A lock belongs to the open file description, so an inherited descriptor is of no use: parent and child would share
//! the lock. Both sides therefore open the segment anew. The kernel drops the lock when the last descriptor of the
//! description closes: at the owner's end, however that came. There is no heartbeat: a paused event loop is not dead.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, c_int, c_short, flock, off_t};

/// Who owns a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Owner {
    /// The process that created the segment.
    Host = 0,
    /// The worker.
    Worker = 1,
}

/// Opens the file behind a descriptor anew: an open file description of its own.
pub fn reopen(descriptor: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    File::options().read(true).write(true).open(path)
}

/// Locks the owner's byte for as long as `file` stays open. `WouldBlock` if somebody else has it.
pub fn hold(file: &File, owner: Owner) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(owner, F_WRLCK)))?;
    Ok(())
}

/// Blocks this thread until the owner has let go of its byte.
pub fn await_release(file: &File, owner: Owner) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&range(owner, F_RDLCK))) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(owner, F_UNLCK)))?;
    Ok(())
}

fn range(owner: Owner, kind: c_int) -> flock {
    flock {
        l_type: kind as c_short,
        l_whence: SEEK_SET as c_short,
        l_start: owner as off_t,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::layout::Geometry;
    use crate::transport::segment::Segment;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn a_lock_is_released_when_its_owner_closes() {
        let (_segment, memory) = Segment::create(Geometry::new(1).unwrap()).unwrap();
        let (host, worker) = (reopen(&memory).unwrap(), reopen(&memory).unwrap());
        hold(&host, Owner::Host).unwrap();
        hold(&worker, Owner::Worker).unwrap();
        assert!(hold(&worker, Owner::Host).is_err());
        let (tell, told) = mpsc::channel();
        let waiting = std::thread::spawn(move || {
            await_release(&host, Owner::Worker).unwrap();
            tell.send(()).unwrap();
        });
        assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
        drop(worker);
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        waiting.join().unwrap();
    }
}
