//! Starting a process worker from JavaScript, and what it hears of it.

use std::fs::{self, File};
use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Error, Status};
use napi_derive::napi;

use nix::unistd::{getpgrp, getpid};

use super::host_lane::{HostLane, Memory, system};
use crate::process::boot::{self, BOOT_VARIABLE, Boot, WORKER_MARK, WORKER_VARIABLE};
use crate::process::control::ControlSocket;
use crate::process::handover::Giver;
use crate::process::launch::{Launch, Limits, Role, with_launcher};
use crate::process::output::{Stdio, Stream};
use crate::process::owner_lock::{self, Owner};
use crate::process::reactor::{self, Event, Order, WorkerId};
use crate::process::shm_name;
use crate::sandbox::policy::{Layer, Policy};
use crate::transport::blocks;

/// Exit status of a worker that refused to attach.
#[napi]
pub const EXIT_REFUSED: i32 = boot::EXIT_REFUSED;

static NEXT_WORKER: AtomicU64 = AtomicU64::new(1);

/// What a worker process is started with.
#[napi(object)]
pub struct LaunchOptions {
    /// Path of the launcher.
    pub launcher: String,
    /// What stands before the command; empty without a wrapper.
    pub wrapper: Vec<String>,
    /// Runtime, its flags, worker entry.
    pub command: Vec<String>,
    /// What the worker may do, see [`Policy`]; everything without it.
    pub sandbox: Option<String>,
    /// The environment, without the boot variables.
    pub env: Vec<(String, String)>,
    /// Where it runs, if not where the host does.
    pub cwd: Option<String>,
    /// "inherit", "pipe" or "ignore".
    pub stdio: String,
    /// Niceness.
    pub nice: Option<i32>,
    /// Bytes of stack that the main thread may use.
    pub stack_bytes: Option<f64>,
    /// What the worker is to run; nothing to this side.
    pub program: String,
}

/// What happened to a worker process.
#[napi(object)]
#[derive(Default)]
pub struct WorkerEvent {
    /// "spawned", "attached", "output", "outlives", "failed" or "exited".
    pub kind: String,
    /// Process id: of "spawned" the command's, of "attached" the worker's, if it is known.
    pub pid: Option<i32>,
    /// Whether it was stderr, of "output".
    pub is_stderr: Option<bool>,
    /// Whole lines, of "output".
    pub lines: Option<String>,
    /// Why it failed.
    pub message: Option<String>,
    /// Whether another attempt may succeed.
    pub transient: Option<bool>,
    /// Exit status, of "exited".
    pub code: Option<i32>,
    /// Name of the signal, of "exited".
    pub signal: Option<String>,
    /// The last of its stderr, of "exited".
    pub stderr_tail: Option<String>,
    /// It was given up, of "exited".
    pub lives_on: Option<bool>,
}

impl From<Event> for WorkerEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Spawned { pid } => Self { kind: "spawned".into(), pid: Some(pid), ..Self::default() },
            Event::Failed { message, transient } => Self {
                kind: "failed".into(),
                message: Some(message),
                transient: Some(transient),
                ..Self::default()
            },
            Event::Attached { pid } => Self { kind: "attached".into(), pid, ..Self::default() },
            // The receipt is dropped here, on the JavaScript thread.
            Event::Output { stream, lines, receipt: _ } => Self {
                kind: "output".into(),
                is_stderr: Some(stream == Stream::Stderr),
                lines: Some(String::from_utf8_lossy(&lines).into_owned()),
                ..Self::default()
            },
            Event::Outlives => Self { kind: "outlives".into(), ..Self::default() },
            Event::Exited { code, signal, stderr_tail, lives_on } => Self {
                kind: "exited".into(),
                code,
                signal: signal.map(Into::into),
                stderr_tail: Some(stderr_tail),
                lives_on: Some(lives_on),
                ..Self::default()
            },
        }
    }
}

/// Starts a process that works behind `lane`; `on_event` hears of it. Throws if the boot payload or the policy is too
/// long.
#[napi]
pub fn launch_worker(
    lane: &HostLane,
    options: LaunchOptions,
    on_event: Function<'_, WorkerEvent, ()>,
) -> Result<()> {
    let stdio = match options.stdio.as_str() {
        "inherit" => Stdio::Inherit,
        "pipe" => Stdio::Pipe,
        "ignore" => Stdio::Ignore,
        other => return Err(refused(format!("stdio cannot be {other}"))),
    };
    let mut policy = options.sandbox.map(|json| Policy::decode(&json)).transpose().map_err(refused)?;
    let (memory, segment) = lane.take_memory()?;
    let role = match (options.wrapper.is_empty(), &memory) {
        (true, _) => Role::Worker,
        (false, Memory::Sealed(_)) => Role::Wrapper,
        // What can't inherit a descriptor is a container's client.
        (false, Memory::Named { .. }) => Role::ContainerClient,
    };
    if let (Some(policy), Memory::Named { path, .. }) = (&mut policy, &memory) {
        policy.memory = Some(fs::canonicalize(path).map_err(system("the worker's memory"))?);
    }
    let sandbox = policy.as_ref().map(Policy::argument).transpose().map_err(refused)?;
    let failed = system("the worker's memory");
    let (stdin, lock, memory) = match memory {
        Memory::Sealed(descriptor) => {
            let lock = owner_lock::reopen(&descriptor).map_err(&failed)?;
            owner_lock::hold(&lock, Owner::Host).map_err(&failed)?;
            (descriptor, lock, boot::Memory::Inherited)
        }
        Memory::Named { path, lock } => {
            (File::open("/dev/null").map_err(&failed)?.into(), lock, boot::Memory::Named(path))
        }
    };
    let (control, stdin) =
        ControlSocket::open(&stdin, &segment.nonce).map_err(system("the control socket"))?;
    let host = (getpid().as_raw(), getpgrp().as_raw());
    // What the launcher may do without the worker does not insist on.
    let runs = policy.is_none_or(|policy| policy.run || policy.optional.contains(&Layer::Syscalls));
    let payload = Boot { segment, memory, host, runs, program: options.program }.encode().map_err(|excess| {
        refused(format!(
            "the tasks' names and URLs, and worker.bootstrap.data, are {excess} bytes longer than Linux allows an environment variable to be"
        ))
    })?;
    let mut env = options.env;
    env.push((WORKER_VARIABLE.into(), WORKER_MARK.into()));
    env.push((BOOT_VARIABLE.into(), payload));
    let limits = Limits { nice: options.nice, stack_bytes: options.stack_bytes.map(|bytes| bytes as u64) };
    let launch = Launch {
        argv: with_launcher(&options.launcher, role, limits, sandbox, options.wrapper, options.command),
        env,
        cwd: options.cwd.map(Into::into),
        stdin,
        reads_stdout: stdio != Stdio::Ignore,
        role,
    };

    let on_event = on_event
        .build_threadsafe_function::<Event>()
        .weak::<true>()
        .build_callback(|context| Ok(WorkerEvent::from(context.value)))?;
    let sink = Box::new(move |event: Event| {
        on_event.call(event, ThreadsafeFunctionCallMode::NonBlocking);
    });
    let id: WorkerId = NEXT_WORKER.fetch_add(1, Ordering::Relaxed);
    reactor::launch(id, Order { launch, lock, stdio, sink }).map_err(system("the reactor"))?;
    lane.set_worker(id, Giver::Socket(control));
    Ok(())
}

/// An error about what this side was given.
pub(super) fn refused(message: String) -> Error {
    Error::new(Status::InvalidArg, message)
}

/// Unlinks the names in shared memory that killed hosts of this user have left.
#[napi]
pub fn sweep_names() {
    shm_name::sweep();
}

/// Drops large blocks that have not been used for a while; true if some are left.
#[napi]
pub fn trim_blocks() -> bool {
    blocks::trim()
}
