//! Trying in a child what this process could not take back.

use std::fs;
use std::io::{self, Read, Write};

use nix::libc;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// What comes of an attempt in a child, which ends with it. Only for a process of one thread. The error is a sentence, the
/// attempt's if it comes to one.
pub fn rehearse(attempt: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    try_in_child(attempt).unwrap_or_else(|error| Err(format!("it cannot be tried in a child: {error}")))
}

fn try_in_child(attempt: impl FnOnce() -> Result<(), String>) -> io::Result<Result<(), String>> {
    if fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("this process has several threads"));
    }
    let (mut reader, mut writer) = io::pipe()?;
    // SAFETY: this process has one thread, so the child may do anything.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let status = match attempt() {
                Ok(()) => 0,
                // What can't be told is still no success.
                Err(reason) => writer.write_all(reason.as_bytes()).map_or(1, |()| 1),
            };
            // SAFETY: ends the child without what this process would do at its own end.
            unsafe { libc::_exit(status) }
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let mut reason = String::new();
            reader.read_to_string(&mut reason)?;
            Ok(match waitpid(child, None)? {
                WaitStatus::Exited(_, 0) => Ok(()),
                WaitStatus::Exited(..) => Err(reason),
                end => Err(format!("the child that tried it has ended: {end:?}")),
            })
        }
    }
}
