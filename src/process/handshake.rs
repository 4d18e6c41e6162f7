//! The worker's side of the handshake, before any task is imported.
//!
//! ```text
//!   1. take both boot variables out of the environment, and out of the block that /proc/self/environ shows
//!   2. open the memory: descriptor 0 anew, or the name; check magic, version, sizes, nonce; map it
//!   3. take the worker's owner lock; put /dev/null on descriptor 0; show the host which process this is
//!   4. start the watchdogs: the host's lock is released, or the segment says stop -> the process group ends
//!   5. take the control socket and the bell, if the wrapper has left them; clear the death signal that the launcher set
//!   6. if its policy allows no programs: give up the means to execute any, in every thread
//! ```
//!
//! The death signal kills this process alone, and before a watchdog can run: then the processes that a task
//! has started would outlive a dead host. So the death signal guards the start only, when no task has run,
//! and then the watchdogs take over. At every moment there is one or the other. The signal belongs to the
//! thread that called exec, so that thread has to attach. If a wrapper stays, the launcher's signal is set
//! for the wrapper. A signal that the wrapper has set for this process is left alone.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{dup2_stdin, getpgrp, getpid, getppid};

use super::bell::Bell;
use super::boot::{BOOT_VARIABLE, Boot, Memory, WORKER_MARK, WORKER_VARIABLE};
use super::control::Receiver;
use super::owner_lock::{self, Owner};
use super::shm_name;
use crate::sandbox::seccomp;
use crate::sys::{environ, exit, signals};
use crate::transport::doorbell;
use crate::transport::layout::Word;
use crate::transport::segment::Segment;

/// The status of a worker that can't be killed by its group, as under a wrapper: a shell's for SIGKILL. 0 would say
/// that it has ended in order.
const KILLED: i32 = 128 + Signal::SIGKILL as i32;

/// A worker that has attached to its segment.
pub struct Attached {
    /// Its memory.
    pub segment: Arc<Segment>,
    /// What it is to do.
    pub boot: Boot,
    /// The socket by which further memory comes, if the wrapper has passed it on.
    pub control: Option<Receiver>,
    /// By which it and its host wake each other, if the wrapper has passed it on.
    pub bell: Option<Bell>,
}

/// Attaches this process to its segment. The error is a sentence for stderr.
pub fn attach() -> Result<Attached, String> {
    let mark = environ::take_variable(WORKER_VARIABLE);
    let boot = environ::take_variable(BOOT_VARIABLE);
    if mark.as_deref() != Some(WORKER_MARK) {
        return Err(format!(
            "{WORKER_VARIABLE} is not set. This file is started by a pool, not by hand; a wrapper must pass that \
             variable and {BOOT_VARIABLE} on (docker and podman: -e {WORKER_VARIABLE} -e {BOOT_VARIABLE})"
        ));
    }
    let boot = boot.ok_or_else(|| {
        format!(
            "{BOOT_VARIABLE} is not set: a wrapper must pass it on (docker and podman: -e {BOOT_VARIABLE})"
        )
    })?;
    let boot = Boot::decode(&boot).map_err(|error| format!("{BOOT_VARIABLE} cannot be read: {error}"))?;

    let (file, lock) = open(&boot.memory).map_err(|error| refusal(&boot.memory, &error))?;
    let segment = Segment::open(file, &boot.segment).map_err(|error| refusal(&boot.memory, &error))?;
    owner_lock::hold(&lock, Owner::Worker)
        .map_err(|error| format!("another worker is attached to this memory already ({error})"))?;
    File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .and_then(|null| Ok(dup2_stdin(null)?))
        .map_err(|error| format!("/dev/null cannot replace descriptor 0: {error}"))?;
    // Only now, because closing any descriptor of the memory would hide the process again. The host can do
    // without this.
    let _ = owner_lock::show_process(&lock);

    signals::end_on_term_as_first_process().map_err(|error| format!("SIGTERM cannot be handled: {error}"))?;
    let control = Receiver::claim(&boot.segment.nonce);
    let bell = Bell::claim(&boot.segment.nonce);
    let segment = Arc::new(segment);
    let (host, host_group) = boot.host;
    watch(lock, segment.clone(), host_group)
        .map_err(|error| format!("no thread for the watchdog: {error}"))?;
    if getppid().as_raw() == host {
        set_pdeathsig(None).map_err(|error| format!("the death signal cannot be cleared: {error}"))?;
    }
    if !boot.runs {
        seccomp::give_up_exec()
            .map_err(|error| format!("the right to execute programs cannot be given up: {error}"))?;
    }
    Ok(Attached { segment, boot, control, bell })
}

/// Opens the memory twice: to map it, and to hold locks on.
fn open(memory: &Memory) -> std::io::Result<(File, File)> {
    match memory {
        Memory::Inherited => {
            let file = owner_lock::reopen(std::io::stdin())?;
            let lock = owner_lock::reopen(&file)?;
            Ok((file, lock))
        }
        Memory::Named(path) => Ok((shm_name::open(path)?, shm_name::open(path)?)),
    }
}

/// A sentence that says what is wrong with the memory, and what can be done about it.
fn refusal(memory: &Memory, error: &dyn std::fmt::Display) -> String {
    match memory {
        Memory::Inherited => format!(
            "descriptor 0 is not the shared memory this worker was started with: {error}. A wrapper that replaces \
             stdin, as containers do, needs processSharedMemory: \"named\""
        ),
        Memory::Named(path) => format!(
            "the shared memory {path} cannot be opened here: {error}. The wrapper must share the host's IPC namespace \
             (docker and podman: --ipc=host) and run the worker as the host's user; or the host has ended"
        ),
    }
}

/// Starts the two threads that end this process when its host is gone or wants it gone. `lock` lives as long
/// as they do.
fn watch(lock: File, segment: Arc<Segment>, host_group: i32) -> std::io::Result<()> {
    let thread = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(64 * 1024);
    thread("knitting-host").spawn(move || {
        // After an error nobody can tell any more whether the host lives, so this process ends as well.
        let _ = owner_lock::await_release(&lock, Owner::Host);
        end(host_group);
    })?;
    thread("knitting-stop").spawn(move || {
        let stop = segment.word(Word::Stop);
        let grace = loop {
            match stop.load(Ordering::Acquire) {
                0 => doorbell::wait(stop, 0),
                value => break value - 1,
            }
        };
        // The event loop has been told too, and ends the process in good order if it can.
        std::thread::sleep(Duration::from_millis(grace.into()));
        end(host_group);
    })?;
    Ok(())
}

/// Ends this process and all it has started.
fn end(host_group: i32) -> ! {
    // The launcher's process was started as the leader of this group, which keeps the number if this process
    // has moved to another group. If there is no such group, as under a wrapper, this kills nobody.
    let _ = killpg(getpid(), Signal::SIGKILL);
    // The wrapper's group, or a group that the wrapper has made.
    let group = getpgrp();
    if group.as_raw() > 1 && group.as_raw() != host_group {
        let _ = killpg(group, Signal::SIGKILL);
    }
    // Exit handlers are not wanted: the event loop may be stuck.
    exit::now(KILLED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use nix::sys::prctl::get_pdeathsig;
    use nix::sys::signal::kill;
    use nix::unistd::Pid;

    use crate::transport::layout::Geometry;

    const ROLE: &str = "KNITTING_TEST_ROLE";

    /// This test in a process of its own.
    fn this_test_as(role: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "process::handshake::tests::a_dead_host_leaves_no_orphans";
        command.args(["--exact", name, "--test-threads=1"]).env(ROLE, role).stdout(Stdio::null());
        command
    }

    /// Starts a worker as the reactor does, and waits to be killed.
    fn host() {
        let (segment, memory) = Segment::create(Geometry::new(1).unwrap()).unwrap();
        let lock = owner_lock::reopen(&memory).unwrap();
        owner_lock::hold(&lock, Owner::Host).unwrap();
        let host = (getpid().as_raw(), getpgrp().as_raw());
        let boot = Boot {
            segment: segment.identity().clone(),
            memory: Memory::Inherited,
            host,
            runs: true,
            program: String::new(),
        };
        let mut worker = this_test_as("worker")
            .env(WORKER_VARIABLE, WORKER_MARK)
            .env(BOOT_VARIABLE, boot.encode().unwrap())
            .stdin(memory)
            .process_group(0)
            .spawn()
            .unwrap();
        worker.wait().unwrap();
    }

    /// Attaches under a death signal, as the launcher would leave it, and starts a process as a task might.
    fn worker() {
        set_pdeathsig(Signal::SIGKILL).unwrap();
        let _attached = attach().unwrap();
        assert_eq!(get_pdeathsig(), Ok(None));
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        writeln!(std::io::stderr(), "{} {}", getpid(), child.id()).unwrap();
        child.wait().unwrap();
    }

    /// A zombie whose new parent has not looked yet counts as gone.
    fn lives(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
    }

    #[test]
    fn a_dead_host_leaves_no_orphans() {
        match std::env::var(ROLE).as_deref() {
            Ok("host") => return host(),
            Ok(_) => return worker(),
            Err(_) => {}
        }
        let mut host = this_test_as("host").stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let pids: Vec<i32> = line.split_whitespace().map(|pid| pid.parse().expect(&line)).collect();
        assert_eq!(pids.len(), 2, "{line}");
        assert!(pids.iter().all(|&pid| lives(pid)));
        kill(Pid::from_raw(host.id() as i32), Signal::SIGKILL).unwrap();
        host.wait().unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while pids.iter().any(|&pid| lives(pid)) {
            assert!(Instant::now() < deadline, "of {pids:?} some outlived the host");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
