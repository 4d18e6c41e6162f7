//! Processes by descriptors: unlike a number, a pidfd never comes to mean another process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// A descriptor of the process that has this number now, readable once it has ended. The process may have
/// taken the number over from another one: a caller that knows the number from before checks again after this call.
/// An error if no process has it.
pub fn open(pid: i32) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(pid).ok_or(io::ErrorKind::NotFound)?;
    Ok(pidfd_open(pid, PidfdFlags::NONBLOCK)?)
}

/// Kills the process. `ESRCH` once it has been reaped.
pub fn kill(process: impl AsFd) -> io::Result<()> {
    Ok(pidfd_send_signal(process, Signal::KILL)?)
}

/// Lets any process trace this one. Otherwise only its ancestors may.
#[cfg(test)]
pub fn let_any_process_trace() -> io::Result<()> {
    use rustix::process::{PTracer, set_ptracer};
    Ok(set_ptracer(PTracer::Any)?)
}
