//! The launcher: prepares a process and becomes the runtime.
//!
//! ```text
//!   knitting-launcher <host pid> [--nice=<n>] [--stack=<bytes>] -- <program> [argument...]
//!   1. SIGKILL when the host ends, and is the host still there?     2. close descriptors above 2
//!   3. default signals, none blocked     4. no core dumps; niceness, stack limit     5. exec
//! ```
//!
//! It runs between the host's posix_spawn and the runtime's first instruction, in a process that is small and has one
//! thread: what a large multi-threaded host must not do between fork and exec is safe here. If something fails it says
//! so on stderr and exits with 126 (127 where the program does not exist), as `env` does.
//!
//! The death signal guards the worker's start only. It would kill the worker alone and leave what that has started, so
//! the worker clears it as soon as its watchdog stands, which ends the whole process group (see `process::handshake`).

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::ExitCode;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};
use nix::unistd::{Pid, execvp, getppid};
use rustix::process::setpriority_process;

const EXIT_CANNOT_EXECUTE: u8 = 126;
const EXIT_NOT_FOUND: u8 = 127;

const USAGE: &str =
    "usage: knitting-launcher <host pid> [--nice=<n>] [--stack=<bytes>] -- <program> [argument...]";

/// What is asked for, beside the command.
struct Settings {
    host: Pid,
    nice: Option<i32>,
    stack_bytes: Option<u64>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(settings) = Settings::read(&mut arguments) else {
        return fail(USAGE, EXIT_CANNOT_EXECUTE);
    };
    let command: Vec<CString> =
        arguments.filter_map(|argument| CString::new(argument.into_vec()).ok()).collect();
    let Some(program) = command.first() else {
        return fail(USAGE, EXIT_CANNOT_EXECUTE);
    };
    if let Err(message) = prepare(&settings) {
        return fail(&message, EXIT_CANNOT_EXECUTE);
    }
    let Err(errno) = execvp(program, &command);
    let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
    let program = OsStr::from_bytes(program.as_bytes());
    fail(&format!("cannot execute {}: {}", program.display(), errno.desc()), code)
}

impl Settings {
    /// Reads everything up to `--`.
    fn read(arguments: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let host = Pid::from_raw(arguments.next()?.to_str()?.parse().ok()?);
        let mut settings = Self { host, nice: None, stack_bytes: None };
        loop {
            let argument = arguments.next()?;
            match argument.to_str()?.split_once('=') {
                Some(("--nice", nice)) => settings.nice = Some(nice.parse().ok()?),
                Some(("--stack", bytes)) => settings.stack_bytes = Some(bytes.parse().ok()?),
                _ => return (argument == "--").then_some(settings),
            }
        }
    }
}

fn prepare(settings: &Settings) -> Result<(), String> {
    prepare_process(settings.host)
        .map_err(|errno| format!("cannot prepare the process: {}", errno.desc()))?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
        .map_err(|errno| format!("cannot switch core dumps off: {}", errno.desc()))?;
    if let Some(nice) = settings.nice {
        setpriority_process(None, nice)
            .map_err(|errno| format!("cannot set worker.nice to {nice}: {errno}"))?;
    }
    if let Some(bytes) = settings.stack_bytes {
        let (soft, hard) = getrlimit(Resource::RLIMIT_STACK).unwrap_or((0, 0));
        if soft < bytes {
            setrlimit(Resource::RLIMIT_STACK, bytes, hard).map_err(|errno| {
                format!("cannot raise the stack limit to {bytes} bytes for worker.resourceLimits.stackSizeMb, the hard limit is {hard}: {}", errno.desc())
            })?;
        }
    }
    Ok(())
}

fn prepare_process(host: Pid) -> Result<(), Errno> {
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
