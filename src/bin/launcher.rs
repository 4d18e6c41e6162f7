//! The launcher: prepares a process and becomes the runtime.
//!
//! ```text
//!   knitting-launcher <host pid> <program> [argument...]
//!   1. SIGKILL when the host ends, and is the host still there?     2. close descriptors above 2
//!   3. default signals, none blocked                                4. exec
//! ```
//!
//! It runs between the host's posix_spawn and the runtime's first instruction, in a process that is small and has one
//! thread: what a large multi-threaded host must not do between fork and exec is safe here. If something fails it says
//! so on stderr and exits with 126 (127 where the program does not exist), as `env` does.
//!
//! The death signal guards the worker's start only. It would kill the worker alone and leave what that has started, so
//! the worker clears it as soon as its watchdog stands, which ends the whole process group (see `process::handshake`).

use std::ffi::{CString, OsStr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::unistd::{Pid, execvp, getppid};

const EXIT_CANNOT_EXECUTE: u8 = 126;
const EXIT_NOT_FOUND: u8 = 127;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(host) = arguments.next().and_then(|host| host.to_str()?.parse().ok()) else {
        return fail("usage: knitting-launcher <host pid> <program> [argument...]", EXIT_CANNOT_EXECUTE);
    };
    let command: Vec<CString> =
        arguments.filter_map(|argument| CString::new(argument.into_vec()).ok()).collect();
    let Some(program) = command.first() else {
        return fail("no program to start", EXIT_CANNOT_EXECUTE);
    };
    if let Err(errno) = prepare(Pid::from_raw(host)) {
        return fail(&format!("cannot prepare the process: {}", errno.desc()), EXIT_CANNOT_EXECUTE);
    }
    let Err(errno) = execvp(program, &command);
    let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
    let program = OsStr::from_bytes(program.as_bytes());
    fail(&format!("cannot execute {}: {}", program.display(), errno.desc()), code)
}

fn prepare(host: Pid) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGKILL)?;
    // The host may have died before the line above: then nothing would ever end this process.
    if getppid() != host {
        return Err(Errno::ESRCH);
    }
    knitting_native::sys::descriptors::close_from(3)?;
    for number in Signal::iterator().filter(|number| !matches!(number, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: the default disposition runs no code of ours.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("knitting-launcher: {message}");
    ExitCode::from(code)
}
