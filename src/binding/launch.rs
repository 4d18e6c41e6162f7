//! Starting a process worker from JavaScript, and what it hears of it.

use std::sync::atomic::{AtomicU64, Ordering};

use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Error, Status};
use napi_derive::napi;

use super::host_lane::{HostLane, system};
use crate::process::boot::{self, BOOT_VARIABLE, Boot, WORKER_MARK, WORKER_VARIABLE};
use crate::process::launch::{Launch, with_launcher};
use crate::process::owner_lock::{self, Owner};
use crate::process::reactor::{self, Event, WorkerId};
use crate::transport::blocks;

/// Exit status of a worker that refused to attach.
#[napi]
pub const EXIT_REFUSED: i32 = boot::EXIT_REFUSED;

static NEXT_WORKER: AtomicU64 = AtomicU64::new(1);

/// Where a task is found.
#[napi(object)]
#[derive(Clone)]
pub struct TaskSource {
    /// The task's key in the pool.
    pub task: String,
    /// URL of its module.
    pub href: String,
    /// Name of the export.
    pub name: String,
}

impl From<TaskSource> for boot::TaskSource {
    fn from(source: TaskSource) -> Self {
        Self { task: source.task, href: source.href, name: source.name }
    }
}

impl From<boot::TaskSource> for TaskSource {
    fn from(source: boot::TaskSource) -> Self {
        Self { task: source.task, href: source.href, name: source.name }
    }
}

/// What a worker process is started with.
#[napi(object)]
pub struct LaunchOptions {
    /// Path of the launcher.
    pub launcher: String,
    /// Runtime, its flags, worker entry.
    pub command: Vec<String>,
    /// The environment, without the boot variables.
    pub env: Vec<(String, String)>,
    /// The pool's tasks.
    pub tasks: Vec<TaskSource>,
}

/// What happened to a worker process.
#[napi(object)]
#[derive(Default)]
pub struct WorkerEvent {
    /// "spawned", "failed" or "exited".
    pub kind: String,
    /// Process id, of "spawned".
    pub pid: Option<i32>,
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
            Event::Exited { code, signal, stderr_tail } => Self {
                kind: "exited".into(),
                code,
                signal: signal.map(Into::into),
                stderr_tail: Some(stderr_tail),
                ..Self::default()
            },
        }
    }
}

/// Starts a process that works behind `lane`; `on_event` hears of it. Throws if the boot payload is too long.
#[napi]
pub fn launch_worker(
    lane: &HostLane,
    options: LaunchOptions,
    on_event: Function<'_, WorkerEvent, ()>,
) -> Result<()> {
    let (memory, segment) = lane.take_memory()?;
    let tasks = options.tasks.into_iter().map(Into::into).collect();
    let payload = Boot { segment, tasks }.encode().map_err(|excess| {
        Error::new(
            Status::InvalidArg,
            format!("the tasks' names and URLs are {excess} bytes longer than Linux allows an environment variable to be"),
        )
    })?;
    let mut env = options.env;
    env.push((WORKER_VARIABLE.into(), WORKER_MARK.into()));
    env.push((BOOT_VARIABLE.into(), payload));

    let lock = owner_lock::reopen(&memory).map_err(system("the host's owner lock"))?;
    owner_lock::hold(&lock, Owner::Host).map_err(system("the host's owner lock"))?;
    let launch = Launch { argv: with_launcher(options.launcher, options.command), env, memory };

    let on_event = on_event.build_threadsafe_function::<WorkerEvent>().weak::<true>().build()?;
    let sink = Box::new(move |event: Event| {
        on_event.call(event.into(), ThreadsafeFunctionCallMode::NonBlocking);
    });
    let id: WorkerId = NEXT_WORKER.fetch_add(1, Ordering::Relaxed);
    reactor::launch(id, launch, lock, sink).map_err(system("the reactor"))?;
    lane.set_worker(id);
    Ok(())
}

/// Drops large blocks that have not been used for a while; true if some are left.
#[napi]
pub fn trim_blocks() -> bool {
    blocks::trim()
}
