//! The worker behind a lane: how the reactor knows it, and what it uses.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use napi::Result;
use napi_derive::napi;
use nix::unistd::{Pid, getpgid};

use super::error::system;
use super::thread_tokens;
use crate::process::reactor::{self, KillMode, MemoryLimit, WorkerId};
use crate::process::thread_usage::ThreadUsage;
use crate::process::usage::{Family, Groups, processor_time_of_thread};
use crate::sys::data_limit::Bound;

/// The worker behind a lane.
pub enum Worker {
    /// There is none.
    None,
    /// A thread that may still have to come for its memory.
    Thread {
        /// With which it comes.
        token: u32,
        /// Names it to the reactor.
        id: WorkerId,
        /// What it tells of itself.
        usage: Arc<ThreadUsage>,
    },
    /// A process.
    Process {
        /// Names it to the reactor.
        id: WorkerId,
        /// True if it may start programs.
        has_programs: bool,
    },
}

/// The process ids of a worker, as the reactor knows them; 0 while there is none.
#[derive(Default)]
pub struct Pids {
    shown: AtomicI32,
    own: AtomicI32,
}

/// What a worker uses.
#[napi(object, object_from_js = false)]
pub struct Usage {
    /// Bytes of memory of its own. Of a thread: as it has said last.
    #[napi(ts_type = "number | undefined")]
    pub memory_bytes: Option<f64>,
    /// Milliseconds of processor time.
    #[napi(ts_type = "number | undefined")]
    pub cpu_millis: Option<f64>,
}

impl Pids {
    /// A process of the worker runs: its own, or its wrapper's.
    pub fn show(&self, pid: i32) {
        self.shown.store(pid, Ordering::Relaxed);
    }

    /// The worker's own process is known.
    pub fn know(&self, pid: i32) {
        self.show(pid);
        self.own.store(pid, Ordering::Relaxed);
    }

    /// The worker's process, or its wrapper's.
    pub fn shown(&self) -> Option<i32> {
        known(&self.shown)
    }
}

fn known(pid: &AtomicI32) -> Option<i32> {
    match pid.load(Ordering::Relaxed) {
        0 => None,
        pid => Some(pid),
    }
}

impl Worker {
    /// What the worker uses, as far as that can be seen.
    pub fn usage(&self, pids: &Pids) -> Usage {
        let mut groups = Groups::default();
        let (memory, time) = match self {
            Self::None => (None, None),
            Self::Thread { usage, .. } => (usage.memory(), usage.thread().and_then(processor_time_of_thread)),
            Self::Process { has_programs, .. } => {
                let family = family(pids, *has_programs);
                let memory = family.and_then(|family| family.memory(&mut groups));
                (memory, family.and_then(|family| family.processor_time(&mut groups)))
            }
        };
        Usage {
            memory_bytes: memory.map(|bytes| bytes as f64),
            cpu_millis: time.map(|time| time.as_secs_f64() * 1000.0),
        }
    }

    /// What a thread tells of itself.
    pub fn thread(&self) -> Option<&ThreadUsage> {
        match self {
            Self::Thread { usage, .. } => Some(usage),
            _ => None,
        }
    }

    /// Has the reactor watch the memory of a process.
    pub fn watch_memory(&self, bytes: u64, every: Duration, bounded: bool) -> Result<()> {
        let Self::Process { id, has_programs } = *self else { return Ok(()) };
        // Programs that the worker may start have needs of their own, and can lift the bound.
        let bound = bounded.then_some(if has_programs { Bound::Soft } else { Bound::Hard });
        let limit = MemoryLimit { bytes, every, bound, has_programs };
        reactor::watch_memory(id, limit).map_err(system("the reactor"))
    }

    /// Lets go of a thread, and kills a process.
    pub fn end(self) {
        match self {
            Self::None => {}
            Self::Thread { token, id, .. } => {
                thread_tokens::revoke(token);
                let _ = reactor::thread_ended(id);
            }
            Self::Process { id, .. } => {
                // Without a reactor there is no worker either.
                let _ = reactor::kill(id, Duration::ZERO, KillMode::Orderly);
            }
        }
    }
}

/// The processes of a worker, once it is known which is its own. Its programs are in the group that it leads,
/// or in its wrapper's.
fn family(pids: &Pids, has_programs: bool) -> Option<Family> {
    let worker = Pid::from_raw(known(&pids.own)?);
    let group = has_programs.then(|| getpgid(Some(worker)).ok()).flatten();
    Some(Family { worker, group })
}
