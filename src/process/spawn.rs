//! One start of a process worker: what the host asks for, assembled into what the reactor starts and watches.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::unistd::{getpgrp, getpid};

use super::bell::Bell;
use super::boot::{self, BOOT_VARIABLE, Boot, WORKER_MARK, WORKER_VARIABLE};
use super::control::ControlSocket;
use super::launch::{Launch, Limits, Role, with_launcher};
use super::message_rate::MessageRate;
use super::output::Stdio;
use super::owner_lock::{self, Owner};
use super::reactor::{self, EventHandler, LaunchRequest, WorkerId};
use super::worker_memory::WorkerMemory;
use crate::sandbox::spec::{Layer, SandboxSpec};
use crate::transport::segment::Identity;

static NEXT_WORKER: AtomicU64 = AtomicU64::new(1);

/// A number for a worker that the reactor does not know yet.
pub fn next_id() -> WorkerId {
    NEXT_WORKER.fetch_add(1, Ordering::Relaxed)
}

/// What a process worker is to be.
#[derive(Debug)]
pub struct Start {
    /// Path of the launcher.
    pub launcher: String,
    /// What stands before the command; empty without a wrapper.
    pub wrapper: Vec<String>,
    /// Runtime, its flags, worker entry.
    pub command: Vec<String>,
    /// What the worker may do. Everything without it.
    pub sandbox: Option<SandboxSpec>,
    /// The environment, without the boot variables.
    pub env: Vec<(String, String)>,
    /// Where it runs, if not where the host does.
    pub cwd: Option<String>,
    /// What becomes of its output.
    pub stdio: Stdio,
    /// The account of its messages, if they are limited.
    pub messages: Option<Arc<MessageRate>>,
    /// Niceness, stack and cgroup.
    pub limits: Limits,
    /// What the worker is to run; nothing to this side.
    pub program: String,
}

/// A process worker that the reactor is starting.
#[derive(Debug)]
pub struct Started {
    /// Names it to the reactor.
    pub id: WorkerId,
    /// By which it gets further memory.
    pub control: ControlSocket,
    /// By which both wake each other, if a wrapper leaves the worker its end.
    pub bell: Bell,
    /// True if it may start programs.
    pub has_programs: bool,
}

/// Why a start did not get as far as the reactor.
#[derive(Debug)]
pub enum StartError {
    /// What was asked for can't be: a sentence.
    Refused(String),
    /// The system did not give something.
    System {
        /// What, as the object of "cannot set up".
        what: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// Turns an error of the system's into one that says what could not be had.
fn system(what: &'static str) -> impl Fn(io::Error) -> StartError + Copy {
    move |error| StartError::System { what, error }
}

/// Has the reactor start a worker that works in `memory`, which `segment` identifies. `on_event` hears of it,
/// also that it could not be started. An error if the boot payload or the sandbox's description is too long,
/// or the system lacks something.
pub fn start(
    mut start: Start,
    memory: WorkerMemory,
    segment: Identity,
    on_event: EventHandler,
) -> Result<Started, StartError> {
    let (stdio, messages) = (start.stdio, start.messages.take());
    let has_programs = may_start_programs(&start);
    let (launch, lock, (control, bell)) = assemble(start, memory, segment)?;
    let id = next_id();
    let request = LaunchRequest { launch, lock, stdio, messages, on_event };
    reactor::launch(id, request).map_err(system("the reactor"))?;
    Ok(Started { id, control, bell, has_programs })
}

/// What the reactor is to start, the file with the host's owner lock, and the host's ends of the control
/// socket and of the bell.
fn assemble(
    mut start: Start,
    memory: WorkerMemory,
    segment: Identity,
) -> Result<(Launch, File, (ControlSocket, Bell)), StartError> {
    let role = role_of(&start, &memory);
    if let (Some(spec), WorkerMemory::Named { path, .. }) = (&mut start.sandbox, &memory) {
        spec.memory = Some(fs::canonicalize(path).map_err(system("the worker's memory"))?);
    }
    let sandbox = start.sandbox.as_ref().map(SandboxSpec::argument).transpose();
    let sandbox = sandbox.map_err(StartError::Refused)?;
    let (stdin, lock, memory) = lock_memory(memory).map_err(system("the worker's memory"))?;
    let (bell, its_bell) = Bell::open(&segment.nonce).map_err(system("the bell"))?;
    let (control, stdin) =
        ControlSocket::open(&stdin, &its_bell, &segment.nonce).map_err(system("the control socket"))?;
    let runs = may_start_programs(&start);
    let host = (getpid().as_raw(), getpgrp().as_raw());
    let payload = Boot { segment, memory, host, runs, program: start.program }.encode().map_err(too_long)?;
    let mut env = start.env;
    env.push((WORKER_VARIABLE.into(), WORKER_MARK.into()));
    env.push((BOOT_VARIABLE.into(), payload));
    let launch = Launch {
        argv: with_launcher(&start.launcher, role, start.limits, sandbox, start.wrapper, start.command),
        env,
        cwd: start.cwd.map(Into::into),
        stdin,
        reads_stdout: start.stdio != Stdio::Ignore,
        role,
    };
    Ok((launch, lock, (control, bell)))
}

/// What the launcher may do without the worker does not insist on.
fn may_start_programs(start: &Start) -> bool {
    start.sandbox.as_ref().is_none_or(|spec| spec.run || spec.optional.contains(&Layer::Syscalls))
}

fn role_of(start: &Start, memory: &WorkerMemory) -> Role {
    match memory {
        _ if start.wrapper.is_empty() => Role::Worker,
        WorkerMemory::Sealed(_) => Role::Wrapper,
        // What can't inherit a descriptor is a container's client.
        WorkerMemory::Named { .. } => Role::ContainerClient,
    }
}

/// What becomes descriptor 0 of the worker, a file that holds the host's owner lock, and where the worker
/// finds its memory.
fn lock_memory(memory: WorkerMemory) -> io::Result<(OwnedFd, File, boot::Memory)> {
    match memory {
        WorkerMemory::Sealed(descriptor) => {
            let lock = owner_lock::reopen(&descriptor)?;
            owner_lock::hold(&lock, Owner::Host)?;
            Ok((descriptor, lock, boot::Memory::Inherited))
        }
        WorkerMemory::Named { path, lock } => {
            Ok((File::open("/dev/null")?.into(), lock, boot::Memory::Named(path)))
        }
    }
}

fn too_long(excess: usize) -> StartError {
    StartError::Refused(format!(
        "the tasks' names and URLs, and worker.bootstrap.data, are {excess} bytes longer than Linux allows an \
         environment variable to be"
    ))
}
