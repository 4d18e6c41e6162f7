//! The launcher: prepares a process and becomes the runtime, or the wrapper around it.
//!
//! ```text
//!   knitting-launcher <host pid> [--control] [--watchdog=<milliseconds>] [--nice=<n>] [--stack=<bytes>]
//!                     [--cgroup=<folder>] [--sandbox=<spec>] -- <program> [argument...]
//!   1. SIGKILL when the host ends, and is the host still there?     2. close descriptors above 2
//!   3. default signals, none blocked     4. cgroup; no core dumps; niceness, stack limit
//!   5. for a wrapper: a watchdog instead of the death signal            6. descriptors 0, 3 and 4: see `process::control`
//!   7. the sandbox                                                  8. exec
//!
//!   knitting-launcher --probe     prints as JSON what this kernel can enforce, see `sandbox::probe`
//! ```
//!
//! A host of 0 means that there is none to watch: behind a wrapper the launcher only sets up the sandbox, and
//! another launcher has started the wrapper.
//!
//! The launcher runs between the host's posix_spawn and the runtime's first instruction, in a small process
//! with one thread. So it can safely do what a large multi-threaded host must not do between fork and exec.
//! If something fails it says so on stderr and exits with 126, or with 127 if the program does not exist, as
//! `env` does. It exits with 125 if it can't enforce the sandbox: the command does not run without it.
//!
//! The death signal guards the worker's start only. It would kill the worker alone and leave the processes
//! that the worker has started. So the worker clears it as soon as its watchdog runs, which ends the whole
//! process group (see `process::handshake`).
//!
//! A wrapper must not be killed alone either: what it has half started would stay for ever, such as a sandbox
//! that waits for its parent, or a container that is created and not started. Its watchdog is a process of
//! the same group, which waits for the host or the wrapper to end and kills the group; after the host's end
//! it lets the wrapper go on for the given time. The wrapper is its parent and could put it into another
//! group. It kills the group that it began in, or none.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::ExitCode;

use knitting_native::process::{bell, control};
use knitting_native::sandbox;
use knitting_native::sandbox::probe::{Kernel, PROBE};
use knitting_native::sandbox::spec::SandboxSpec;
use knitting_native::sys::descriptors::close_from;
use knitting_native::sys::fork::start_child;
use knitting_native::sys::pidfd;
use knitting_native::sys::priority::set_nice;
use knitting_native::sys::signals::{self, kill_group};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, killpg, sigprocmask};
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout, execvp, getpgrp, getpid, getppid};

const EXIT_NOT_CONFINED: u8 = 125;
const EXIT_CANNOT_EXECUTE: u8 = 126;
const EXIT_NOT_FOUND: u8 = 127;

const USAGE: &str = "usage: knitting-launcher <host pid> [--control] [--watchdog=<milliseconds>] [--nice=<n>] \
                     [--stack=<bytes>] [--cgroup=<folder>] [--sandbox=<spec>] -- <program> [argument...]";

/// What is asked for, beside the command.
struct Settings {
    /// The host's process id. `None` behind a wrapper.
    host: Option<Pid>,
    /// True if descriptor 0 is the control socket.
    control: bool,
    /// How long a wrapper may go on after the host's end, in milliseconds.
    watchdog_millis: Option<u16>,
    nice: Option<i32>,
    stack_bytes: Option<u64>,
    cgroup: Option<String>,
    /// The sandbox's specification, as JSON.
    sandbox: Option<String>,
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|argument| argument == PROBE) {
        println!("{}", serde_json::json!(Kernel::enter(false)));
        return ExitCode::SUCCESS;
    }
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
    if let Some(spec) = &settings.sandbox
        && let Err(message) = confine(spec, settings.host)
    {
        return fail(&message, EXIT_NOT_CONFINED);
    }
    let Err(errno) = execvp(program, &command);
    let code = if errno == Errno::ENOENT { EXIT_NOT_FOUND } else { EXIT_CANNOT_EXECUTE };
    let program = OsStr::from_bytes(program.as_bytes());
    fail(&format!("cannot execute {}: {}", program.display(), errno.desc()), code)
}

impl Settings {
    /// Reads everything up to `--`.
    fn read(arguments: &mut impl Iterator<Item = OsString>) -> Option<Self> {
        let host: i32 = arguments.next()?.to_str()?.parse().ok()?;
        let mut settings = Self {
            host: (host != 0).then(|| Pid::from_raw(host)),
            control: false,
            watchdog_millis: None,
            nice: None,
            stack_bytes: None,
            cgroup: None,
            sandbox: None,
        };
        loop {
            let argument = arguments.next()?;
            if argument == "--control" {
                settings.control = true;
                continue;
            }
            match argument.to_str()?.split_once('=') {
                Some(("--watchdog", millis)) => settings.watchdog_millis = Some(millis.parse().ok()?),
                Some(("--nice", nice)) => settings.nice = Some(nice.parse().ok()?),
                Some(("--stack", bytes)) => settings.stack_bytes = Some(bytes.parse().ok()?),
                Some(("--cgroup", folder)) => settings.cgroup = Some(folder.into()),
                Some(("--sandbox", spec)) => settings.sandbox = Some(spec.into()),
                _ => return (argument == "--").then_some(settings),
            }
        }
    }
}

fn prepare(settings: &Settings) -> Result<(), String> {
    prepare_process(settings.host)
        .map_err(|errno| format!("cannot prepare the process: {}", errno.desc()))?;
    if let Some(folder) = &settings.cgroup {
        // 0 is the process that writes it, and what it starts comes along.
        let procs = Path::new(folder).join("cgroup.procs");
        File::options()
            .write(true)
            .open(procs)
            .and_then(|mut procs| procs.write_all(b"0"))
            .map_err(|error| format!("cannot enter worker.cgroup {folder}: {error}"))?;
    }
    setrlimit(Resource::RLIMIT_CORE, 0, 0)
        .map_err(|errno| format!("cannot switch core dumps off: {}", errno.desc()))?;
    if let Some(nice) = settings.nice {
        set_nice(nice).map_err(|errno| format!("cannot set worker.nice to {nice}: {errno}"))?;
    }
    if let Some(bytes) = settings.stack_bytes {
        let (soft, hard) = getrlimit(Resource::RLIMIT_STACK).unwrap_or((0, 0));
        if soft < bytes {
            setrlimit(Resource::RLIMIT_STACK, bytes, hard).map_err(|errno| {
                format!(
                    "cannot raise the stack limit to {bytes} bytes for worker.resourceLimits.stackSizeMb, the hard \
                     limit is {hard}: {}",
                    errno.desc()
                )
            })?;
        }
    }
    if let (Some(host), Some(millis)) = (settings.host, settings.watchdog_millis) {
        start_watchdog(host, millis)
            .map_err(|error| format!("cannot start the wrapper's watchdog: {error}"))?;
    }
    if settings.control {
        // After the start of the watchdog, which must not have it.
        control::take_descriptors().map_err(|error| format!("cannot take the control socket: {error}"))?;
    }
    Ok(())
}

/// Confines this process to the specification.
fn confine(spec: &str, host: Option<Pid>) -> Result<(), String> {
    sandbox::apply(SandboxSpec::decode(spec)?)?;
    // Some changes of credentials clear the death signal.
    host.map_or(Ok(()), die_with)
        .map_err(|errno| format!("the death signal cannot be set again: {}", errno.desc()))
}

/// Starts the watchdog of this process, which replaces the death signal.
fn start_watchdog(host: Pid, millis: u16) -> io::Result<()> {
    let (wrapper, host_process) = (pidfd::open(getpid().as_raw())?, pidfd::open(host.as_raw())?);
    let group = getpgrp();
    // The number could have become somebody else's before the descriptor was there.
    if getppid() != host {
        return Err(Errno::ESRCH.into());
    }
    start_child(|| watch(&host_process, &wrapper, group, millis))?;
    Ok(set_pdeathsig(None)?)
}

/// Waits until the wrapper, which leads the group, has ended or is not wanted any more, and ends the group.
fn watch(host: &OwnedFd, wrapper: &OwnedFd, group: Pid, millis: u16) -> i32 {
    // The readers of the wrapper's output have to see its end, and this process does not need the memory.
    let _ = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map(|null| (dup2_stdin(&null), dup2_stdout(&null), dup2_stderr(&null)));
    wait_for_end(&[host, wrapper], PollTimeout::NONE);
    wait_for_end(&[wrapper], millis.into());
    // This kills this process too. It goes by the group's number only while this process is in the group and
    // so keeps the number from being reused.
    if kill_group(wrapper.as_fd()).is_err() && getpgrp() == group {
        let _ = killpg(group, Signal::SIGKILL);
    }
    0
}

/// Waits until one of the processes has ended.
fn wait_for_end(processes: &[&OwnedFd], timeout: PollTimeout) {
    let mut ends: Vec<_> =
        processes.iter().map(|process| PollFd::new(process.as_fd(), PollFlags::POLLIN)).collect();
    while poll(&mut ends, timeout) == Err(Errno::EINTR) {}
}

fn prepare_process(host: Option<Pid>) -> Result<(), Errno> {
    host.map_or(Ok(()), die_with)?;
    // A wrapper may have passed the control socket and the bell on.
    let first = if host.is_some() { control::DESCRIPTOR } else { bell::DESCRIPTOR + 1 };
    close_from(first.unsigned_abs())?;
    for number in Signal::iterator().filter(|number| !matches!(number, Signal::SIGKILL | Signal::SIGSTOP)) {
        signals::reset(number)?;
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)
}

/// Makes the kernel kill this process when the host ends.
fn die_with(host: Pid) -> Result<(), Errno> {
    set_pdeathsig(Signal::SIGKILL)?;
    // If the host has died before the line above, nothing would ever end this process.
    if getppid() == host { Ok(()) } else { Err(Errno::ESRCH) }
}

fn fail(message: &str, code: u8) -> ExitCode {
    eprintln!("knitting-launcher: {message}");
    ExitCode::from(code)
}
