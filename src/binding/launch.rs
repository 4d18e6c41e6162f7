//! Starting a process worker from JavaScript, and what JavaScript hears of it.

use std::sync::Arc;

use napi::bindgen_prelude::{Function, Result};
use napi::threadsafe_function::ThreadsafeFunctionCallMode;
use napi::{Env, Error};
use napi_derive::napi;

use super::error::{refused, unavailable};
use super::host_lane::HostLane;
use super::lane_worker::Pids;
use crate::process::boot;
use crate::process::handover::Giver;
use crate::process::launch::Limits;
use crate::process::message_rate::Flood;
use crate::process::output::{Stdio, Stream};
use crate::process::reactor::{Event, EventHandler};
use crate::process::shm_name;
use crate::process::spawn::{self, Start, StartError, Started};
use crate::sandbox::spec::SandboxSpec;
use crate::transport::blocks;

/// Exit status of a worker that refused to attach: starting it again would end the same way.
#[napi]
pub const EXIT_REFUSED: i32 = boot::EXIT_REFUSED;

/// What becomes of a worker's output: the host's own streams get it, it comes as events, or it is dropped.
#[napi(string_enum = "lowercase")]
pub enum WorkerStdio {
    /// The host's own stdout and stderr get it.
    Inherit,
    /// It comes as events of the kind "output".
    Pipe,
    /// It is dropped.
    Ignore,
}

/// What a worker process is started with.
#[napi(object, object_to_js = false)]
pub struct LaunchRequest {
    /// Path of the launcher.
    pub launcher: String,
    /// What stands before the command; empty without a wrapper.
    pub wrapper: Vec<String>,
    /// Runtime, its flags, worker entry.
    pub command: Vec<String>,
    /// What the worker may do: a `SandboxSpec` of `src/sandbox/spec.rs` as JSON. Everything without it.
    #[napi(ts_type = "string | undefined")]
    pub sandbox: Option<String>,
    /// The whole environment, without the boot variables.
    #[napi(ts_type = "[string, string][]")]
    pub env: Vec<(String, String)>,
    /// Where it runs, if not where the host does.
    #[napi(ts_type = "string | undefined")]
    pub cwd: Option<String>,
    /// What becomes of its output.
    pub stdio: WorkerStdio,
    /// Niceness, from -20 to 19, if not the host's.
    #[napi(ts_type = "number | undefined")]
    pub nice: Option<i32>,
    /// Bytes of stack that the main thread may use, if not as many as the host's.
    #[napi(ts_type = "number | undefined")]
    pub stack_bytes: Option<f64>,
    /// The folder of the cgroup that it is put into, if not the host's.
    #[napi(ts_type = "string | undefined")]
    pub cgroup: Option<String>,
    /// What the worker is to run, as the worker program reads it.
    pub program: String,
}

/// What happened to a worker process, by `kind`:
///
/// - `spawned`: its command runs.
/// - `attached`: the worker has its memory and loads its tasks.
/// - `watched`: its memory is watched from now on.
/// - `exceeded`: it uses more memory than it may.
/// - `output`: it wrote something.
/// - `flooded`: it has written more lines than it may, and is not read any more until it ends.
/// - `outlives`: its wrapper has ended or was killed, and the worker can't be killed from here.
/// - `failed`: it could not be started.
/// - `exited`: it has ended.
#[napi(discriminant = "kind", discriminant_case = "lowercase", object_from_js = false)]
pub enum WorkerEvent {
    /// Its command runs.
    Spawned {
        /// The command's process id: the worker's, or its wrapper's.
        pid: i32,
    },
    /// The worker has attached.
    Attached {
        /// The worker's own process id, if it can be found.
        pid: Option<i32>,
    },
    /// Its memory is watched from now on, if it can be seen.
    Watched {
        /// The bytes that it uses; nothing if it can't be seen.
        memory: Option<f64>,
    },
    /// It uses more memory than it may.
    Exceeded {
        /// The bytes that it uses.
        memory: f64,
        /// True if it is far too much. The worker is killed then.
        is_far: bool,
    },
    /// It wrote something.
    Output {
        /// True if it wrote to stderr.
        is_stderr: bool,
        /// Whole lines.
        lines: String,
    },
    /// It has written more lines than it may.
    Flooded {
        /// How many messages it has sent.
        messages: f64,
        /// Within how many seconds, at least 1.
        seconds: f64,
    },
    /// Its wrapper has ended or was killed, and the worker can't be killed from here.
    Outlives,
    /// It could not be started.
    Failed {
        /// Why, as a sentence.
        message: String,
        /// True if another attempt may succeed.
        retryable: bool,
    },
    /// It has ended.
    Exited {
        /// Exit status, if it exited.
        code: Option<i32>,
        /// Name of the signal, if one killed it.
        signal: Option<String>,
        /// The last of what it wrote to stderr.
        stderr_tail: String,
        /// It was given up: something of it is still there.
        lives_on: bool,
    },
}

impl From<Event> for WorkerEvent {
    fn from(event: Event) -> Self {
        match event {
            Event::Spawned { pid } => Self::Spawned { pid },
            Event::Failed { message, retryable } => Self::Failed { message, retryable },
            Event::Attached { pid } => Self::Attached { pid },
            Event::Watched { memory } => Self::Watched { memory: memory.map(|bytes| bytes as f64) },
            Event::Exceeded { memory, is_far } => Self::Exceeded { memory: memory as f64, is_far },
            // The receipt is dropped here, on the JavaScript thread.
            Event::Output { stream, lines, receipt: _ } => Self::Output {
                is_stderr: stream == Stream::Stderr,
                lines: String::from_utf8_lossy(&lines).into_owned(),
            },
            Event::Flooded(Flood { messages, seconds }) => {
                Self::Flooded { messages: messages as f64, seconds: seconds as f64 }
            }
            Event::Outlives => Self::Outlives,
            Event::Exited { code, signal, stderr_tail, lives_on } => {
                Self::Exited { code, signal: signal.map(Into::into), stderr_tail, lives_on }
            }
        }
    }
}

impl From<WorkerStdio> for Stdio {
    fn from(stdio: WorkerStdio) -> Self {
        match stdio {
            WorkerStdio::Inherit => Self::Inherit,
            WorkerStdio::Pipe => Self::Pipe,
            WorkerStdio::Ignore => Self::Ignore,
        }
    }
}

/// Starts a process that works behind `lane`; `onEvent` hears of it. Throws if the boot payload or the
/// sandbox's description is too long, if the system lacks something, and if the lane has a worker already.
#[napi(ts_args_type = "lane: HostLane, request: LaunchRequest, onEvent: (event: WorkerEvent) => void")]
pub fn launch_worker(
    env: Env,
    lane: &HostLane,
    request: LaunchRequest,
    on_event: Function<'_, WorkerEvent, ()>,
) -> Result<()> {
    let sandbox = request.sandbox.map(|json| SandboxSpec::decode(&json)).transpose().map_err(refused)?;
    let start = Start {
        launcher: request.launcher,
        wrapper: request.wrapper,
        command: request.command,
        sandbox,
        env: request.env,
        cwd: request.cwd,
        stdio: request.stdio.into(),
        messages: lane.messages(),
        limits: Limits {
            nice: request.nice,
            stack_bytes: request.stack_bytes.map(|bytes| bytes as u64),
            cgroup: request.cgroup,
        },
        program: request.program,
    };
    let (memory, segment) = lane.take_memory()?;
    let on_event = event_handler(on_event, Some(lane.pids()))?;
    let Started { id, control, bell, has_programs } =
        spawn::start(start, memory, segment, on_event).map_err(not_started)?;
    lane.set_worker(id, has_programs, Giver::Socket(control));
    lane.set_bell(&env, bell)
}

/// Has `on_event` called on the JavaScript thread with each event of a worker. `pids` get its process ids, as
/// soon as they are known.
pub(super) fn event_handler(
    on_event: Function<'_, WorkerEvent, ()>,
    pids: Option<Arc<Pids>>,
) -> Result<EventHandler> {
    let on_event = on_event
        .build_threadsafe_function::<Event>()
        .weak::<true>()
        .build_callback(|context| Ok(WorkerEvent::from(context.value)))?;
    Ok(Box::new(move |event: Event| {
        match (&pids, &event) {
            (Some(pids), Event::Spawned { pid }) => pids.show(*pid),
            (Some(pids), Event::Attached { pid: Some(pid) }) => pids.know(*pid),
            _ => {}
        }
        on_event.call(event, ThreadsafeFunctionCallMode::NonBlocking);
    }))
}

fn not_started(error: StartError) -> Error {
    match error {
        StartError::Refused(message) => refused(message),
        StartError::System { what, error } => unavailable(format!("set up {what}"))(error),
    }
}

/// Unlinks the names in shared memory that killed hosts of this user have left.
#[napi]
pub fn sweep_names() {
    shm_name::sweep();
}

/// Drops large blocks that have not been used for a while. True if some are left.
#[napi]
pub fn trim_blocks() -> bool {
    blocks::trim()
}
