//! What the reactor is told to do.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::event::EventHandler;
use crate::process::launch::Launch;
use crate::process::message_rate::MessageRate;
use crate::process::output::Stdio;
use crate::sys::data_limit::Bound;

/// Names a worker to the reactor.
pub type WorkerId = u64;

/// What a worker is to be started and watched with.
pub struct LaunchRequest {
    /// The process.
    pub launch: Launch,
    /// Holds the host's owner lock on the worker's segment; kept until the worker has ended.
    pub lock: File,
    /// What becomes of its output.
    pub stdio: Stdio,
    /// The account of its messages, if they are limited.
    pub messages: Option<Arc<MessageRate>>,
    /// Hears of it.
    pub on_event: EventHandler,
}

/// What a worker thread writes, and who hears of it.
pub struct ListenRequest {
    /// The reading ends of its stdout, unless that is dropped, and of its stderr.
    pub pipes: (Option<OwnedFd>, OwnedFd),
    /// What becomes of its output.
    pub stdio: Stdio,
    /// The account of its messages, if they are limited.
    pub messages: Option<Arc<MessageRate>>,
    /// Hears of it.
    pub on_event: EventHandler,
}

/// How much memory a worker may use.
#[derive(Debug, Clone, Copy)]
pub struct MemoryLimit {
    /// In bytes.
    pub bytes: u64,
    /// How often to look.
    pub every: Duration,
    /// Whether the kernel gets a bound too, of what the worker may have mapped to write to.
    pub bound: Option<Bound>,
    /// True if the worker may start programs, which then count as the worker.
    pub has_programs: bool,
}

/// A message to the reactor's thread.
pub enum Command {
    /// Starts a worker.
    Launch { id: WorkerId, request: Box<LaunchRequest> },
    /// Reads what a worker thread writes.
    Listen { id: WorkerId, request: Box<ListenRequest> },
    /// A worker thread has ended.
    ThreadEnded { id: WorkerId },
    /// A worker says that it has attached.
    Attached { id: WorkerId },
    /// Watches the memory of a worker that has attached.
    WatchMemory { id: WorkerId, limit: MemoryLimit },
    /// Kills a worker after `grace`.
    Kill { id: WorkerId, grace: Duration, mode: KillMode },
    /// Passes on what the workers have written so far, and tells how that goes.
    Flush { told: Sender<Flushed> },
}

/// How far it is with passing on what the workers have written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// The host's streams have taken something.
    Partly,
    /// They have taken everything.
    Wholly,
}

/// How a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillMode {
    /// A container's client that has not brought its worker yet may go on for a while, see
    /// [`crate::process::launch::CONTAINER_GRACE`].
    Orderly,
    /// At once, whatever that leaves.
    Prompt,
}
