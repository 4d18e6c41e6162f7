//! What the process does on a signal: nix can only read it by setting something else. And killing a process
//! group that can't be mistaken for another.

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

use super::exit;

/// What the process does on `signal` now.
pub fn action(signal: libc::c_int) -> Result<libc::sigaction, Errno> {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action nothing is changed; the old one is written where there is room for it.
    Errno::result(unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) })?;
    // SAFETY: the call has succeeded, so it was written.
    Ok(unsafe { now.assume_init() })
}

/// Makes the process do `action` on `signal`. Async-signal-safe.
///
/// # Safety
/// If the action is a function, it does async-signal-safe things only, and stays as long as it is set.
pub unsafe fn set_action(signal: libc::c_int, action: &libc::sigaction) -> Result<(), Errno> {
    // SAFETY: the caller vouches for the action; the old one is not asked for.
    Errno::result(unsafe { libc::sigaction(signal, action, ptr::null_mut()) }).map(drop)
}

/// Makes this process end on SIGTERM if it is the first process of a PID namespace, such as a container's:
/// the kernel gives that process no default actions. Without this, stopping the container takes until its
/// timeout.
pub fn end_on_term_as_first_process() -> Result<(), Errno> {
    extern "C" fn end(signal: libc::c_int) {
        // The status is a shell's for a process that a signal has ended.
        exit::now(128 + signal)
    }
    if nix::unistd::getpid().as_raw() != 1 {
        return Ok(());
    }
    let handler: extern "C" fn(libc::c_int) = end;
    // SAFETY: the function does one thing, which is async-signal-safe, and stays.
    unsafe { set_action(libc::SIGTERM, &action_of(handler as libc::sighandler_t, 0)) }
}

/// Makes this process do on `number` what the kernel does by default. `EINVAL` for the signals that can't be
/// changed.
pub fn reset(number: Signal) -> Result<(), Errno> {
    // SAFETY: the default disposition runs no code of ours.
    unsafe { signal(number, SigHandler::SigDfl) }.map(drop)
}

/// Kills the process group that the process behind a pidfd leads or has led. It can't meet another group, as
/// a kill by number could. `EINVAL` before Linux 6.9.
pub fn kill_group(leader: BorrowedFd<'_>) -> Result<(), Errno> {
    const PIDFD_SIGNAL_PROCESS_GROUP: libc::c_uint = 1 << 2;
    let (call, information) = (libc::SYS_pidfd_send_signal, ptr::null::<libc::siginfo_t>());
    let (leader, flags) = (leader.as_raw_fd(), PIDFD_SIGNAL_PROCESS_GROUP);
    // SAFETY: numbers, and no information about the signal, which the kernel then makes up.
    Errno::result(unsafe { libc::syscall(call, leader, libc::SIGKILL, information, flags) }).map(drop)
}

/// The action of running `handler`, which is one of `SIG_DFL`, `SIG_IGN` or a function that `flags` fit.
pub fn action_of(handler: libc::sighandler_t, flags: libc::c_int) -> libc::sigaction {
    // SAFETY: the structure is integers and nullable pointers: all zeros is one, with an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler;
    action.sa_flags = flags;
    action
}
