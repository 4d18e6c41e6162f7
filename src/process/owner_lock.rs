//! Owner locks: how each side learns that the other has ended, also if neither is the other's child.
//!
//! ```text
//!   segment byte   0 host   1 worker   2 the worker's process id
//!   each side:     reopen the segment, lock the own byte (F_OFD_SETLK), wait for the other's (F_OFD_SETLKW)
//! ```
//!
//! A lock belongs to the open file description. Parent and child would share the lock of an inherited
//! descriptor, so both sides open the segment again. The kernel drops the lock when the last descriptor of
//! the description closes: when the owner ends, for whatever reason. There is no heartbeat: a paused event
//! loop is not dead.
//!
//! The worker holds byte 2 as well, by a classic lock, which belongs to a process. The kernel says which
//! process has such a lock, by its number in the PID namespace of the process that asks. So the host finds a
//! worker in a sandbox or container although it has only started the wrapper.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc::{F_RDLCK, F_UNLCK, F_WRLCK, SEEK_SET, c_int, c_short, flock, off_t};
use nix::unistd::Pid;

/// Who owns a byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i64)]
pub enum Owner {
    /// The process that created the segment.
    Host = 0,
    /// The worker.
    Worker = 1,
}

/// Locked by the worker's process itself.
const PROCESS_BYTE: off_t = 2;

/// Opens the file behind a descriptor again, with an open file description of its own.
pub fn reopen(descriptor: impl AsFd) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", descriptor.as_fd().as_raw_fd());
    File::options().read(true).write(true).open(path)
}

/// Locks the owner's byte for as long as `file` stays open. `WouldBlock` if somebody else has it.
pub fn hold(file: &File, owner: Owner) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(owner as off_t, F_WRLCK)))?;
    Ok(())
}

/// Releases the lock that [`hold`] took.
pub fn let_go(file: &File, owner: Owner) -> io::Result<()> {
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(owner as off_t, F_UNLCK)))?;
    Ok(())
}

/// True if another open file than this one holds the owner's byte.
pub fn is_held(file: &File, owner: Owner) -> io::Result<bool> {
    let mut lock = range(owner as off_t, F_WRLCK);
    fcntl(file, FcntlArg::F_OFD_GETLK(&mut lock))?;
    Ok(c_int::from(lock.l_type) != F_UNLCK)
}

/// Lets the host find this process by [`find_process`], until this process closes any descriptor of the
/// segment.
pub fn show_process(file: &File) -> io::Result<()> {
    fcntl(file, FcntlArg::F_SETLK(&range(PROCESS_BYTE, F_WRLCK)))?;
    Ok(())
}

/// The id of the process that has called [`show_process`], as this process numbers it. `None` if there is
/// none, or if it is in a PID namespace that this process can't see into.
pub fn find_process(file: &File) -> io::Result<Option<Pid>> {
    let mut lock = range(PROCESS_BYTE, F_WRLCK);
    fcntl(file, FcntlArg::F_GETLK(&mut lock))?;
    Ok((c_int::from(lock.l_type) != F_UNLCK && lock.l_pid > 0).then(|| Pid::from_raw(lock.l_pid)))
}

/// Blocks this thread until the owner has let go of its byte.
pub fn await_release(file: &File, owner: Owner) -> io::Result<()> {
    loop {
        match fcntl(file, FcntlArg::F_OFD_SETLKW(&range(owner as off_t, F_RDLCK))) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fcntl(file, FcntlArg::F_OFD_SETLK(&range(owner as off_t, F_UNLCK)))?;
    Ok(())
}

fn range(byte: off_t, kind: c_int) -> flock {
    flock { l_type: kind as c_short, l_whence: SEEK_SET as c_short, l_start: byte, l_len: 1, l_pid: 0 }
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
        assert!(is_held(&worker, Owner::Host).unwrap() && is_held(&host, Owner::Worker).unwrap());
        let_go(&host, Owner::Host).unwrap();
        assert!(!is_held(&worker, Owner::Host).unwrap());
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

    #[test]
    fn a_process_shows_itself() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        const CHILD: &str = "KNITTING_TEST_SHOW";
        if std::env::var_os(CHILD).is_some() {
            let memory = reopen(io::stdin()).unwrap();
            show_process(&memory).unwrap();
            eprintln!("shown");
            std::thread::sleep(Duration::from_secs(60));
            return;
        }
        let (_segment, memory) = Segment::create(Geometry::new(1).unwrap()).unwrap();
        let host = reopen(&memory).unwrap();
        assert_eq!(find_process(&host).unwrap(), None);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "process::owner_lock::tests::a_process_shows_itself", "--nocapture"])
            .env(CHILD, "1")
            .stdin(memory)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(find_process(&host).unwrap(), Some(Pid::from_raw(child.id() as i32)), "{line}");
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(find_process(&host).unwrap(), None);
    }
}
